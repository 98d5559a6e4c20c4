"""Real HAProxies, small web servers and a keep-alive client for the tests of this room."""

import asyncio
import contextlib
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from supervisor.proxies import embedded
from supervisor.proxies.haproxy_socket import ask

DEADLINE = 10.0


def _binaries() -> dict[str, str]:
    found = {"2.8": embedded.find_binary()}
    if (system := shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")) is not None:
        found["system"] = system
    return found


BINARIES = _binaries()
"""The wheel's HAProxy, and the system's where there is one (2.6 on Debian 12)."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a condition, no longer than the deadline."""
    end = time.monotonic() + DEADLINE
    while not await true():
        assert time.monotonic() < end, f"never true: {what}"
        await asyncio.sleep(0.01)


class Web:
    """A keep-alive HTTP server whose `/slow` waits until it is released, and whose `/healthz` answers `status`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.port = 0
        self.served = 0
        self.slow = 0
        self.release = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> "Web":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1]
                if path == b"/slow":
                    self.slow += 1
                    await self.release.wait()
                status = self.status if path == b"/healthz" else 200
                if path != b"/healthz":
                    self.served += 1
                body = self.name.encode()
                keep = b"HTTP/1.1" in head.split(b"\r\n", 1)[0] and b"onnection: close" not in head
                writer.write(
                    b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\n%s\r\n%s"
                    % (status, len(body), b"" if keep else b"Connection: close\r\n", body)
                )
                await writer.drain()
                if not keep:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Client:
    """One keep-alive connection that retries nothing unless the server had announced the end of the connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie: str | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str = "/") -> tuple[int, str]:
        """Status and body; raises when the connection breaks."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{cookie}\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(x.split(":")[1]) for x in head.split("\r\n") if x.lower().startswith("content-length"))
        body = (await reader.readexactly(length)).decode()
        for line in head.split("\r\n"):
            if line.lower().startswith("set-cookie:"):
                self.cookie = line.split(":", 1)[1].split(";")[0].strip()
        if "connection: close" in head.lower():
            await self.close()
        return int(head.split(" ", 2)[1]), body

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@contextlib.asynccontextmanager
async def running(command: tuple[str, ...], stats_socket: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A HAProxy that answers on its socket; killed, with everything it started, at the end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )

    async def answers() -> bool:
        with contextlib.suppress(Exception):
            return "Pid:" in await ask(stats_socket, "show info", 1.0)
        return False

    try:
        await until(answers, f"{command[0]} answers on {stats_socket}")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()


def attached_config(directory: str, front: int, servers: str, *, backend: str = "") -> str:
    """A HAProxy as somebody else might run it: sockets of three levels, one upstream `app`."""
    return f"""
global
  stats socket {directory}/admin.sock mode 600 level admin
  stats socket {directory}/operator.sock mode 600 level operator
  stats socket {directory}/user.sock mode 600 level user
  stats timeout 5s
defaults
  mode http
  timeout connect 1s
  timeout client 20s
  timeout server 20s
frontend fe
  bind 127.0.0.1:{front}
  default_backend app
backend app
  balance roundrobin
  option httpchk GET /healthz
{backend}
{servers}
"""


async def backend_pid(stats_socket: str) -> int:
    """Pid of the process that answers on a stats socket."""
    answer = await ask(stats_socket, "show info", 2.0)
    return int(next(line for line in answer.split("\n") if line.startswith("Pid: ")).split()[1])
