"""The keeper's end of its socket to the engine: lines out and in, never blocking, bounded."""

import socket
from collections.abc import Callable
from functools import partial

from supervisor.keeper import limits
from supervisor.keeper.loop import Loop
from supervisor.keeper.protocol import BadLine, Lines, Message, decode, encode


class Channel:
    """One stream to one engine; `broken` is called once when it cannot be used any more."""

    def __init__(
        self, loop: Loop, end: socket.socket, hear: Callable[[Message], None], broken: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._socket = end
        self._hear = hear
        self._broken = broken
        self._lines = Lines()
        self._outbox = bytearray()
        self.open = True
        end.setblocking(False)
        loop.watch(end.fileno(), self._hear_all)

    def tell(self, message: Message, *, chatty: bool = False) -> None:
        """Sends now if the socket takes it, else later; chatty messages are dropped while much is unread."""
        if not self.open or (chatty and len(self._outbox) > limits.OUTBOX_CHATTY):
            return
        data = encode(message)
        if not self._outbox:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                pass
            except OSError as error:
                self._break(str(error.strerror))
                return
        if data:
            self._outbox += data
            if len(self._outbox) > limits.OUTBOX:
                self._break(f"{len(self._outbox)} bytes unread")
                return
            self._loop.watch(self._socket.fileno(), self._hear_all, self._flush)

    def close(self) -> None:
        if self.open:
            self.open = False
            self._loop.forget(self._socket.fileno())
            self._socket.close()

    def drain(self) -> None:
        """Hears what a peer that is gone has still said; a child of its may hold its end open, and says nothing."""
        while self.open and self._read():
            pass

    def _flush(self) -> None:
        try:
            del self._outbox[: self._socket.send(self._outbox)]
        except BlockingIOError:
            return
        except OSError as error:
            self._break(str(error.strerror))
            return
        if not self._outbox:
            self._loop.watch(self._socket.fileno(), self._hear_all)

    def _hear_all(self) -> None:
        self._read()

    def _read(self) -> bool:
        """False when there is nothing more now, or for ever."""
        try:
            data = self._socket.recv(65_536)
        except BlockingIOError:
            return False
        except OSError as error:
            self._break(str(error.strerror))
            return False
        if not data:
            self._break("closed by the engine")
            return False
        try:
            for line in self._lines.feed(data):
                if self.open:
                    # One request that we fail at must not take those with it that came in the same piece.
                    self._loop.call(partial(self._hear, decode(line)))
        except BadLine as error:
            self._break(str(error))
        return self.open

    def _break(self, why: str) -> None:
        if self.open:
            self.close()
            self._broken(why)
