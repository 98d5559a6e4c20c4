"""A recording of the screen's pictures and events: a file that any gunzip reads, and that we can enter anywhere.

Each record is one line of JSON in a gzip member of its own (RFC 1952 allows many in a row), whose header tells the
member's length, time and kind in an extra field, as BGZF does. So the index is read without unpacking anything,
half a file is a good file, and what is damaged in the middle costs only itself.
"""

import io
import os
import struct
import zlib
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from supervisor.model.events import Event
from supervisor.model.snapshot import Snapshot

_MAGIC = b"\x1f\x8b\x08\x04"
_HEAD = struct.Struct("<4sIBBH2sHIdc")
"""Magic, mtime, flags, system, length of the extra field; its name, its length: size of packed data, wall, kind."""
_TAIL = struct.Struct("<II")
_NAME = b"CC"
_EXTRA = 4 + 13
PICTURE, EVENT = b"p", b"e"


class Member(NamedTuple):
    """Where one record stands in the file."""

    offset: int
    length: int
    """Of the whole member."""
    wall: float
    kind: bytes


def member(kind: bytes, wall: float, data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    head = _HEAD.pack(_MAGIC, int(wall) & 0xFFFFFFFF, 0, 255, _EXTRA, _NAME, _EXTRA - 4, len(packed), wall, kind)
    return head + packed + _TAIL.pack(zlib.crc32(data), len(data) & 0xFFFFFFFF)


def unpacked(raw: bytes) -> bytes:
    """The line in one member; raises ValueError where it is damaged."""
    try:
        return zlib.decompress(raw, zlib.MAX_WBITS | 16)
    except zlib.error as error:
        raise ValueError(str(error)) from None


def members(file: io.BufferedIOBase, size: int) -> tuple[list[Member], int]:
    """All whole members, and how many bytes belong to none of them."""
    found: list[Member] = []
    lost = at = 0
    while at < size:
        file.seek(at)
        one = _member_at(file.read(_HEAD.size), at)
        if one is not None and at + one.length <= size:
            found.append(one)
            at += one.length
            continue
        start = _next_head(file, at + 1, size)
        lost += start - at
        at = start
    return found, lost


def _member_at(head: bytes, at: int) -> Member | None:
    if len(head) < _HEAD.size:
        return None
    magic, _, _, _, extra, name, inner, packed, wall, kind = _HEAD.unpack(head)
    if (magic, name, extra, inner) != (_MAGIC, _NAME, _EXTRA, _EXTRA - 4) or kind not in (PICTURE, EVENT):
        return None
    if not 0 <= wall < 1e11:
        return None
    return Member(at, _HEAD.size + packed + _TAIL.size, wall, kind)


def _next_head(file: io.BufferedIOBase, at: int, size: int) -> int:
    """Where the next member may begin; the end where none does."""
    while at < size:
        file.seek(at)
        piece = file.read(1 << 20)
        if (found := piece.find(_MAGIC)) >= 0:
            return at + found
        if len(piece) < len(_MAGIC):
            break
        at += len(piece) - len(_MAGIC) + 1
    return size


class Recorder:
    """Writes a new file; when it has grown to `limit` bytes, every second picture of it is let go, and from then on
    only every second one is taken. So the whole time stays, coarser; of the events the last ones stay.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """Raises OSError, FileExistsError among them."""
        self.path = path
        self.limit = limit
        self.size = 0
        self.every = 1
        """One picture in so many is taken."""
        self._seen = 0
        # Not readable by others: command lines and addresses are in it.
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_APPEND, 0o600)

    def take(self, news: Snapshot | Event) -> None:
        """Raises OSError: a full disk."""
        wall = datetime.fromisoformat(news.time).timestamp()
        if isinstance(news, Snapshot):
            self._seen += 1
            if (self._seen - 1) % self.every:
                return
            raw = member(PICTURE, wall, msgspec.json.encode({"snapshot": news}) + b"\n")
        else:
            raw = member(EVENT, wall, msgspec.json.encode(news) + b"\n")
        if self.size + len(raw) > self.limit and self.size:
            self._make_room()
        os.write(self._fd, raw)
        self.size += len(raw)

    def close(self) -> None:
        os.close(self._fd)

    def _make_room(self) -> None:
        new = self.path.with_name(self.path.name + ".new")
        with self.path.open("rb") as old:
            found, _ = members(old, self.size)
            keep = self._worth_keeping(found)
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_APPEND, 0o600)
            self.size = 0
            for one in keep:
                old.seek(one.offset)
                self.size += os.write(fd, old.read(one.length))
        os.replace(new, self.path)
        os.close(self._fd)
        self._fd = fd

    def _worth_keeping(self, found: list[Member]) -> list[Member]:
        """Every second picture, where they fill half of the file; and the events of late, up to a quarter of it."""
        pictures = [one for one in found if one.kind == PICTURE]
        if sum(one.length for one in pictures) > self.limit // 2:
            pictures = pictures[::2]
            self.every *= 2
        room = self.limit // 4
        events: list[Member] = []
        for one in reversed([one for one in found if one.kind == EVENT]):
            room -= one.length
            if room < 0:
                break
            events.append(one)
        return sorted([*pictures, *events])
