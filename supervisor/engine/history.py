"""The last hour of pictures: thinner with age, compressed, within a bound of memory and one of processor time."""

import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from supervisor.model.snapshot import Snapshot

TIERS = ((120.0, 1.0), (900.0, 5.0), (3600.0, 15.0))
"""Up to an age in seconds, one picture in so many seconds."""
LIMIT = 8 << 20
"""Bytes of compressed pictures. Beyond it every step doubles, so that the hour stays whole and gets coarser."""
SHARE = 0.002
"""Of one core, at most, for taking pictures: where one costs more than 2 ms, they are taken less often."""
COARSEST = 32
_LEVEL = 1  # of zlib: 9 KB in 0.2 ms for 100 workers; level 6 saves 15 % and takes three times as long


class Frame(NamedTuple):
    at: float
    """Monotonic seconds."""
    wall: float
    time: str
    packed: bytes

    def snapshot(self) -> bytes:
        """The picture as JSON."""
        return zlib.decompress(self.packed)


class History:
    """In memory alone: a new engine begins a new hour."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.size = 0
        """Bytes of all frames."""
        self.stretch = 1
        """Every step of TIERS is so many times as long; a power of two."""
        self._frames: list[Frame] = []
        self._since_thinned = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def step(self) -> float:
        """Seconds between two pictures of now."""
        return TIERS[0][1] * self.stretch

    def times(self) -> list[str]:
        return [frame.time for frame in self._frames]

    def add(self, snapshot: Snapshot, at: float) -> None:
        packed = zlib.compress(msgspec.json.encode(snapshot), _LEVEL)
        wall = datetime.fromisoformat(snapshot.time).timestamp()
        self._frames.append(Frame(at, wall, snapshot.time, packed))
        self.size += len(packed)
        self._since_thinned += 1
        if self._since_thinned >= 15 or self.size > self.limit:
            self._since_thinned = 0
            self.thin(at)

    def thin(self, now: float) -> None:
        """Let go of what is too old, too close to its neighbour for its age, or too much in all."""
        self._frames = list(self._worth_keeping(now))
        self.size = sum(len(frame.packed) for frame in self._frames)
        while self.size > self.limit and len(self._frames) > 1:
            if self.stretch == COARSEST:
                del self._frames[0]
            else:
                self.stretch *= 2
                self._frames = list(self._worth_keeping(now))
            self.size = sum(len(frame.packed) for frame in self._frames)
        if self.stretch > 1 and self.size < self.limit // 4:
            self.stretch //= 2

    def _worth_keeping(self, now: float) -> Iterator[Frame]:
        """The first of each stretch of time, and the newest. The stretches stand still, so what was kept is not
        dropped for a neighbour that came later.
        """
        taken = None
        for frame in self._frames:
            step = next((step for age, step in TIERS if now - frame.at <= age), None)
            if step is None:
                continue
            place = (step, frame.at // (step * self.stretch))
            if place != taken or frame is self._frames[-1]:
                yield frame
            taken = place

    def until(self, moment: float, count: int = 1) -> list[Frame]:
        """The last `count` frames taken at this wall time or before, oldest first; none where none is so old."""
        before = [frame for frame in self._frames if frame.wall <= moment]
        return before[-count:]


async def keep(history: History, look: Callable[[], Snapshot], pause: Callable[[float], Awaitable[None]]) -> None:
    """Take pictures for ever. `look` costs nothing where somebody has just asked for the same picture."""
    while True:
        begun = time.thread_time()
        history.add(look(), time.monotonic())
        spent = time.thread_time() - begun
        await pause(max(history.step, spent / SHARE))
