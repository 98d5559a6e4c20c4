"""Where the screen stands in time: now, or at a picture of the past, by steps or as they once came."""

import asyncio
import re
import time
from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from dashboard.answers import NoAnswer, Refused
from dashboard.mirror import Mirror, apply
from dashboard.say import duration
from dashboard.tui.say import clock
from dashboard.tui.source import Source
from supervisor.model.events import Event
from supervisor.model.snapshot import Snapshot

DEPTH = 40
"""Pictures before the one shown, of which its graphs are made."""
TICK = 0.2
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
SPEEDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Move(NamedTuple):
    frames: int = 0
    seconds: float = 0.0
    clock: tuple[int, int, int] | None = None
    """To this local time of day."""


class Travel:
    """`mirror` is the past that is shown; None: it is now. A recording has no now, only a last picture."""

    def __init__(
        self,
        source: Source,
        changed: Callable[[], None],
        say: Callable[[str], None],
        happened: Callable[[float], tuple[Event, ...]],
        recorded: bool = False,
    ) -> None:
        self._source = source
        self._changed = changed
        self._say = say
        self._happened = happened
        self.recorded = recorded
        self.mirror: Mirror | None = None
        self.playing = False
        self.speed = 1.0
        self._times: list[str] = []
        self._walls: list[float] = []
        self._at = 0
        """Index of the picture shown."""
        self._moves: list[Move] = []
        self._work: asyncio.Task[None] | None = None
        self._player: asyncio.Task[None] | None = None

    # What the operator says

    def step(self, frames: int = 0, seconds: float = 0.0) -> None:
        """So many pictures or seconds on, back when negative; presses that come meanwhile add up."""
        self._moves.append(Move(frames, seconds))
        self._begin()

    def _begin(self) -> None:
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._go())

    def go_to(self, moment: str) -> None:
        """`12:01` or `12:01:30`, local time; `now`."""
        if moment in ("", "now"):
            return self.now()
        found = _CLOCK.fullmatch(moment)
        if found is None:
            return self._say(f"at {moment}? a time of day, such as 12:01 or 12:01:30")
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        self._moves.append(Move(clock=(hours, minutes, seconds)))
        self._begin()

    def now(self) -> None:
        if self.recorded:
            return self.step(len(self._times))
        self._moves.clear()
        self._hold()
        if self._work is not None and self._work is not asyncio.current_task():
            # What is on its way is of the past, and would take the screen back there.
            self._work.cancel()
            self._work = None
        if self.mirror is not None:
            self.mirror = None
            self._changed()

    def play(self) -> None:
        """Let the pictures follow each other as they once did, or hold."""
        if self.playing:
            self._hold()
        elif self._walls:
            self.playing = True
            if self.recorded and self._at >= len(self._walls) - 1:
                self.step(-self._at)
            self._player = asyncio.create_task(self._play())
        self._changed()

    def faster(self, by: int) -> None:
        at = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[max(0, min(at, len(SPEEDS) - 1))]
        self._changed()

    def label(self, wall: float) -> str:
        """`12:01:30, 34 s ago`, or of a recording `12:01:30, 3 of 120`; empty when it is now."""
        if self.mirror is None or self.mirror.snapshot is None:
            return ""
        stamp = self.mirror.snapshot.time
        pace = f", playing {self.speed:g}x" if self.playing else ""
        if self.recorded:
            return f"{clock(stamp)}, {self._at + 1} of {len(self._times)}{pace}"
        return f"{clock(stamp)}, {duration(max(0.0, wall - wall_of(stamp)))} ago{pace}"

    async def close(self) -> None:
        tasks = [task for task in (self._work, self._player) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What becomes of it

    async def _go(self) -> None:
        try:
            while self._moves:
                moves, self._moves = self._moves, []
                if not self._times or (not self.recorded and any(move.frames + move.seconds > 0 for move in moves)):
                    await self._learn()
                # A recording begins before its first picture, and what lives ends with now.
                begin = -1 if self.recorded else len(self._times)
                target = self._at if self.mirror is not None else begin
                for move in moves:
                    target = self._after(target, move)
                await self._reach(target)
        except (NoAnswer, Refused) as error:
            self._moves.clear()
            self._hold()
            self._say(f"the past cannot be shown: {error}")

    async def _learn(self) -> None:
        """What pictures there are; they become fewer with age, so the one shown is found again by its time."""
        self._times = await self._source.past_times()
        self._walls = [wall_of(stamp) for stamp in self._times]
        if self.mirror is not None and self.mirror.snapshot is not None:
            self._at = max(0, bisect_right(self._walls, wall_of(self.mirror.snapshot.time)) - 1)

    def _after(self, target: int, move: Move) -> int:
        if move.clock is not None and self._walls:
            return self._at_clock(move.clock, target)
        target += move.frames
        if move.seconds and self._walls:
            here = self._walls[max(0, min(target, len(self._walls) - 1))]
            target = bisect_right(self._walls, here + move.seconds) - (1 if move.seconds < 0 else 0)
        return target

    def _at_clock(self, moment: tuple[int, int, int], target: int) -> int:
        """The last picture up to that time of day, on the newest day that had it; `target` where none is kept."""
        hours, minutes, seconds = moment
        day = datetime.fromtimestamp(self._walls[-1]).replace(
            hour=hours, minute=minutes, second=seconds, microsecond=999_999
        )
        wanted = day.timestamp()
        while wanted > self._walls[-1] + 1:
            wanted -= 86_400
        found = bisect_right(self._walls, wanted) - 1
        if found < 0:
            kept = f"{clock(self._times[0])} to {clock(self._times[-1])}"
            self._say(f"no picture of {hours:02}:{minutes:02}:{seconds:02} is kept: there are those of {kept}")
            return target
        return found

    async def _reach(self, target: int) -> None:
        if not self._times:
            return self._say("no picture of the past is kept yet")
        if target < 0:
            self._say("this is the oldest picture there is")
        if target >= len(self._times) and not self.recorded:
            return self.now()
        target = max(0, min(target, len(self._times) - 1))
        base, count = self.mirror, target - self._at
        if base is None or not 0 <= count < DEPTH:
            base, count = Mirror(), min(DEPTH, target + 1)
        if count == 0:
            return None
        pictures = await self._source.past(self._times[target], count)
        if pictures:
            self._at = target
            self.mirror = self._with(base, pictures)
            self._changed()

    def _with(self, mirror: Mirror, pictures: list[Snapshot]) -> Mirror:
        for picture in pictures:
            mirror = apply(mirror, picture, time.monotonic())
        return replace(mirror, events=self._happened(wall_of(pictures[-1].time)))

    def _hold(self) -> None:
        self.playing = False
        if self._player is not None:
            self._player.cancel()
            self._player = None

    async def _play(self) -> None:
        before = time.monotonic()
        wanted = -1
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            if self._work is not None and not self._work.done():
                continue
            if self._at != wanted:
                # It begins, or the operator has stepped meanwhile.
                at, before = self._walls[self._at], now
            at, before = at + (now - before) * self.speed, now
            wanted = max(self._at, bisect_right(self._walls, at) - 1)
            if wanted > self._at:
                self.step(wanted - self._at)
            elif wanted >= len(self._walls) - 1:
                break
        self.playing = False
        if self.recorded:
            self._changed()
        else:
            self.now()


def wall_of(stamp: str) -> float:
    """Wall seconds of an RFC 3339 stamp."""
    return datetime.fromisoformat(stamp).timestamp()
