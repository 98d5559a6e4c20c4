"""What must outlive the engine: an append-only file of keyed records, and reading it back after any death.

A line is `CRC32 KEY JSON`; JSON `null` takes the key away; the last line of a key holds. A line that is torn or
damaged is left out: a crash can only tear the last one, and that change had not been acted on. Lines are
written before their deeds are done. No fsync but when it is written anew: our own death loses nothing that was
written, and the machine's death takes the workers too. What no disk takes is written to memory of the keeper.
"""

import os
import time
import zlib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from supervisor.engine.rewriting import Rewriting
from supervisor.engine.spare import Spare
from supervisor.host.logs import write_all
from supervisor.model.text import reason

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
    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, spare: Spare | None = None) -> None:
        self.path = path
        self._spare = spare or Spare(None)
        self._clock = clock
        self._written: dict[str, dict[Hashable, Struct]] = {}
        self._fd = -1
        self._size = 0
        self._base = 0
        self._retry_at = 0.0
        self._anew: Rewriting | None = None
        self._tail = b""
        """What changed since that began."""
        self.damaged = 0
        """Lines left out when it was read."""
        self.failing: str | None = None
        """Why the last write failed; the engine goes on, and tries again with all of it."""
        self.held = False
        """The keeper holds meanwhile what the file lacks."""

    def load(self) -> Found:
        """Every key and its JSON, in today's format. Raises Foreign and OSError. A missing file is empty."""
        data = self._spare.read() or self._read()
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

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

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
        """Write everything anew, and keep the file open for what follows. False when the disk would not take it.

        Where the keeper can hold it meanwhile, a slow disk is not waited for.
        """
        data = whole(records)
        self._anew, self._tail, self._written = Rewriting(self.path, data), b"", copied(records)
        self.held = self._spare.put(data)
        if self.held:
            self._anew.start()
        else:
            self._anew.run()
            self._take_over(records)
        return self.failing is None

    def write(self, records: Groups) -> bool:
        """Append what changed since the last write. False when the disk would not take it."""
        if self._anew is not None and not self._anew.running:
            self._take_over(records)
        if data := b"".join(self._changed(records)):
            self._written = copied(records)
            if self._anew is not None:
                self._tail += data
            if self.held:
                self._hold(data, records)
            elif self.failing is None and self._fd >= 0:
                self._append(data, records)
        if self._anew is not None and self._fd < 0 and not self.held and self.failing is None:
            self._wait(records)  # nobody has it but us
        grown = self._size > COMPACT_ABOVE + 2 * self._base
        if self._anew is None and (grown or self.failing is not None) and self._clock() >= self._retry_at:
            self._anew, self._tail = Rewriting(self.path, whole(records)), b""
            self._anew.start()
        return self.failing is None

    def _wait(self, records: Groups) -> None:
        if self._anew is not None:
            self._anew.wait()
            self._take_over(records)

    def _append(self, data: bytes, records: Groups) -> None:
        try:
            write_all(self._fd, data)
            self._size += len(data)
        except OSError as error:
            self._fail(error, records)

    def _take_over(self, records: Groups) -> None:
        """What was written anew takes the old file's place, if the disk took it."""
        assert self._anew is not None
        anew, self._anew = self._anew, None
        try:
            fd = anew.finish(self._tail)
        except OSError as error:
            self._retry_at = self._clock() + RETRY
            if self._fd < 0 or self.failing is not None:
                self._fail(error, records)
            return
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._base = fd, anew.size + len(self._tail), anew.size
        self.failing, self.held = None, False
        self._spare.clear()

    def _fail(self, error: OSError, records: Groups) -> None:
        self.failing = f"journal {self.path}: {reason(error)}"
        self._retry_at = self._clock() + RETRY
        if not self.held:
            self.held = self._spare.put(whole(records))

    def _hold(self, data: bytes, records: Groups) -> None:
        small = self._spare.size <= 2 * COMPACT_ABOVE
        self.held = self._spare.add(data) if small else self._spare.put(whole(records))

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

    def close(self, records: Groups) -> None:
        """Write for the last time."""
        self.write(records)
        if self._fd < 0 or self.failing is not None:
            self._wait(records)
        if self.failing is not None:
            self._anew, self._tail = Rewriting(self.path, whole(records)), b""
            self._anew.run()
            self._take_over(records)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def whole(records: Groups) -> bytes:
    return line_of("format", str(FORMAT).encode()) + b"".join(
        line_of(f"{first}{rest}", msgspec.json.encode(record))
        for first, group in records.items()
        for rest, record in group.items()
    )


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


def from_1(found: Found) -> Found:
    """Format 1 wrote keys as they were."""
    return {quoted(key): value for key, value in found.items()}


MIGRATIONS: Mapping[int, Callable[[Found], Found]] = {1: from_1}
"""By the format that it reads: each makes the next one of it, so that any older file is read."""
