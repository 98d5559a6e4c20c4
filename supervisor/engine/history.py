"""The last hour of pictures: thinner with age, compressed, within a bound of memory and one of processor time."""

import time
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, compress
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


class Picture(NamedTuple):
    wall: float
    """Seconds since 1970."""
    time: str
    packed: bytes

    def snapshot(self) -> bytes:
        """As JSON."""
        return zlib.decompress(self.packed)


class Frame(NamedTuple):
    at: float
    """Monotonic seconds."""
    wall: float
    time: str
    size: int
    """Bytes, compressed."""


class History:
    """In memory alone: a new engine begins a new hour. The pictures lie end to end in one piece of memory: each on
    its own, those that stay would hold apart the holes of those that go, and the heap would grow for hours.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.stretch = 1
        """Every step of TIERS is so many times as long; a power of two."""
        self._frames: list[Frame] = []
        self._packed = bytearray()
        self._since_thinned = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return len(self._packed)

    @property
    def step(self) -> float:
        """Seconds between two pictures of now."""
        return TIERS[0][1] * self.stretch

    def times(self) -> list[str]:
        return [frame.time for frame in self._frames]

    def add(self, snapshot: Snapshot, at: float) -> None:
        packed = zlib.compress(msgspec.json.encode(snapshot), _LEVEL)
        wall = datetime.fromisoformat(snapshot.time).timestamp()
        self._frames.append(Frame(at, wall, snapshot.time, len(packed)))
        self._packed += packed
        self._since_thinned += 1
        if self._since_thinned >= 15 or self.size > self.limit:
            self._since_thinned = 0
            self.thin(at)

    def thin(self, now: float) -> None:
        """Let go of what is too old, too close to its neighbour for its age, or too much in all."""
        self._keep(list(self._worth_keeping(now)))
        while self.size > self.limit and len(self._frames) > 1:
            if self.stretch == COARSEST:
                self._keep([False] + [True] * (len(self._frames) - 1))
            else:
                self.stretch *= 2
                self._keep(list(self._worth_keeping(now)))
        if self.stretch > 1 and self.size < self.limit // 4:
            self.stretch //= 2

    def _worth_keeping(self, now: float) -> Iterator[bool]:
        """Of each frame: the first of each stretch of time is, and the newest. The stretches stand still, so what
        was kept is not dropped for a neighbour that came later.
        """
        taken = None
        for frame in self._frames:
            step = next((step for age, step in TIERS if now - frame.at <= age), None)
            if step is None:
                yield False
                continue
            place = (step, frame.at // (step * self.stretch))
            yield place != taken or frame is self._frames[-1]
            taken = place

    def _keep(self, worth: Sequence[bool]) -> None:
        """Move together those frames that are worth it."""
        end = 0
        with memoryview(self._packed) as view:
            for frame, start, stays in zip(self._frames, self._starts(), worth, strict=True):
                if stays:
                    view[end : end + frame.size] = view[start : start + frame.size]
                    end += frame.size
        del self._packed[end:]
        self._frames = list(compress(self._frames, worth))

    def _starts(self) -> list[int]:
        """Where in the memory each frame begins."""
        return list(accumulate((frame.size for frame in self._frames), initial=0))[:-1]

    def until(self, moment: float, count: int = 1) -> list[Picture]:
        """The last `count` pictures taken at this wall time or before, oldest first; none where none is so old."""
        before = [pair for pair in zip(self._frames, self._starts(), strict=True) if pair[0].wall <= moment]
        return [
            Picture(frame.wall, frame.time, bytes(self._packed[start : start + frame.size]))
            for frame, start in before[-count:]
        ]


async def keep(history: History, look: Callable[[], Snapshot], pause: Callable[[float], Awaitable[None]]) -> None:
    """Take pictures for ever. `look` costs nothing where somebody has just asked for the same picture."""
    while True:
        begun = time.thread_time()
        history.add(look(), time.monotonic())
        spent = time.thread_time() - begun
        await pause(max(history.step, spent / SHARE))
