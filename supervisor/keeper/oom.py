"""Whether the kernel's OOM killer struck since we last looked, as far as its counters tell."""

import os


class OomWatch:
    """One counter, of our cgroup where it has one (memory.events), else of the machine (vmstat)."""

    def __init__(self, *paths: str) -> None:
        self._fd = -1
        for path in paths or (f"/sys/fs/cgroup{_cgroup()}/memory.events", "/proc/vmstat"):
            try:
                self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                break
            except OSError:
                continue
        self._seen = self._count()

    def struck(self) -> bool:
        """True as often as the counter has grown: each killing is blamed for one death."""
        count = self._count()
        if count <= self._seen:
            return False
        self._seen += 1
        return True

    def look(self) -> None:
        """Whoever was killed until now is none of those that end from now on."""
        self._seen = self._count()

    def _count(self) -> int:
        if self._fd < 0:
            return 0
        try:
            data = os.pread(self._fd, 65536, 0)
        except OSError:
            return self._seen
        _, found, rest = data.partition(b"oom_kill ")
        return int(rest.split(None, 1)[0]) if found else 0


def _cgroup() -> str:
    try:
        with open("/proc/self/cgroup") as file:
            for line in file:
                if line.startswith("0::"):
                    path = line[3:].strip()
                    return "" if path == "/" else path
    except OSError:
        pass
    return ""
