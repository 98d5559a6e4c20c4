"""uvicorn's HTTP connection with three things more: who is there, deadlines, and refusals in our own words."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from supervisor.api.actor import peer_of
from supervisor.api.problems import body_of

PATIENCE = 30.0
"""Seconds for a request to arrive, and for a reader to take what waits for it."""


class Connection(H11Protocol):
    """Each request's `state` has `peer`. A peer that sends half a request, or never reads, is dropped.

    What waits for a reader is bounded by the transport's own limit (64 KiB and one piece): uvicorn's `send`
    waits above it, and the pieces of a stream are made only when they can be sent.
    """

    patience = PATIENCE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        self.app_state = {"peer": peer_of(connection) if connection is not None else None}
        self._arrival: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # IDLE: the head of the next request is not complete.
        if self.conn.their_state is h11.IDLE:
            self._expect_request()
        else:
            self._cancel_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_arrival()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self._reading or self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def send_400_response(self, msg: str) -> None:
        detail = "this is not HTTP/1.1, or its head is larger than 64 KiB"
        body = body_of(400, "bad_request", detail)
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        events: list[Any] = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        try:
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            # An answer is under way already: what came after its request was junk.
            pass
        self.transport.close()

    def _expect_request(self) -> None:
        self._arrival = self._arrival or self.loop.call_later(self.patience, self.transport.abort)

    def _cancel_arrival(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None
