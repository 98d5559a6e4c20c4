"""The worker of the whole tests: HTTP/1.1 on $PORT or an inherited socket, in good and in broken versions.

`server.py [--fd N]`. END=graceful (default: finishes what is in flight and closes idle connections), lame-duck
(also answers on idle connections for a while, with `Connection: close`), abrupt (dies of TERM at once).
BREAK=exit | never-ready | errors500 | some500 | slow | unhealthy-after=SECONDS | ignore-term | grandchild | hostile
| leak.
VERSION=WORD goes into the X-Worker header, as BOOT_MS delays the first listen.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

END = os.environ.get("END", "graceful")
BREAK = os.environ.get("BREAK", "")
NAME = f"{os.environ.get('VERSION', '1')} pid={os.getpid()}"
LAST_CALL = 2.0
"""Seconds that a lame duck answers on idle connections; also how long a new connection may stay silent."""
STARTED = time.monotonic()
HOSTILE = (
    b"[red]bold[/red] markup",
    b"\x1b]0;x\x07title \x1b[2J",
    b";shutdown sessions",
    b"\xff\xfe not utf-8 \xc3(",
    "宽 wide 👩‍👩‍👧‍👦 e\u0301 \u202e reversed".encode(),
    b"long " + b"x" * 10_000,
    b"carriage\rreturn\ttab\x00nul",
)


class Server:
    """Knows every connection, which of them wait for a first request, and which are idle."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self.leaked: list[bytes] = []

    async def run(self) -> None:
        self._listening.setblocking(False)
        self._loop.add_reader(self._listening, self._accept)
        if END != "abrupt" and BREAK != "ignore-term":
            self._loop.add_signal_handler(signal.SIGTERM, self._ending.set)
        if BREAK == "ignore-term":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        await self._ending.wait()
        # Not `close` first: what the kernel has accepted for us must be taken, or left to the next worker.
        self._loop.remove_reader(self._listening)
        self._listening.close()
        print(f"ending, {len(self._tasks - self._idle)} in flight, {len(self._idle)} idle", flush=True)
        if END == "lame-duck":
            await asyncio.wait(self._idle, timeout=LAST_CALL) if self._idle else None
        for task in self._idle:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self) -> None:
        """One connection a call, so that neighbours on the same socket get theirs."""
        try:
            conn, _ = self._listening.accept()
        except OSError:
            return  # a neighbour was quicker
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._serve(conn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, conn: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None
        reader, writer = await asyncio.open_connection(sock=conn, limit=1 << 20)
        served = 0
        try:
            while True:
                if served:
                    self._idle.add(task)
                async with asyncio.timeout(None if served or not self._ending.is_set() else LAST_CALL):
                    head = await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(task)
                served += 1
                if not await self._answer(head.decode("latin-1"), reader, writer):
                    return
                if self._ending.is_set() and END != "lame-duck":
                    return
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return
        except asyncio.CancelledError:
            return
        finally:
            self._idle.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One answer; whether the connection goes on."""
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        sent = await reader.readexactly(int(fields.get("content-length", "0")))
        where = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(where.query).items()}
        if where.path == "/ws":
            await echo_lines(reader, writer)
            return False
        if where.path == "/stream":
            await stream(writer, float(asked.get("seconds", "5")))
            return True
        status, body = await self._page(method, where.path, asked, sent)
        stay = not self._ending.is_set() and fields.get("connection", "").lower() != "close"
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nX-Worker: {NAME}\r\n"
            f"Connection: {'keep-alive' if stay else 'close'}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        return stay

    async def _page(self, method: str, path: str, asked: dict[str, str], sent: bytes) -> tuple[int, bytes]:
        if path == "/healthz":
            return (200, b"well\n") if healthy() else (503, b"not well\n")
        if BREAK == "errors500" or (BREAK == "some500" and path != "/"):
            return 500, b"broken version\n"
        if BREAK == "slow":
            await asyncio.sleep(3.0)
        if BREAK == "leak":
            self.leaked.append(b"x" * 1_000_000)
        if path == "/slow":
            await asyncio.sleep(int(asked.get("ms", "400")) / 1000)
        if path == "/exit":
            print("asked to exit", flush=True)
            os._exit(int(asked.get("code", "1")))
        if path == "/leak":
            self.leaked.append(b"x" * (int(asked.get("mb", "10")) * 1_000_000))
        if path == "/echo" and method == "POST":
            return 200, sent
        return 200, f"ok {NAME}\n".encode()


def healthy() -> bool:
    if BREAK == "never-ready":
        return False
    if BREAK.startswith("unhealthy-after="):
        return time.monotonic() - STARTED < float(BREAK.partition("=")[2])
    return True


async def stream(writer: asyncio.StreamWriter, seconds: float) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Worker: {NAME}\r\n\r\n".encode())
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        line = b"%d\n" % number
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        await writer.drain()
        number += 1
        await asyncio.sleep(0.05)
    writer.write(b"4\r\nend\n\r\n0\r\n\r\n")
    await writer.drain()


async def echo_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Worker: {NAME}\r\n\r\n"
    writer.write(head.encode())
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


def listening_socket() -> socket.socket:
    if "--fd" in sys.argv:
        return socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    if os.environ.get("LISTEN_FDS") == "1" and os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=3)
    return socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)


def tell_ready() -> None:
    """READY=1, as sd_notify says it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1\nSTATUS=serving", os.environ["NOTIFY_SOCKET"])


def misbehave() -> None:
    """What a broken version does before it serves."""
    if BREAK == "exit":
        print("config: no such database", flush=True)
        sys.exit(3)
    if BREAK == "grandchild":
        ignores = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        for own_session in (False, True):
            subprocess.Popen([sys.executable, "-c", ignores], start_new_session=own_session)
    if BREAK == "hostile":
        for line in HOSTILE:
            os.write(1, line + b"\n")


async def main() -> None:
    await asyncio.sleep(int(os.environ.get("BOOT_MS", "0")) / 1000)
    server = Server(listening_socket())
    print(f"serving as {NAME}", flush=True)
    if "NOTIFY" in os.environ:
        tell_ready()
    await server.run()


if __name__ == "__main__":
    misbehave()
    asyncio.run(main())
