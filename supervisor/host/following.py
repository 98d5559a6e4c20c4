"""Reads on in log files as they grow: new lines of one file over rotations, of several merged, and for a pattern.

A rotation (see logs.py) moves the front of the live file to `PATH.1`, which is a new file then. So a reader that
finds another file at `PATH.1` than it knew counts how many rotations there were, reads what it had not read yet
from the rotated files, and goes on in the live one. A file that was removed, replaced or truncated by somebody else
is read from its beginning.
"""

import asyncio
import fcntl
import os
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

from supervisor.host.logs import block_size, padding, tail
from supervisor.host.writes import Writes

# A line that goes on for longer is cut here, and the rest of it dropped; a terminal shows less anyway.
LONGEST_LINE = 64 * 1024

# Read from one file at one time: other files, and other work, get their turn.
_MOST = 1 << 20

# A part of an endless line gives no line: so many times more is read before others get their turn.
_TRIES = 16

# What was rotated away unread is given up beyond its last so many bytes, file by file.
_MOST_MISSED = 16 << 20


class _Identity(NamedTuple):
    """Tells rotated files apart; inode numbers alone are used again at once."""

    inode: int
    changed: int
    size: int


class Place(NamedTuple):
    """Where in a log a reader is, so that another can go on there: over a death of the engine, and rotations."""

    log: str
    """The name of its file, without what ends it."""
    at: int
    """Byte of the live file …"""
    rotated: int
    """… as it was when this stood beside it: a checksum of what tells rotated files apart; 0: none did."""
    lines: int
    """So many lines from there on are known."""


class LogReader:
    """The lines of one log that are new since the last call. Holds no descriptor between calls."""

    def __init__(self, path: str, offset: int | None = None) -> None:
        """From `offset` on; None: from the present end. A file that is not there yet is read from its beginning."""
        self.path = path
        self._file = _file(path)
        self._rotated = _identity(f"{path}.1")
        self._at = _size(path) if offset is None else offset
        self._rest = b""
        self._cutting = False

    @classmethod
    def again(cls, path: str, place: Place) -> "LogReader":
        """Where another reader was; what was rotated since is read from the rotated files."""
        reader = cls(path, place.at)
        reader._rotated = _rotated_as(path, place.rotated)
        return reader

    def place(self) -> Place | None:
        """Where the next line begins; None in the middle of one that is cut, or that began before a rotation."""
        at = self._at - len(self._rest)
        name = os.path.basename(self.path).removesuffix(".log")
        return None if self._cutting or at < 0 else Place(name, at, _checksum(self._rotated), 0)

    def read(self) -> list[bytes]:
        """New complete lines without their newlines, about a megabyte at once; none while a rotation goes on."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = None
            return []
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            for _ in range(_TRIES):
                text = self._read(fd)
                if not text or (lines := self._lines(text)):
                    break
            return lines if text else []
        except OSError:
            return []
        finally:
            os.close(fd)

    def last(self) -> list[bytes]:
        """All that is left, a line without its end too: nobody writes there any more."""
        found: list[bytes] = []
        while more := self.read():
            found += more
        return [*found, self._rest] if self._rest else found

    def _read(self, fd: int) -> bytes:
        seen = os.fstat(fd)
        if (seen.st_dev, seen.st_ino) != self._file:
            self._file = (seen.st_dev, seen.st_ino)
            self._restart()
        missed = self._catch_up(fd)
        if self._at > seen.st_size:
            self._restart()
        if self._at == 0 and self._rotated:
            self._at = _padded(fd, self._rotated.size)
        text = os.pread(fd, _MOST, self._at)
        self._at += len(text)
        return missed + text

    def _restart(self) -> None:
        self._rotated = _identity(f"{self.path}.1")
        self._at = 0
        self._rest = b""
        self._cutting = False

    def _catch_up(self, fd: int) -> bytes:
        """After rotations: what is unread in the rotated files; `_at` is then a place in the live one."""
        newest = _identity(f"{self.path}.1")
        if newest == self._rotated:
            return b""
        rotations = self._rotations()
        self._rotated = newest
        missed = b""
        for number in range(rotations, 0, -1):
            place = f"{self.path}.{number}"
            size = _size(place)
            missed += _part(place, max(self._at, size - _MOST_MISSED))
            self._at = max(self._at, size) - size
            if number > 1:
                with open(f"{self.path}.{number - 1}", "rb") as after:
                    self._at += _padded(after.fileno(), size)
            else:
                self._at += _padded(fd, size)
        return missed

    def _rotations(self) -> int:
        """How many there were since we looked; after more than files are kept, all that are there are unread."""
        number = 1
        while found := _identity(f"{self.path}.{number}"):
            if found == self._rotated:
                return number - 1
            number += 1
        if self._rotated is not None:
            self._at = 0
        return number - 1

    def _lines(self, text: bytes) -> list[bytes]:
        *whole, rest = (self._rest + text).split(b"\n")
        if whole and self._cutting:
            del whole[0]
            self._cutting = False
        self._rest = rest
        if len(rest) > LONGEST_LINE:
            if not self._cutting:
                whole.append(rest[:LONGEST_LINE])
            self._cutting = True
            self._rest = b""
        return [line[:LONGEST_LINE] for line in whole]


class LogMatcher:
    """Says when a line of a log, from an offset on, matches a pattern: readiness by log line."""

    # Patterns are the operator's own; a bounded line keeps a clumsy one from taking seconds.
    _LONGEST = 4096

    def __init__(self, path: str, pattern: str, offset: int | None = None) -> None:
        """Raises re.error. `offset`: the log's size before the worker was started; None: its present size."""
        self._pattern = re.compile(pattern)
        self._reader = LogReader(path, offset)
        self.matched: str | None = None

    def feed(self) -> bool:
        """Read what is new; True from the first match on."""
        while self.matched is None and (lines := self._reader.read()):
            for line in lines:
                text = line[: self._LONGEST].decode("utf-8", "replace").rstrip("\r")
                if self._pattern.search(text):
                    self.matched = text
                    break
        return self.matched is not None


