"""Log files of workers: rotated without losing a line, and read from the end.

Workers write straight into their file (O_APPEND) and keep it open, so it cannot be swapped under them. Rotation
copies the complete lines to `PATH.1` and then takes exactly those bytes out of the front of the live file:
fallocate(2) COLLAPSE_RANGE, on ext4, XFS and f2fs, holds off writers for that moment, so no line is lost or
damaged. It takes out whole blocks only; the rest of the last one, which is in `PATH.1` already, is overwritten with
blanks and a newline, at most a block of them, that readers here pass over.

Where the file system cannot (tmpfs, btrfs, ZFS, macOS), all is copied until nothing more comes, and the file is
truncated: what is written in the microseconds between is lost, as with logrotate's `copytruncate`.

A shared lock (flock) on the live file is held while reading, an exclusive one while rotating.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator

from supervisor.model.spec import LogSpec
from supervisor.model.telling import telling
from supervisor.model.text import clean_bytes

_CHUNK = 1 << 20
_MOST_OWN = 1 << 16
_COLLAPSE_RANGE = 0x08

# Nobody reads more than this at once; a file of one endless line must not fill our memory.
_MOST_TAIL = 16 << 20

# No file system, or one that will not take blocks out of this file: then the file is truncated.
_CANNOT_COLLAPSE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV, errno.ETXTBSY, errno.EPERM)


def rotate(path: str, spec: LogSpec) -> bool:
    """Rotate if the file has outgrown `spec.max_bytes`; True if it was rotated.

    Blocks for as long as copying takes (10 MB: about 10 ms, more on a slow disk): call it in a thread.
    Raises OSError when the disk is full or not writable; the live file is untouched then.
    """
    try:
        if os.stat(path).st_size <= spec.max_bytes:
            return False
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        # Another rotation may have been faster.
        if os.fstat(fd).st_size <= spec.max_bytes:
            return False
        return _collapse(fd, path, spec.keep) or _truncate(fd, path, spec.keep)
    finally:
        os.close(fd)


def _collapse(fd: int, path: str, keep: int) -> bool:
    block = block_size(fd)
    end = _end_of_lines(fd, os.fstat(fd).st_size)
    front = (end - 1) // block * block
    if front <= 0 or not _can_collapse(path, block):
        return False
    if keep:
        _copy(fd, f"{path}.new", 0, end)
    # Writers wait while the range is taken out, and dirty pages are written first: so write most of them before.
    os.fdatasync(fd)
    # From here until they are taken out the lines are in both files: a death between would leave them there twice.
    if keep:
        _shift(path, keep)
    os.pwrite(fd, padding(end - front), front)
    if failed := _fallocate(fd, _COLLAPSE_RANGE, front):
        raise OSError(failed, f"could not take the rotated lines out of {path}: {os.strerror(failed)}")
    return True


def _truncate(fd: int, path: str, keep: int) -> bool:
    end = 0
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}.new")
    # The copy is in its place before the lines go: a death between leaves them in both files, and not in none.
    for copy in (".new", ".1"):
        while (size := os.fstat(fd).st_size) > end:
            if keep:
                _copy(fd, path + copy, end, size)
            end = size
        if keep and copy == ".new":
            _shift(path, keep)
    os.ftruncate(fd, 0)
    return True


def padding(size: int) -> bytes:
    """What stands at the front of a live file where a part of a block could not be taken out."""
    return b" " * (size - 1) + b"\n" if size else b""


def block_size(fd: int) -> int:
    return os.fstatvfs(fd).f_bsize


def _end_of_lines(fd: int, size: int) -> int:
    """The end of the last complete line, or `size` where the last megabyte holds none."""
    start = max(0, size - _CHUNK)
    found = os.pread(fd, size - start, start).rfind(b"\n")
    return start + found + 1 if found >= 0 else size


def _can_collapse(path: str, block: int) -> bool:
    """Tried on a file of two blocks beside it, so that nothing is copied or overwritten in vain."""
    trial = f"{path}.new"
    fd = os.open(trial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, 2 * block)
        failed = _fallocate(fd, _COLLAPSE_RANGE, block)
        if failed and failed not in _CANNOT_COLLAPSE:
            raise OSError(failed, f"could not rotate {path}: {os.strerror(failed)}")
        return not failed
    finally:
        os.close(fd)
        os.unlink(trial)


def _fallocate(fd: int, mode: int, length: int) -> int:
    """0, or the errno."""
    import ctypes  # 4 ms, and only when a log is rotated

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "fallocate"):
        return errno.ENOSYS
    # off_t is 64 bits everywhere that Python 3.11 is built with large files, which is everywhere.
    if libc.fallocate(ctypes.c_int(fd), ctypes.c_int(mode), ctypes.c_int64(0), ctypes.c_int64(length)) == 0:
        return 0
    return ctypes.get_errno()


def _copy(fd: int, target: str, start: int, end: int) -> None:
    """Append [start, end) of the open file to `target`, or leave no trace of a failed try."""
    into = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, os.fstat(fd).st_mode & 0o777)
    try:
        while start < end:
            chunk = os.pread(fd, min(_CHUNK, end - start), start)
            if not chunk:
                raise OSError(errno.EIO, f"{target}: the log became shorter while it was copied")
            write_all(into, chunk)
            start += len(chunk)
    except OSError:
        os.unlink(target)
        raise
    finally:
        os.close(into)


def write_all(fd: int, data: bytes) -> None:
    """However little the disk takes at one time. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _shift(path: str, keep: int) -> None:
    """PATH.1 becomes PATH.2 and so on; the oldest goes; PATH.new becomes PATH.1."""
    number = keep
    with contextlib.suppress(FileNotFoundError):
        while True:  # also those left over from a larger `keep`
            os.unlink(f"{path}.{number}")
            number += 1
    for number in range(keep - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}.{number}", f"{path}.{number + 1}")
    os.rename(f"{path}.new", f"{path}.1")


