"""Linux's /proc: what one process's stat says, read through descriptors that stay open.

A kept descriptor is bound to its process and not to the number: when the pid is used again it answers "no such
process", so a re-used pid can never be mistaken for the process that had it before. Fields: proc_pid_stat(5).
"""

import os
import resource
from typing import NamedTuple

# comm holds at most 64 bytes and the 52 numbers after it fewer than 500; one pread always gets it all.
_STAT_BYTES = 768


class Stat(NamedTuple):
    """The fields that sampling needs; times are clock ticks."""

    parent: int
    group: int
    own_ticks: int
    """User and system time of the process, all its threads included."""
    reaped_ticks: int
    """The same of every descendant that was waited for, by it or below it."""
    threads: int
    start_ticks: int
    rss_pages: int


def parse_stat(text: bytes) -> Stat:
    """Read /proc/PID/stat. The name may hold anything, parentheses and newlines too: the last `)` ends it."""
    field = text[text.rindex(b")") + 2 :].split(None, 22)
    return Stat(
        int(field[1]),
        int(field[2]),
        int(field[11]) + int(field[12]),
        int(field[13]) + int(field[14]),
        int(field[17]),
        int(field[19]),
        int(field[21]),
    )


class StatReader:
    """Reads stat of many processes again and again; keeps one descriptor for each, within the limit."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._kept: dict[int, int] = {}
        # Half of what we may open: sockets and logs need the rest. Beyond it, files are opened each time.
        self._room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2

    def read(self, pid: int) -> Stat | None:
        """None when the process is gone. A process that took over the pid is read from the next call on."""
        kept = self._kept.get(pid)
        if kept is None:
            return self._first(pid)
        try:
            return parse_stat(os.pread(kept, _STAT_BYTES, 0))
        except (OSError, ValueError, IndexError):
            self.forget(pid)
            return None

    def once(self, pid: int) -> Stat | None:
        """Read without keeping anything."""
        try:
            fd = os.open(f"{self._proc}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return parse_stat(os.pread(fd, _STAT_BYTES, 0))
        except (OSError, ValueError, IndexError):
            return None
        finally:
            os.close(fd)

    def _first(self, pid: int) -> Stat | None:
        if len(self._kept) >= self._room:
            return self.once(pid)
        try:
            fd = os.open(f"{self._proc}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self._kept[pid] = fd
        return self.read(pid)

    def forget(self, pid: int) -> None:
        if (fd := self._kept.pop(pid, None)) is not None:
            os.close(fd)

    def close(self) -> None:
        for pid in tuple(self._kept):
            self.forget(pid)

    @property
    def kept(self) -> int:
        return len(self._kept)


class OpenFiles:
    """Counts the open files of a process."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        # Since Linux 6.2 the size of /proc/PID/fd is the count: 2.6 µs instead of 9 for listing it.
        try:
            self.cheap = os.stat(f"{proc}/self/fd").st_size > 0
        except OSError:
            self.cheap = False

    def count(self, pid: int) -> int | None:
        """None when it is gone, or not ours to see."""
        path = f"{self._proc}/{pid}/fd"
        try:
            return os.stat(path).st_size if self.cheap else len(os.listdir(path))
        except OSError:
            return None


def all_pids(proc: str = "/proc") -> set[int]:
    return {int(name) for name in os.listdir(proc) if name.isdigit()}
