"""What must outlive the engine: an append-only file of keyed records, and reading it back after any death.

A line is `CRC32 KEY JSON`; JSON `null` takes the key away; the last line of a key holds. A line that is torn or
damaged is left out: a crash can only tear the last one, and that change had not been acted on. Lines are
written before their deeds are done. No fsync: our own death loses nothing that was written, and the machine's
death takes the workers too.
"""

import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

FORMAT = 1
COMPACT_ABOVE = 1 << 20
"""Bytes of journal, beyond twice its compact size, at which it is written anew."""


class Foreign(Exception):
    """The journal was written by a newer clusterctl."""


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: dict[str, Struct] = {}
        self._fd = -1
        self._size = 0
        self._base = 0
        self.damaged = 0
        """Lines left out when it was read."""
        self.failing: str | None = None
        """Why the last write failed; the engine goes on, and tries again with all of it."""

    def load(self) -> dict[str, bytes]:
        """Every key and its JSON. Raises Foreign. A missing file is an empty journal."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        found: dict[str, bytes] = {}
        for line in data.split(b"\n"):
            if not line:
                continue
            record = parse(line)
            if record is None:
                self.damaged += 1
                continue
            key, value = record
            if value == b"null":
                found.pop(key, None)
            else:
                found[key] = value
        if (stated := found.pop("format", None)) is not None and int(stated) > FORMAT:
            raise Foreign(f"{self.path} was written by a newer clusterctl (format {int(stated)}, ours is {FORMAT})")
        return found

    def begin(self, records: Iterable[tuple[str, Struct]]) -> None:
        """Write everything anew, atomically, and keep the file open for what follows."""
        self._written = dict(records)
        data = line_of("format", str(FORMAT).encode()) + b"".join(
            line_of(key, msgspec.json.encode(record)) for key, record in self._written.items()
        )
        temporary = self.path.with_suffix(".new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            os.fsync(fd)
            os.rename(temporary, self.path)
        except OSError:
            os.close(fd)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._base = fd, len(data), len(data)

    def write(self, records: Mapping[str, Struct]) -> bool:
        """Append what changed since the last write. False when the disk would not take it."""
        lines = [
            line_of(key, msgspec.json.encode(record))
            for key, record in records.items()
            if self._written.get(key) is not record
        ]
        lines += [line_of(key, b"null") for key in self._written.keys() - records.keys()]
        if not lines and self.failing is None:
            return True
        try:
            if self.failing is not None or self._size > COMPACT_ABOVE + 2 * self._base:
                self.begin(records.items())
            else:
                data = b"".join(lines)
                write_all(self._fd, data)
                self._size += len(data)
                self._written = dict(records)
        except OSError as error:
            self.failing = f"journal {self.path}: {error.strerror}"
            return False
        self.failing = None
        return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def line_of(key: str, value: bytes) -> bytes:
    body = key.encode() + b" " + value
    return b"%08x %s\n" % (zlib.crc32(body), body)


def parse(line: bytes) -> tuple[str, bytes] | None:
    stated, _, body = line.partition(b" ")
    key, _, value = body.partition(b" ")
    try:
        sound = int(stated, 16) == zlib.crc32(body) and bool(key)
    except ValueError:
        return None
    return (key.decode("utf-8", "replace"), value) if sound else None


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