def tail(path: str, lines: int, end: int | None = None) -> list[bytes]:
    """The last lines, oldest first, without newlines, from rotated files too; an unfinished one counts.

    `end`: nothing from this offset of the live file on.
    """
    found: list[bytes] = []
    if lines <= 0:
        return found
    with _shared(path):
        for place in (path, *_rotated(path)):
            with contextlib.suppress(FileNotFoundError):
                found = _last_of(place, lines - len(found), end if place == path else None) + found
            if len(found) >= lines:
                break
    return found


def last_lines(path: str, n: int = 5, longest: int = 500, start: int = 0) -> tuple[str, ...]:
    """The last lines that say anything, made harmless, for saying why a worker died.

    `start`: where the worker's own output begins in the live file; what stands before it is another's. A file that
    is shorter by now was rotated since: then the last lines are its own all the same.
    """
    if _silent(path, start):
        return ()
    found = tail(path, n * 8)
    if start:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size >= start:
                file.seek(max(start, size - _MOST_OWN))
                found = file.read(_MOST_OWN).split(b"\n")
    told = (clean_bytes(line.strip(b"\0\r"), longest) for line in found)
    return tuple(telling([line for line in told if line.strip()])[-n:])


def _silent(path: str, start: int) -> bool:
    """Whether nothing was written since `start`: one look instead of a lock, a read and a look for older files."""
    try:
        return os.stat(path).st_size == start and (start > 0 or not os.path.exists(f"{path}.1"))
    except OSError:
        return False


def _rotated(path: str) -> Iterator[str]:
    number = 1
    while os.path.exists(place := f"{path}.{number}"):
        yield place
        number += 1


def _last_of(place: str, wanted: int, end: int | None) -> list[bytes]:
    with open(place, "rb") as file:
        size = at = min(file.seek(0, os.SEEK_END), end if end is not None else 1 << 63)
        parts: list[bytes] = []
        newlines = 0
        # One newline more than lines: the first piece may be the end of a longer line.
        while at > 0 and newlines <= wanted and size - at < _MOST_TAIL:
            step = min(at, 1 << 16)
            at -= step
            file.seek(at)
            parts.append(file.read(step))
            newlines += parts[-1].count(b"\n")
    pieces = b"".join(reversed(parts)).split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    if at == 0 and pieces and is_padding(pieces[0]):
        del pieces[0]
    return pieces[-wanted:]


def is_padding(first_line: bytes) -> bool:
    """Whether the first line of a file is what a rotation left there."""
    return not first_line.strip(b" ")


@contextlib.contextmanager
def _shared(path: str) -> Iterator[None]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)
