"""An API server with so many workers that are not there: python -m tests.benchmarks._many SOCKET COUNT [EVERY]."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from supervisor.api.serving import serve
from supervisor.model.events import Event
from supervisor.model.snapshot import Snapshot
from tests.api.fake_door import FakeDoor
from tests.dashboard.tui.simulated import Simulated


class ManyDoor(FakeDoor):
    """Every second, or EVERY seconds, a picture in which every worker has other numbers, and an event."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.source = Simulated(web=count, jobs=0)
        self.picture = self.source.picture()

    def step(self) -> None:
        self.source.second += 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.publish(f"second {self.source.second}")
        self.picture = replace(self.source.picture(), time=now, revision=self.source.second + 1)

    async def _lines(self, lines: int, follow: bool) -> AsyncIterator[str]:
        for number in range(lines):
            yield f"INFO line {number}"
        if follow:
            await asyncio.Event().wait()

    def events(self, after: int) -> Sequence[Event | Snapshot]:
        return [event for event in self.feed if event.number > after]


async def main(path: str, count: int, every: float) -> None:
    door = ManyDoor(count)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    serving = asyncio.create_task(serve(door, listener))
    parent = os.getppid()
    while not serving.done() and os.getppid() == parent:
        await asyncio.sleep(every)
        door.step()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 1.0))
