"""The screen in a browser, really served: a simulated cluster's API on a unix socket, and `top --web` in front."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from dashboard.web.serving import Web, run, screen_argv
from tests.api.fake_door import FakeDoor
from tests.api.served import served


class Site(NamedTuple):
    web: Web
    address: str
    """With its token."""
    door: FakeDoor
    socket: str

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"


@asynccontextmanager
async def site(directory: Path) -> AsyncIterator[Site]:
    """Serves until the test is over; every screen ends with it."""
    async with served(directory) as api:
        web = Web(screen_argv(("--socket", api.path)), 0, "clusterctl <shop>")
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(run(web, told.set_result))
        try:
            yield Site(web, await asyncio.wait_for(told, 10), api.door, api.path)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


def screens_of(socket: str) -> list[int]:
    """Pids of the screens that look at this cluster."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = place.read_bytes().split(b"\0")
            if b"dashboard.web.session" in words and socket.encode() in words:
                found.append(int(place.parent.name))
    return found
