"""Answers that go on: events as newline-delimited JSON, log lines as text, with a sign of life between them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from supervisor.model.events import Event
from supervisor.model.snapshot import Snapshot

HEARTBEAT = 15.0
NDJSON = "application/x-ndjson"
_T = TypeVar("_T")


def line(item: Event | Snapshot) -> bytes:
    """One line of the event stream; a snapshot is told from an event by its only key."""
    if isinstance(item, Snapshot):
        return msgspec.json.encode({"snapshot": item}) + b"\n"
    return msgspec.json.encode(item) + b"\n"


def lines(items: Sequence[Event | Snapshot]) -> bytes:
    return b"".join(line(item) for item in items)


class Stream(StreamingResponse):
    """Starlette's, but for its task group: when a reader goes, that leaves a circle of exceptions and frames, and
    in it 20 KB and what was still to be sent, until the collector comes by.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self.stream_response(send))
        leaving = asyncio.ensure_future(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.wait((sending, leaving))
        if not sending.cancelled():
            sending.result()


def following(items: AsyncIterator[Event | Snapshot], heartbeat: float = HEARTBEAT) -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        async for item in with_silence(items, heartbeat):
            yield b"\n" if item is None else line(item)

    return Stream(pieces(), media_type=NDJSON, headers={"Cache-Control": "no-store"})


def pictures(items: Iterator[bytes]) -> Stream:
    """One a line; the loop has its turn after each, as a thousand workers are 700 KB."""

    async def pieces() -> AsyncIterator[bytes]:
        for item in items:
            yield item + b"\n"
            await asyncio.sleep(0)

    return Stream(pieces(), media_type=NDJSON, headers={"Cache-Control": "no-store"})


def text(items: AsyncIterator[str]) -> Stream:
    """Log lines. There is no heartbeat: an empty line is a line."""

    async def pieces() -> AsyncIterator[bytes]:
        async for item in items:
            yield item.encode("utf-8", "replace") + b"\n"

    return Stream(pieces(), media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


async def with_silence(items: AsyncIterator[_T], seconds: float) -> AsyncIterator[_T | None]:
    """The items, and None whenever none has come for so long."""
    coming: asyncio.Future[_T] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(items))
            # Not wait_for, which would cancel the item that is still coming.
            done, _ = await asyncio.wait((coming,), timeout=seconds)
            if not done:
                yield None
                continue
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            finally:
                coming = None
            yield item
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming
