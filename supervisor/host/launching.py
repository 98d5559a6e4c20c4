"""The engine's end of its socket to the keeper: asks for processes and sockets, and passes on facts."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec

from supervisor.keeper import protocol
from supervisor.keeper.protocol import BadLine, Lines
from supervisor.model.errors import HostError
from supervisor.model.launch import Held, KeeperLost, Launch, Told

READ = 65_536
"""Below the size from which the C library maps memory anew for each read."""
LONGEST = 64 * 1024 * 1024
"""Bytes of one answer: `held` of thousands of workers with their notes."""

_log = logging.getLogger(__name__)


class _Held(msgspec.Struct, frozen=True, tag="Held"):
    workers: tuple[Held, ...]
    listening: tuple[str, ...] = ()


class _Listening(msgspec.Struct, frozen=True, tag="Listening"):
    request: int
    why: str | None


_decode = msgspec.json.Decoder(Told | _Held | _Listening).decode


class KeeperLink:
    """One stream socket, read and written inside the event loop without a task between.

    Requests go out at once if the socket takes them; facts reach `tell` as soon as they are read. After KeeperLost
    nothing more is told, and requests are nothing.
    """

    def __init__(self, end: socket.socket, tell: Callable[[Told], None]) -> None:
        self._socket = end
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._lines = Lines(LONGEST)
        self._outbox = bytearray()
        self._open = True
        self._requests = 0
        self._said_alive = 0.0
        self._held: list[asyncio.Future[tuple[Held, ...]]] = []
        self._listening: dict[int, asyncio.Future[str | None]] = {}
        self.keeper_pid = _peer(end)
        self.listening: tuple[str, ...] = ()
        """Names of the sockets that the keeper held when it last told."""

    @classmethod
    async def open(cls, fd: int, tell: Callable[[Told], None]) -> "KeeperLink":
        """`fd` is the inherited CLUSTERCTL_KEEPER_FD, ours from here on; raises OSError if it is no socket."""
        end = socket.socket(fileno=fd)
        end.setblocking(False)
        os.set_inheritable(fd, False)
        link = cls(end, tell)
        link._loop.add_reader(end, link._read)
        return link

    async def held(self) -> tuple[Held, ...]:
        """The live ones. What the keeper has to tell from before is told before this returns. Raises HostError."""
        self._refuse_lost()
        answer: asyncio.Future[tuple[Held, ...]] = self._loop.create_future()
        self._held.append(answer)
        self._send({"type": "held"})
        return await answer

    def spawn(self, launch: Launch) -> None:
        """Answered by Spawned or SpawnFailed."""
        self._send({"type": "spawn", **msgspec.structs.asdict(launch)})

    def signal(self, serial: int, signal: str, group: bool = True) -> None:
        self._send({"type": "signal", "serial": serial, "signal": signal, "group": group})

    def ack(self, number: int) -> None:
        """The Exited of this number is journaled: the keeper may forget it."""
        self._send({"type": "ack", "number": number})

    async def listen(self, name: str, address: str) -> str | None:
        """Has the keeper bind and hold a listening socket; None, or why not."""
        if not self._open:
            return "the keeper is gone"
        self._requests += 1
        answer: asyncio.Future[str | None] = self._loop.create_future()
        self._listening[self._requests] = answer
        self._send({"type": "listen", "name": name, "address": address, "request": self._requests})
        return await answer

    def unlisten(self, name: str) -> None:
        self._send({"type": "unlisten", "name": name})

    def up(self) -> None:
        """The engine serves: the keeper tells whoever started it."""
        self._send({"type": "up"})

    def alive(self) -> None:
        """The engine takes its turns; told once a second at most. An engine that falls silent is replaced."""
        now = time.monotonic()
        if now - self._said_alive >= 1.0:
            self._said_alive = now
            self._send({"type": "alive"})

    def succeed(self, python: str) -> None:
        """The next engine is to be run by this interpreter; the keeper goes back to ours if it never comes up."""
        self._send({"type": "succeed", "python": python})

    def shutdown(self, keep_workers: bool) -> None:
        """The keeper ends once we have; without `keep_workers` it kills what is left."""
        self._send({"type": "shutdown", "keep_workers": keep_workers})

    def close(self) -> None:
        """Lets go without a KeeperLost."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            for held in self._held:
                held.cancel()
            for listening in self._listening.values():
                listening.cancel()

    def _send(self, message: dict[str, Any]) -> None:
        if not self._open:
            return
        try:
            data = msgspec.json.encode(message) + b"\n"
        except UnicodeEncodeError:
            # Arguments that are not UTF-8 carry lone surrogates, which it refuses; they survive as escapes.
            data = protocol.encode(message)
        if not self._outbox:
            # A broken socket is noticed by the reader, which then tells it once.
            with contextlib.suppress(OSError):
                data = data[self._socket.send(data) :]
            if not data:
                return
            self._loop.add_writer(self._socket, self._flush)
        self._outbox += data

    def _flush(self) -> None:
        try:
            del self._outbox[: self._socket.send(self._outbox)]
        except BlockingIOError:
            return
        except OSError:
            self._outbox.clear()
        if not self._outbox:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            data = self._socket.recv(READ)
            if not data:
                self._lose("it has ended")
                return
            for line in self._lines.feed(data):
                self._take(line)
        except BlockingIOError:
            return
        except (OSError, BadLine) as error:
            self._lose(str(error))

    def _take(self, line: bytes) -> None:
        try:
            message = _decode(line)
        except msgspec.DecodeError as error:
            _log.warning("the keeper told what this engine does not know: %s: %s", error, line[:200])
            return
        match message:
            case _Held(workers=workers, listening=listening):
                self.listening = listening
                if self._held and not (answer := self._held.pop(0)).done():
                    answer.set_result(workers)
            case _Listening(request=request, why=why):
                waiting = self._listening.pop(request, None)
                if waiting and not waiting.done():
                    waiting.set_result(why)
            case _ if self._open:
                try:
                    self._tell(message)
                except Exception:
                    # One fact that we fail at must not take those with it that came in the same piece.
                    _log.exception("hearing %s", message)

    def _lose(self, why: str) -> None:
        self._open = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for held in self._held:
            if not held.done():
                held.set_exception(HostError(f"the keeper is gone: {why}"))
        for listening in self._listening.values():
            if not listening.done():
                listening.set_result("the keeper is gone")
        self._tell(KeeperLost(why=why))

    def _refuse_lost(self) -> None:
        if not self._open:
            raise HostError("the keeper is gone")


def _peer(end: socket.socket) -> int:
    """Pid of the process that made the pair (SO_PEERCRED, unix(7)); elsewhere our parent, which did."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.getppid()
    pid, _, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)
