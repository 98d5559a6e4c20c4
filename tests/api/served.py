"""The API served on a real unix socket, and ways to talk to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from supervisor.api.serving import serve
from tests.api.fake_door import FakeDoor


class Served(NamedTuple):
    path: str
    door: FakeDoor
    http: httpx.AsyncClient

    async def raw(self, request: bytes) -> bytes:
        """Everything that comes back until the server ends the connection."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def served(directory: Path, door: FakeDoor | None = None) -> AsyncIterator[Served]:
    door = door or FakeDoor()
    path = str(directory / "api.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    task = asyncio.create_task(serve(door, listener))
    transport = httpx.AsyncHTTPTransport(uds=path, verify=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://clusterctl", timeout=10) as http:
            yield Served(path, door, http)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits for a condition within a deadline."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  (there is no event to wait for: any condition is)
            await asyncio.sleep(0.005)
