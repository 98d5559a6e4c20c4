"""One raw HTTP/1.1 connection: sends, reads whole answers, repairs nothing and retries nothing."""

import asyncio
import contextlib
import socket

LIMIT = 4 * 1024 * 1024


class Broken(Exception):
    """A request did not get its whole, right answer. `cause` is one of a few words, for counting."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause, self.detail = cause, detail


class Answer:
    """Status, headers (names in lower case) and the whole body of an answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def stays(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class Wire:
    """A connected socket with what was read and not yet used."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self.used = 0
        """Answers that came over this connection."""

    @classmethod
    async def connect(cls, host: str, port: int) -> "Wire":
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except OSError as error:
            sock.close()
            raise Broken("refused", f"connect: {error.strerror}") from None
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def seen_closed(self) -> bool:
        """Whether the other side's end is here already: what a careful client asks before it uses it again."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        # The end, or words that nobody asked for: either way it is of no more use.
        return True

    async def send(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._sock, data)
        except OSError as error:
            raise Broken("reset", f"{self._place()}: while sending: {error.strerror}") from None

    async def answer(self) -> Answer:
        """The next whole answer; raises Broken on every kind of end before it."""
        head = await self.until(b"\r\n\r\n", "nothing" if not self._buffer else "a part of the head")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        try:
            status = int(first.split(" ")[1])
        except (IndexError, ValueError):
            raise Broken("garbage", f"not HTTP: {first[:80]!r}") from None
        if status == 101:
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = await self._chunks()
        else:
            body = await self.exactly(int(headers.get("content-length", "0")))
        self.used += 1
        return Answer(status, headers, body)

    async def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while True:
            size = int((await self.until(b"\r\n", "a chunked body")).split(b";")[0] or b"0", 16)
            data = await self.exactly(size + 2)
            if size == 0:
                return b"".join(parts)
            parts.append(data[:-2])

    async def until(self, mark: bytes, so_far: str) -> bytes:
        while mark not in self._buffer:
            await self._more(so_far)
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    async def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more(f"{len(self._buffer)} of {size} bytes of a body")
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    async def _more(self, so_far: str) -> None:
        try:
            data = await self._loop.sock_recv(self._sock, 65_536)
        except OSError as error:
            raise Broken("reset", f"{self._place()}: after {so_far}: {error.strerror}") from None
        if not data:
            cause = "closed" if so_far == "nothing" and not self._buffer else "truncated"
            raise Broken(cause, f"{self._place()}: the end came after {so_far}")
        self._buffer += data
        if len(self._buffer) > LIMIT:
            raise Broken("garbage", f"more than {LIMIT} bytes and no end")

    def _place(self) -> str:
        return f"request {self.used + 1} of its connection"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()
