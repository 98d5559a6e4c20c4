"""A recording as the screen sees it: pictures by their time, the events up to then, and nothing to change."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from dashboard.answers import Refused
from dashboard.link import Away
from dashboard.log_places import Places
from dashboard.recording import EVENT, PICTURE, Member, members, unpacked
from supervisor.model.events import Event
from supervisor.model.snapshot import OperationRow, Snapshot


class NoRecording(Exception):
    """There is nothing in the file that could be shown."""


class _Picture(Struct):
    snapshot: Snapshot


class Replay:
    """A Source that is over. Raises NoRecording, or OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb")
        try:
            size = self._file.seek(0, 2)
            found, lost = members(self._file, size)
            self._pictures, bad = self._checked(found)
            self.events_seen, worse = self._read_events(found)
        except OSError:
            self._file.close()
            raise
        self._walls = [one.wall for one in self._pictures]
        if not self._pictures:
            self._file.close()
            raise NoRecording(
                f"{path}: no picture is in it" if not size else f"{path}: not a recording of clusterctl"
            )
        self.trouble = _trouble(lost, bad + worse)
        """A sentence, where something of the file could not be read."""

    def _checked(self, found: list[Member]) -> tuple[list[Member], int]:
        """The pictures whose checksum is right. Their JSON is read when they are shown."""
        good: list[Member] = []
        pictures = [one for one in found if one.kind == PICTURE]
        for one in pictures:
            try:
                self._line(one)
            except ValueError:
                continue
            good.append(one)
        return good, len(pictures) - len(good)

    def _read_events(self, found: list[Member]) -> tuple[list[tuple[float, Event]], int]:
        events: list[tuple[float, Event]] = []
        bad = 0
        for one in found:
            if one.kind == EVENT:
                try:
                    events.append((one.wall, msgspec.json.decode(self._line(one), type=Event)))
                except (ValueError, msgspec.DecodeError):
                    bad += 1
        return events, bad

    def _line(self, one: Member) -> bytes:
        self._file.seek(one.offset)
        return unpacked(self._file.read(one.length))

    def close(self) -> None:
        self._file.close()

    # A Source

    async def past_times(self) -> list[str]:
        return [datetime.fromtimestamp(wall, UTC).isoformat() for wall in self._walls]

    async def past(self, at: str, count: int) -> list[Snapshot]:
        last = bisect_right(self._walls, datetime.fromisoformat(at).timestamp())
        return [self._snapshot(one) for one in self._pictures[max(0, last - count) : last]]

    def _snapshot(self, one: Member) -> Snapshot:
        try:
            return msgspec.json.decode(self._line(one), type=_Picture).snapshot
        except (ValueError, msgspec.DecodeError) as error:
            raise Refused(422, "damaged", f"{self.path}: a picture cannot be read: {error}") from None

    def happened_until(self, wall: float) -> tuple[Event, ...]:
        return tuple(event for when, event in self.events_seen if when <= wall)

    async def watch(self, interval: float = 1.0) -> AsyncIterator[Snapshot | Away]:
        await asyncio.Event().wait()
        yield await self._never()

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        await asyncio.Event().wait()
        yield await self._never()

    async def ask(
        self, method: str, path: str, body: dict[str, object] | None = None, dry_run: bool = False
    ) -> OperationRow | tuple[str, ...]:
        return await self._never()

    async def log(
        self, target: str, lines: int = 200, follow: bool = False, places: Places | None = None
    ) -> AsyncIterator[str]:
        yield "a recording has no log lines; those of a worker's last end are on its page"
        if follow:
            await asyncio.Event().wait()

    async def worker(self, id: str) -> dict[str, Any]:
        return {}

    async def _never(self) -> NoReturn:
        raise Refused(409, "recorded", "this is a recording; nothing can be changed")


def _trouble(lost: int, damaged: int) -> str:
    said = []
    if lost:
        said.append(f"{lost} bytes are of no whole record")
    if damaged:
        said.append(f"{damaged} records are damaged")
    return " and ".join(said) + "; the rest is shown" if said else ""