class Log(NamedTuple):
    """A log as somebody writes it now."""

    path: str
    begins: int = 0
    """Byte at which the output of who writes it now begins; what stands before is another's."""


class Followed:
    """One of the logs that are followed, and where in it whoever follows it is."""

    def __init__(self, name: str, reader: LogReader, place: Place | None = None) -> None:
        self.name = name
        self._reader = reader
        self._place = place
        self._known = place.lines if place else 0

    def read(self, over: bool = False) -> Iterator[tuple[str, bytes] | Place]:
        """What is new; before it, where it stands. `over`: nobody writes there any more."""
        place = self._reader.place()
        found = self._reader.last() if over else self._reader.read()
        if place is not None and not self._known:
            self._place = place
        skipped = min(self._known, len(found))
        self._known -= skipped
        if skipped < len(found):
            yield from self.stands()
            for line in found[skipped:]:
                yield self.name, line
            if self._place is not None:
                self._place = self._place._replace(lines=self._place.lines + len(found) - skipped)

    def stands(self) -> Iterator[Place]:
        if self._place is None:
            self._place = self._reader.place()
        if self._place is not None:
            yield self._place


async def follow(
    logs: Callable[[], Mapping[str, Log]], lines: int = 10, places: Mapping[str, tuple[str, Place]] | None = None
) -> AsyncIterator[tuple[str, bytes] | Place]:
    """Name and line of several logs: the last `lines` of each, then what comes, for as long as `logs` can be asked.

    `logs` tells name -> log, and is asked again and again: a replaced worker writes into another file. One that is
    new is followed from where it begins, one that is no longer told is read to its end.

    The lines that follow a Place are of its log, from there on. `places` are the last ones that an earlier follower
    was told, by the log's path and with its name, their lines counted since: the lines go on exactly there.
    """
    followed: dict[str, Followed] = {}
    for path, (name, place) in (places or {}).items():
        followed[path] = Followed(name, LogReader.again(path, place), place)
    for name, log in logs().items():
        if places and log.path not in followed:
            followed[log.path] = Followed(name, LogReader(log.path, log.begins))
        elif not places:
            start = _line_start(log.path)
            followed[log.path] = Followed(name, LogReader(log.path, start))
            for line in await asyncio.to_thread(tail, log.path, lines, start):
                yield name, line
        for stands in followed[log.path].stands():
            yield stands
    with closing(Writes()) as writes:
        while True:
            quiet = True
            writes.watch(followed)
            for one in list(followed.values()):
                for item in one.read():
                    quiet = False
                    yield item
            if not quiet:
                await asyncio.sleep(0)  # a flood still leaves the loop to others
                continue
            await writes.wait()
            now = {log.path: (name, log) for name, log in logs().items()}
            for path in followed.keys() - now.keys():
                for item in followed.pop(path).read(over=True):
                    yield item
            for path, (name, log) in now.items():
                if path not in followed:
                    followed[path] = Followed(name, LogReader(path, log.begins))
                followed[path].name = name


def _file(path: str) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _identity(path: str) -> _Identity | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return _Identity(seen.st_ino, seen.st_mtime_ns, seen.st_size)


def _checksum(identity: _Identity | None) -> int:
    return zlib.crc32(repr(tuple(identity)).encode()) or 1 if identity else 0


def _rotated_as(path: str, checksum: int) -> _Identity | None:
    """The rotated file that is meant, wherever it has come to; one that is none of ours, if it is gone."""
    if not checksum:
        return None
    number = 1
    while found := _identity(f"{path}.{number}"):
        if _checksum(found) == checksum:
            return found
        number += 1
    return _Identity(0, 0, 0)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _part(path: str, start: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read()


def _padded(fd: int, rotated: int) -> int:
    """How many bytes at the front of an open log are what the rotation of a file of that size left there."""
    length = (rotated - 1) % block_size(fd) + 1
    return length if os.pread(fd, length, 0) == padding(length) else 0


def _line_start(path: str) -> int:
    """Where the last, unfinished line of a log begins: its size, if it ends with a newline."""
    size = _size(path)
    start = max(0, size - LONGEST_LINE)
    try:
        with open(path, "rb") as file:
            file.seek(start)
            found = file.read(size - start).rfind(b"\n")
    except OSError:
        return 0
    return start + found + 1 if found >= 0 else start
