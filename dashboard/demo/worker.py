"""A sample web worker: HTTP/1.1 with keep-alive on $PORT, quick and slow answers, a graceful end on SIGTERM."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time

_IDLE = 30.0
_HEAD_LIMIT = 16_384


class Server:
    """Knows which connections wait for a request and which are answering one, so that it can end gracefully."""

    def __init__(self) -> None:
        self._ending = asyncio.Event()
        self._links: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()

    async def run(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=_HEAD_LIMIT)
        print(f"serving on port {port}", flush=True)
        await self._ending.wait()
        print(f"ending: {len(self._links - self._idle)} in flight", flush=True)
        server.close()
        for link in self._idle:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        print("ended", flush=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            while not self._ending.is_set():
                self._idle.add(link)
                async with asyncio.timeout(_IDLE):
                    head = await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(link)
                if not await self._answer(head.decode("latin-1"), reader, writer):
                    break
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the other side went away, or talks nonsense
        except asyncio.CancelledError:
            pass  # idle while we end
        finally:
            self._idle.discard(link)
            self._links.discard(link)
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One answer; whether the connection goes on."""
        first, *lines = head.split("\r\n")
        method, path = [*first.split(" "), "/"][:2]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if length := fields.get("content-length", ""):
            await reader.readexactly(int(length))
        started = time.monotonic()
        body = await _body(path)
        stay = not self._ending.is_set() and fields.get("connection", "").lower() != "close"
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if stay else 'close'}\r\n\r\n".encode()
            + (b"" if method == "HEAD" else body)
        )
        await writer.drain()
        if path != "/healthz":
            print(f"{method} {path} 200 {(time.monotonic() - started) * 1000:.0f} ms", flush=True)
        return stay


async def _body(path: str) -> bytes:
    if path == "/healthz":
        return b"well\n"
    if path.startswith("/slow"):
        await asyncio.sleep(random.uniform(0.3, 0.8))
    # A little work, so that the CPU column moves.
    total = sum(i * i for i in range(8_000))
    return f"{os.environ.get('CLUSTERCTL_WORKER', 'worker')} pid {os.getpid()} says {total}\n".encode()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Server().run(int(os.environ["PORT"])))
    sys.exit(0)
