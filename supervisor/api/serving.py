"""Serving the API on a listening socket that is already there, inside a loop that is already running."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from supervisor.api.connection import Connection
from supervisor.api.door import Door
from supervisor.api.problems import answer
from supervisor.api.routes import application

MOST_REQUESTS = 2_000
"""Requests and streams at once; more are told to come again."""
LARGEST_HEAD = 64 * 1024


async def serve(door: Door, listener: socket.socket, guard: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> None:
    """Until cancelled; then answers under way get a second, and streams end. Closes `listener`, our copy of it."""
    listener.setblocking(False)
    config = uvicorn.Config(
        Bounded(guard(application(door)), MOST_REQUESTS),
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        # Failures are told by problems.on_failure, once.
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_graceful_shutdown=1,
        backlog=1024,
    )
    await _Server(config).serve(sockets=[listener])


class Bounded:
    """Refuses requests above a number, so that the engine keeps its files and memory for its workers."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._now >= self._most:
            detail = f"{self._now} requests and streams are open already; try again"
            await answer(503, "busy", detail, {"Connection": "close", "Retry-After": "1"})(scope, receive, send)
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1


class _Server(uvicorn.Server):
    """uvicorn without what belongs to a program of its own: signal handlers, and a tick ten times a second."""

    _cancelled = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super().serve(sockets)
        if self._cancelled:
            raise asyncio.CancelledError

    async def main_loop(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # What is under way is finished first; `serve` raises it again.
            self._cancelled = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Streams were cancelled; they are over only when what they read from has been told.
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # One turn of the loop, in which the transports close their sockets.
        await asyncio.sleep(0)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
