"""Who a pid is: start ticks, boot, environment, children, as /proc tells (proc_pid_stat(5))."""

import os

PROC = "/proc"


def boot_id() -> str:
    """Changes with each boot; empty where the system has none."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def start_ticks(pid: int | str) -> int:
    """Field 22 of stat, clock ticks since boot: with the pid it names a process for ever; 0: no such process."""
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == [b"Z"]


def is_stopped(pid: int) -> bool:
    """By SIGSTOP or Ctrl-Z."""
    return _stat(pid)[:1] == [b"T"]


def parent_of(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if len(fields) > 1 else 0


def environment(pid: int) -> list[bytes]:
    """As it was at exec; empty for a zombie, for one that is gone, and for one that we may not read."""
    return _read(f"{PROC}/{pid}/environ").split(b"\0")


def command(pid: int) -> str:
    return _read(f"{PROC}/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()[:200]


def everyone() -> list[int]:
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return []


def own_children() -> list[int]:
    """All children of this process, zombies included (the kernel's list, else one pass over /proc)."""
    me = os.getpid()
    try:
        with open(f"{PROC}/self/task/{me}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return [pid for pid in everyone() if parent_of(pid) == me]


def _stat(pid: int | str) -> list[bytes]:
    # The name stands in parentheses and may hold anything, parentheses too: fields count from the last one.
    return _read(f"{PROC}/{pid}/stat").rpartition(b")")[2].split()


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return b""
    finally:
        os.close(fd)
