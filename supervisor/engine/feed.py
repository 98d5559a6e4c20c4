"""Events as published: numbered, kept for a while in memory and in a file, and awaited by readers.

Numbers are consecutive and never given twice, so that a number left out tells of events that are lost. What no disk
takes, and the last number given, are held by the keeper too. Where it was killed with its engine, the file does not
end in a line that says that it is whole: then numbers go on from the milliseconds of the time, which are more.
"""

import asyncio
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from supervisor.engine.spare import Spare
from supervisor.model.events import Event, Level
from supervisor.model.text import clean

KEPT = 2_000
FILE_LIMIT = 2 << 20
"""Bytes of `events.jsonl` at which it becomes `events.jsonl.1`, and the one before is forgotten."""
CLOSED = b'{"closed":true}\n'
"""The last line of a file to which nothing is owed any more."""

_decode = msgspec.json.Decoder(Event).decode


def encoded(events: Iterable[Event]) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


class Feed:
    def __init__(self, path: Path, spare: Spare | None = None, wall: Callable[[], float] = time.time) -> None:
        self.path = path
        self.events: deque[Event] = deque(maxlen=KEPT)
        self.last = 0
        self._spare = spare or Spare(None)
        self._wall = wall
        self._saving = False
        self._unsaved: deque[Event] = deque(maxlen=KEPT)
        """What the disk would not take yet: it is tried again with the next event."""
        self._held = 0
        """Number up to which the keeper holds what is unsaved."""
        self._torn = True
        """The file may end in half a line."""
        self._news = asyncio.Event()

    def load(self) -> None:
        """Read back what earlier engines published, so that numbers go on and readers miss nothing."""
        closed = self._reopen()
        for path in (self.path.with_name(self.path.name + ".1"), self.path):
            try:
                self._take(path.read_bytes())
            except OSError:
                continue
        written = self.last
        number, _, unsaved = self._spare.read().partition(b"\n")
        self._take(unsaved)
        self._unsaved.extend(event for event in self.events if event.number > written)
        if number:
            self.last = max(self.last, int(number))
        elif self.last and not closed:
            self.last = max(self.last, int(self._wall() * 1000))
        self._hold()

    def _take(self, data: bytes) -> None:
        for line in data.splitlines()[-KEPT:]:
            try:
                event = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if event.number > self.last:
                self.events.append(event)
                self.last = event.number

    def _reopen(self) -> bool:
        """Whether the file was closed as whole; it is so no longer, which a full disk does not hinder."""
        try:
            with self.path.open("rb+") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - len(CLOSED)))
                if closed := file.read() == CLOSED:
                    file.truncate(size - len(CLOSED))
                return closed
        except OSError:
            return False

    def close(self) -> None:
        """Nothing more is published; the file says so, if it has it all."""
        self.save()
        if not self._unsaved:
            self._append(CLOSED)

    def publish(
        self,
        time: str,
        kind: str,
        subject: str,
        text: str,
        *,
        level: Level = "info",
        actor: str | None = None,
        operation: str | None = None,
        pid: int | None = None,
    ) -> Event:
        self.last += 1
        event = Event(
            number=self.last,
            time=time,
            kind=kind,
            level=level,
            subject=subject,
            text=clean(text),
            actor=actor,
            operation=operation,
            pid=pid,
        )
        self.events.append(event)
        self._unsaved.append(event)
        self._save_soon()
        self._news.set()
        self._news = asyncio.Event()
        return event

    def _save_soon(self) -> None:
        """Once the loop has done what it is about: deeds come first, and readers, who are woken after us, last."""
        if self._saving:
            return
        try:
            asyncio.get_running_loop().call_soon(self.save)
            self._saving = True
        except RuntimeError:
            self.save()

    def save(self) -> None:
        """Append what the file lacks; a full disk must not stop supervision, so the keeper holds it meanwhile."""
        self._saving = False
        if not self._unsaved:
            return
        if self._append(encoded(self._unsaved)):
            self._unsaved.clear()
        self._hold()

    def _append(self, data: bytes) -> bool:
        whole = False
        try:
            size = self._rotated()
            # A newline ends what a full disk or a death may have torn; an empty line is passed over.
            data = b"\n" + data if self._torn and size else data
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                whole = os.write(fd, data) == len(data)
            finally:
                os.close(fd)
        except OSError:
            pass
        self._torn = not whole
        return whole

    def _rotated(self) -> int:
        """Bytes of the file, which begins anew above its limit."""
        try:
            size = os.stat(self.path).st_size
        except FileNotFoundError:
            return 0
        if size <= FILE_LIMIT:
            return size
        os.rename(self.path, self.path.with_name(self.path.name + ".1"))
        return 0

    def _hold(self) -> None:
        """Have the keeper know the last number, and hold what is unsaved."""
        if not self._unsaved or not self._held or self._spare.size > FILE_LIMIT:
            self._spare.put(b"%d\n" % self.last + encoded(self._unsaved))
        else:
            self._spare.add(encoded(event for event in self._unsaved if event.number > self._held))
        self._held = self.last if self._unsaved else 0

    def after(self, number: int) -> list[Event]:
        """Events numbered above `number` that are still kept. Written before anybody sees them."""
        if self._saving:
            self.save()
        found = list(itertools.takewhile(lambda event: event.number > number, reversed(self.events)))
        return found[::-1]

    def gap(self, number: int) -> bool:
        """Whether a reader that has all up to `number` may miss some, and must start from a snapshot.

        What follows is no longer kept, or was lost; or the number is of another life, whose files are gone.
        """
        return number + len(self.after(number)) != self.last

    async def wait(self) -> None:
        """Until the next event."""
        await self._news.wait()
