"""Who keeps a cluster, as its state directory tells while nobody answers."""

import fcntl
import os


def keeper_of(state: str) -> int | None:
    """The pid of who holds the state directory's lock, where somebody does."""
    try:
        with open(os.path.join(state, "lock"), encoding="ascii", errors="replace") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = lock.read(32).strip()
                return int(pid) if pid.isdecimal() else None
    except OSError:
        pass
    return None


def why_silent(socket: str) -> str:
    """What to expect, or to do, where an engine does not answer in time."""
    keeper = keeper_of(os.path.dirname(socket))
    if keeper is not None and _stopped(keeper):
        return f"its keeper (pid {keeper}) is stopped, by Ctrl-Z or SIGSTOP: `kill -CONT {keeper}` lets it go on"
    return "its keeper replaces one that hangs for 30 s"


def _stopped(pid: int) -> bool:
    """proc_pid_stat(5): the state follows the name, which may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] == [b"T"]
    except OSError:
        return False
