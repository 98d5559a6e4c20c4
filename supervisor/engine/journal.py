"""What must outlive the engine: an append-only file of keyed records, and reading it back after any death.

A line is `CRC32 KEY JSON`; JSON `null` takes the key away; the last line of a key holds. A line that is torn or
damaged is left out: a crash can only tear the last one, and that change had not been acted on. Lines are
written before their deeds are done. No fsync but when it is written anew: our own death loses nothing that was
written, and the machine's death takes the workers too.
"""

import contextlib
import os
import time
import zlib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

FORMAT = 2
COMPACT_ABOVE = 1 << 20
"""Bytes of journal, beyond twice its compact size, at which it is written anew."""
RETRY = 1.0
"""Seconds between two tries of a disk that takes nothing: each try writes the whole of it."""

Found = dict[str, bytes]
Groups = Mapping[str, Mapping[Hashable, Struct]]
"""Records by the first part of their key, and by the rest of it."""


class Foreign(Exception):
    """The journal was written by a newer clusterctl."""


class Journal:
    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._written: dict[str, dict[Hashable, Struct]] = {}
        self._fd = -1
        self._size = 0
        self._base = 0
        self._retry_at = 0.0
        self.damaged = 0
        """Lines left out when it was read."""
        self.failing: str | None = None
        """Why the last write failed; the engine goes on, and tries again with all of it."""

    def load(self) -> Found:
        """Every key and its JSON, in today's format. Raises Foreign and OSError. A missing file is empty."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        found: Found = {}
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
        return self._migrated(found)

    def _migrated(self, found: Found) -> Found:
        stated = found.pop("format", str(FORMAT).encode())
        written = int(stated) if stated.isdigit() else FORMAT + 1
        if written > FORMAT:
            raise Foreign(
                f"{self.path}: written by a newer clusterctl (format {stated.decode()}, this one reads up to "
                f"{FORMAT}); install that version again; nothing was changed"
            )
        for step in range(written, FORMAT):
            found = MIGRATIONS[step](found)
        return {unquoted(key): value for key, value in found.items()}

    def begin(self, records: Groups) -> bool:
        """Write everything anew, and keep the file open for what follows. False when the disk would not take it."""
        return self._attempt(lambda: self._rewrite(records))

    def write(self, records: Groups) -> bool:
        """Append what changed since the last write. False when the disk would not take it."""
        if self.failing is not None:
            if self._clock() < self._retry_at:
                return False
            return self._attempt(lambda: self._rewrite(records))
        lines = self._changed(records)
        if not lines:
            return True
        if self._size > COMPACT_ABOVE + 2 * self._base:
            return self._attempt(lambda: self._rewrite(records))
        return self._attempt(lambda: self._append(b"".join(lines), records))

    def _attempt(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except OSError as error:
            self.failing = f"journal {self.path}: {(error.strerror or str(error)).lower()}"
            self._retry_at = self._clock() + RETRY
            return False
        self.failing = None
        return True

    def _changed(self, records: Groups) -> list[bytes]:
        """Lines for what differs from what is written; nearly all is the very same, and there may be thousands."""
        lines: list[bytes] = []
        gone: list[bytes] = []
        for first in (*records, *(self._written.keys() - records.keys())):
            group, known = records.get(first, {}), self._written.get(first, {})
            if group == known:
                continue
            for rest, record in group.items():
                if (before := known.get(rest)) is not record and before != record:
                    lines.append(line_of(f"{first}{rest}", msgspec.json.encode(record)))
            gone += [line_of(f"{first}{rest}", b"null") for rest in known.keys() - group.keys()]
        return lines + gone

    def _append(self, data: bytes, records: Groups) -> None:
        write_all(self._fd, data)
        self._size += len(data)
        self._written = copied(records)

    def _rewrite(self, records: Groups) -> None:
        """Atomically: a death on the way leaves the old file; so does a full disk, and no half of a new one."""
        data = line_of("format", str(FORMAT).encode()) + b"".join(
            line_of(f"{first}{rest}", msgspec.json.encode(record))
            for first, group in records.items()
            for rest, record in group.items()
        )
        temporary = self.path.with_suffix(".new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            os.fsync(fd)
            os.rename(temporary, self.path)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._base = fd, len(data), len(data)
        self._written = copied(records)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def copied(records: Groups) -> dict[str, dict[Hashable, Struct]]:
    return {first: dict(group) for first, group in records.items()}


def line_of(key: str, value: bytes) -> bytes:
    body = quoted(key).encode("utf-8", "surrogateescape") + b" " + value
    return b"%08x %s\n" % (zlib.crc32(body), body)


def parse(line: bytes) -> tuple[str, bytes] | None:
    """Key, as it stands there, and value; None when the line is not as it was written."""
    stated, _, body = line.partition(b" ")
    key, _, value = body.partition(b" ")
    if len(stated) != 8 or stated != b"%08x" % zlib.crc32(body) or not key:
        return None
    return key.decode("utf-8", "surrogateescape"), value


def quoted(key: str) -> str:
    """A key as one word: an address in it may be a path with anything in its name."""
    return key.replace("%", "%25").replace(" ", "%20").replace("\n", "%0A")


def unquoted(key: str) -> str:
    return key.replace("%0A", "\n").replace("%20", " ").replace("%25", "%")


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def from_1(found: Found) -> Found:
    """Format 1 wrote keys as they were."""
    return {quoted(key): value for key, value in found.items()}


MIGRATIONS: Mapping[int, Callable[[Found], Found]] = {1: from_1}
"""By the format that it reads: each makes the next one of it, so that any older file is read."""
