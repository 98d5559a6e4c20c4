"""Light, bounded traffic on the demo's front: about forty requests a second, some slow; ends with who started it.

Usage: python -m dashboard.demo.traffic HOST PORT PARENT_PID
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time

_CLIENTS = 8
_RATE = 40.0
_SLOW = 0.06
_LONGEST = 12 * 3600.0
_PATIENCE = 60.0
"""Seconds without one answer after which there is nobody left to ask."""


class Traffic:
    """Clients that keep their connections, and when the last answer came."""

    def __init__(self, host: str, port: int, parent: int) -> None:
        self._host, self._port, self._parent = host, port, parent
        self._answered = time.monotonic()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        clients = asyncio.gather(*(self._client() for _ in range(_CLIENTS)))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, clients.cancel)
        watch = asyncio.create_task(self._watch(clients))
        with contextlib.suppress(asyncio.CancelledError):
            await clients
        watch.cancel()

    async def _watch(self, clients: "asyncio.Future[list[None]]") -> None:
        """Without our parent, without a front, or after hours: the end."""
        started = time.monotonic()
        while os.getppid() == self._parent:
            await asyncio.sleep(0.5)
            now = time.monotonic()
            if now - started > _LONGEST or now - self._answered > _PATIENCE:
                break
        clients.cancel()

    async def _client(self) -> None:
        while True:
            try:
                await self._session()
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                await asyncio.sleep(random.uniform(0.2, 0.6))

    async def _session(self) -> None:
        """One kept connection, up to a hundred requests."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            for _ in range(100):
                await asyncio.sleep(random.expovariate(_RATE / _CLIENTS))
                path = "/slow" if random.random() < _SLOW else "/"
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
                if not await _answer(reader):
                    return
                self._answered = time.monotonic()
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> bool:
    """Reads one answer; whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))}
    await reader.readexactly(int(fields.get("content-length") or 0))
    return fields.get("connection") != "close"


if __name__ == "__main__":
    asyncio.run(Traffic(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).run())
