"""One connection to HAProxy's runtime socket for each line of commands, with every way to fail in its own words."""

import asyncio
import errno
import socket
import time

from supervisor.model.errors import ProxyUnreachable
from supervisor.proxies.haproxy_text import address

_CHUNK = 65_536
_BUSY_PAUSE = 0.02


async def ask(path: str, line: str, timeout: float, *, half_close: bool = False) -> str:
    """Send one line, return the whole answer. Raises ProxyUnreachable, within `timeout` seconds.

    `half_close` is for the master's socket, which waits for our end of file before it closes its own.
    """
    deadline = time.monotonic() + timeout
    sock = _new_socket(path)
    try:
        try:
            async with asyncio.timeout(timeout):
                await _connect(sock, path, deadline)
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(sock, line.encode("ascii") + b"\n")
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
                return await _read_all(sock)
        except TimeoutError:
            raise ProxyUnreachable(
                f"no answer from {path} within {timeout:g} s: it is stopped, or too busy to answer"
            ) from None
        except OSError as problem:
            raise ProxyUnreachable(_in_words(path, problem)) from None
    finally:
        sock.close()


def _new_socket(path: str) -> socket.socket:
    family = socket.AF_UNIX
    if "/" not in path:  # a TCP stats socket, IP:PORT
        family = socket.AF_INET6 if path.startswith("[") else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


async def _connect(sock: socket.socket, path: str, deadline: float) -> None:
    """Connect, waiting while the queue of the socket is full.

    A unix socket connects at once or says EAGAIN, which asyncio would take for "in progress".
    """
    if sock.family != socket.AF_UNIX:
        await asyncio.get_running_loop().sock_connect(sock, address(path))
        return
    while True:
        try:
            sock.connect(path)
            return
        except BlockingIOError:
            if time.monotonic() + _BUSY_PAUSE >= deadline:
                raise
            await asyncio.sleep(_BUSY_PAUSE)


async def _read_all(sock: socket.socket) -> str:
    loop = asyncio.get_running_loop()
    chunks: list[bytes] = []
    while chunk := await loop.sock_recv(sock, _CHUNK):
        chunks.append(chunk)
    return b"".join(chunks).decode("utf-8", "replace")


def _in_words(path: str, problem: OSError) -> str:
    match problem.errno:
        case errno.EAGAIN:
            return f"busy: all connections of {path} are taken (10 by default, and 10 that wait), or it is stopped"
        case errno.ENOENT:
            return f"no socket at {path}"
        case errno.ECONNREFUSED:
            return f"nobody listens on {path}"
        case errno.EACCES | errno.EPERM:
            return f"not permitted to open {path}"
        case errno.ECONNRESET | errno.EPIPE:
            return f"{path} hung up in the middle of an answer"
        case _:
            return f"{path}: {problem.strerror or problem}"
