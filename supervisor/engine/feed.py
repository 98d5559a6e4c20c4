"""Events as published: numbered, kept for a while in memory and in a file, and awaited by readers."""

import asyncio
import os
from collections import deque
from pathlib import Path

import msgspec

from supervisor.model.events import Event, Level
from supervisor.model.text import clean

KEPT = 2_000
FILE_LIMIT = 2 << 20
"""Bytes of `events.jsonl` at which it becomes `events.jsonl.1`, and the one before is forgotten."""


class Feed:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: deque[Event] = deque(maxlen=KEPT)
        self.last = 0
        self._saving = False
        self._unsaved: deque[Event] = deque(maxlen=KEPT)
        """What the disk would not take yet: it is tried again with the next event."""
        self._torn = True
        """The file may end in half a line."""
        self._news = asyncio.Event()

    def load(self) -> None:
        """Read back what earlier engines published, so that numbers go on and readers miss nothing."""
        decoder = msgspec.json.Decoder(Event)
        for path in (self.path.with_name(self.path.name + ".1"), self.path):
            try:
                lines = path.read_bytes().splitlines()
            except OSError:
                continue
            for line in lines[-KEPT:]:
                try:
                    event = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                if event.number > self.last:
                    self.events.append(event)
                    self.last = event.number

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
        """Append what the file lacks; a full disk must not stop supervision, so the events wait in memory."""
        self._saving = False
        # The first newline ends what a full disk or a death may have torn; an empty line is passed over.
        data = b"\n" + b"".join(msgspec.json.encode(event) + b"\n" for event in self._unsaved)
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(fd).st_size
                data = data if self._torn and size else data[1:]
                if os.write(fd, data) < len(data):
                    self._torn = True
                    return
            finally:
                os.close(fd)
            self._unsaved.clear()
            self._torn = False
            if size > FILE_LIMIT:
                os.rename(self.path, self.path.with_name(self.path.name + ".1"))
        except OSError:
            self._torn = True

    def after(self, number: int) -> list[Event]:
        """Events numbered above `number` that are still kept."""
        return [event for event in self.events if event.number > number]

    def gap(self, number: int) -> bool:
        """Whether a reader that has all up to `number` must start from a snapshot.

        What follows is no longer kept; or the number is of an engine whose last events no disk took.
        """
        return number > self.last or (bool(self.events) and number < self.events[0].number - 1)

    async def wait(self) -> None:
        """Until the next event."""
        await self._news.wait()
