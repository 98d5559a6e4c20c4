"""The state directory: that it is ours alone, who holds it, and the keeper's own few lines of log."""

import contextlib
import fcntl
import os
import select
import stat
import sys
import time

from supervisor.keeper import identity, limits

LOCK_TRIES = 25


class Refused(Exception):
    """This keeper cannot have the directory; carries the exit code."""

    def __init__(self, why: str, exit_code: int) -> None:
        super().__init__(why)
        self.exit_code = exit_code


def claim(directory: str) -> int:
    """Makes the directory if need be, checks it, takes its lock; the lock lasts as long as the descriptor."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        status = os.stat(directory)
        _check(directory, status)
        # The whole path must fit a socket's address: 107 bytes and a NUL (unix(7)).
        longest = os.path.join(directory, "clusterctl.sock")
        if len(os.fsencode(longest)) > 107:
            raise Refused(f"{directory}: too long a path for a socket in it (at most 91 bytes)", 2)
        # What a link leads to is another's, and would be written over.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(os.path.join(directory, "lock"), flags, 0o600)
    except OSError as error:
        raise Refused(f"{directory}: {words(error)}; nothing was started", 2) from None
    _lock(directory, lock)
    write_pid(lock, os.getpid())
    return lock


def renew(directory: str, lock: int) -> int:
    """The lock on what is at that path now, the directory made again if need be. Raises Refused as `claim` does.

    A lock on a file that was removed keeps nobody out.
    """
    try:
        if os.path.samestat(os.stat(os.path.join(directory, "lock")), os.fstat(lock)):
            return lock
    except OSError:
        pass
    new = claim(directory)
    os.close(lock)
    return new


def _lock(directory: str, lock: int) -> None:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            if holder.isdecimal() and identity.start_ticks(int(holder)):
                break
            # No keeper lives: a verb is just looking whether one does, or a child is on its way to exec.
            time.sleep(0.02)
    raise Refused(f"{directory}: held by another keeper, pid {holder or 'unknown'}; nothing was started", 5)


def holder(directory: str) -> int:
    """The pid that its lock names; 0 where it names none."""
    with contextlib.suppress(OSError, ValueError), open(os.path.join(directory, "lock"), "rb") as lock:
        return int(lock.read(32))
    return 0


def write_pid(lock: int, pid: int | None) -> None:
    """A full disk must not keep us from running, nor from ending: the lock itself is what counts."""
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"" if pid is None else f"{pid}\n".encode(), 0)
    except OSError:
        pass


def _check(directory: str, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise Refused(f"{directory}: not a directory", 2)
    if status.st_uid != os.geteuid():
        raise Refused(f"{directory}: belongs to user {status.st_uid}, not to us ({os.geteuid()})", 2)
    if loose := status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise Refused(
            f"{directory}: mode {mode:04o} lets others in ({loose:03o}); `chmod 700 {directory}`, then try again", 2
        )


class Log:
    """DIR/keeper.log, append-only; starts again, keeping one older file, above its bound."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "keeper.log")

    def __call__(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        try:
            rotate(self._path, limits.KEEPER_LOG)
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, f"{stamp} {text}\n".encode("utf-8", "replace"))
            finally:
                os.close(fd)
        except OSError:
            pass  # Nothing that the keeper does may hang on its log.


def aloud(text: str) -> None:
    """To the terminal that we run in, if it takes it at once: one that is stopped (Ctrl-S) must not stop us."""
    try:
        if os.isatty(2) and select.select((), (2,), (), 0)[1]:
            os.write(2, f"clusterctl: {text}\n".encode())
    except (OSError, ValueError):
        pass


def complain(text: str, *lines: str) -> None:
    """To stderr, what keeps us from running; nothing where nobody takes it."""
    told = (f"clusterctl keeper: {text}", *lines)
    harmless = ("".join(one if one.isprintable() else "\ufffd" for one in line) for line in told)
    with contextlib.suppress(OSError):
        sys.stderr.write("".join(f"{line}\n" for line in harmless))
        sys.stderr.flush()


def size(path: str) -> int:
    """0 where there is none."""
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0


def tail(path: str, since: int, most: int) -> list[str]:
    """The lines from that byte on, of the last so many bytes."""
    try:
        with open(path, "rb") as file:
            file.seek(max(since, size(path) - most))
            return file.read(most).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def rotate(path: str, above: int) -> None:
    """Renames `path` to `path.1` when it is larger than `above` bytes."""
    if size(path) > above:
        os.rename(path, path + ".1")


def words(error: OSError) -> str:
    """`is a directory: /s/journal`."""
    reason = (error.strerror or str(error)).lower()
    return f"{reason}: {error.filename}" if error.filename else reason
