"""Asks a worker whether it is well, by HTTP or TCP, and believes the answer only when that worker gave it.

The GET is written by hand over asyncio's sockets, because the proof needs the very socket that was answered on,
while it is still open; and because an HTTP library would cost the engine 10 MB and a millisecond a question.

How the proof goes: the request is sent, the first bytes of the answer arrive, and before anything is closed the
kernel is asked who has the other end. Where that is not enough (the server closed at once and shares its listening
socket with others), the request is sent without its last line until somebody has accepted it: then that end is
open for certain.
"""

import asyncio
import socket
import time
from typing import NamedTuple

from supervisor.host.owners import Owner, Word, owner, program
from supervisor.model.readings import Answer
from supervisor.model.spec import Question
from supervisor.model.text import clean, clean_bytes, reason

# A worker that streams is not read to the end of days: after so much, or so long, its answer counts as read.
_MOST = 64 * 1024
_LINGER = 0.25

# A connection that waits to be accepted is looked at again after these pauses, in seconds; the last repeats.
_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02)

# Between two tries to reach one of several workers that share a socket: of fifty, each is met in 5 s for certain.
_AGAIN = 0.01


class _Said(NamedTuple):
    """An answer, and who gave it."""

    ok: bool
    why: str
    by: Owner
    status: int | None = None


async def ask(
    question: Question, address: str, pid: int, *, shared: bool, timeout: float, host: str | None = None
) -> Answer:
    """Ask the worker whose first process is `pid`, at HOST:PORT or a unix socket's path.

    `shared`: several workers answer at this address, so it is asked until this one does, within the timeout.
    `host`: what a GET says in `Host`, where that is not the address.
    Never raises, but for its own cancellation; takes `timeout` seconds at most, and leaves no socket open.
    """
    begun = time.monotonic()
    others = 0
    try:
        async with asyncio.timeout(timeout):
            while True:
                said = await _once(question, address, pid, shared, host or _host(address))
                if not shared or said.by.word is not Word.OTHER:
                    return _verdict(said, pid)
                others += 1
                await asyncio.sleep(_AGAIN)
    except TimeoutError:
        if others:
            return Answer(ok=False, why=f"another worker answered, {others} times in {_seconds(timeout)}")
        return Answer(ok=False, why=f"no answer within {_seconds(timeout)}")
    except (OSError, ValueError, OverflowError) as problem:
        return Answer(ok=False, why=_in_words(problem, time.monotonic() - begun))


def _verdict(said: _Said, pid: int) -> Answer:
    match said.by.word:
        case Word.OURS | Word.LISTENER:
            return Answer(ok=said.ok, why=said.why, status=said.status)
        case Word.UNKNOWN:
            return Answer(ok=said.ok, why=f"{said.why}, by whom cannot be told here", status=said.status)
        case Word.OTHER:
            who = "another process"
            if said.by.pid is not None:
                who = f"pid {said.by.pid} ({clean(program(said.by.pid), 40) or 'gone'})"
            return Answer(ok=False, why=f"answered by {who}, which is not this worker (pid {pid})")


async def _once(question: Question, address: str, pid: int, shared: bool, host: str) -> _Said:
    if question.http is None:
        return await _connect_only(address, pid, shared)
    if shared:
        # Who listens proves nothing here, and a first try without holding would waste the worker's turn.
        return await _get(question.http, address, pid, host, hold=True)
    said = await _get(question.http, address, pid, host, hold=False)
    # Who listens proves a yes; a no must be told by the connection itself.
    doubtful = said.by.word is Word.OTHER and not said.by.direct
    return await _get(question.http, address, pid, host, hold=True) if doubtful else said


async def _connect_only(address: str, pid: int, shared: bool) -> _Said:
    with _socket(address) as sock:
        begun = time.monotonic()
        await _connect(sock, address)
        why = f"connected in {_took(begun)}"
        by = await _accepted(sock, pid) if shared else owner(sock, pid)
        return _Said(True, why, by)


async def _get(path: str, address: str, pid: int, host: str, *, hold: bool) -> _Said:
    if not path.isprintable() or " " in path:
        raise ValueError(f"the path {path!r} holds a blank or a control character")
    loop = asyncio.get_running_loop()
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: clusterctl-probe\r\nAccept: */*\r\n"
    with _socket(address) as sock:
        begun = time.monotonic()
        await _connect(sock, address)
        by = None
        if hold:
            await loop.sock_sendall(sock, head.encode())
            by = await _accepted(sock, pid)
            head = ""
        await loop.sock_sendall(sock, f"{head}\r\n".encode())
        received = b""
        status: int | None = None
        while status is None and len(received) < _MOST:
            if not (chunk := await loop.sock_recv(sock, _MOST)):
                raise ConnectionError("closed without an answer")
            by = by or owner(sock, pid)
            received += chunk
            status, received = _status(received)
        took = _took(begun)
        if status is None or by is None:
            raise ConnectionError("its answer has no end of headers in 64 kB")
        await _drain(sock, status, received)
        return _Said(200 <= status < 400, f"HTTP {status} in {took}", by, status)


async def _accepted(sock: socket.socket, pid: int) -> Owner:
    """Wait until somebody took the connection; the caller's timeout ends it."""
    turn = 0
    while (found := owner(sock, pid)).pending:
        await asyncio.sleep(_PAUSES[min(turn, len(_PAUSES) - 1)])
        turn += 1
    return found


def _status(received: bytes) -> tuple[int | None, bytes]:
    """The status once all headers are there, and what to go on with; answers 100 to 199 are passed over."""
    while True:
        line, ended, _ = received.partition(b"\r\n")
        if (ended or len(received) > 64) and not line.startswith(b"HTTP/"):
            raise ConnectionError(f"its answer is not HTTP: {clean_bytes(line, 60)}")
        _, whole, rest = received.partition(b"\r\n\r\n")
        if not whole:
            return None, received
        code = line.split(None, 2)[1:2]
        if not code or not code[0].isdigit():
            raise ConnectionError(f"its answer has no status: {clean_bytes(line, 60)}")
        status = int(code[0])
        if not 100 <= status < 200:
            return status, received
        received = rest


async def _drain(sock: socket.socket, status: int, received: bytes) -> None:
    """Read the rest, so that closing does not reset the connection under a server that still writes."""
    loop = asyncio.get_running_loop()
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0 if status in (204, 304) else _MOST
    chunked = False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        match name.strip().lower():
            case b"content-length" if value.strip().isdigit():
                length = min(_MOST, int(value))
            case b"transfer-encoding":
                chunked = b"chunked" in value.lower()
    try:
        async with asyncio.timeout(_LINGER):
            while len(body) < length and not (chunked and body.endswith(b"0\r\n\r\n")):
                if not (chunk := await loop.sock_recv(sock, _MOST)):
                    return
                body += chunk
    except (TimeoutError, OSError):
        return


def _socket(address: str) -> socket.socket:
    if _is_tcp(address):
        family = socket.AF_INET6 if address.startswith("[") else socket.AF_INET
    else:
        family = socket.AF_UNIX
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


async def _connect(sock: socket.socket, address: str) -> None:
    loop = asyncio.get_running_loop()
    if not _is_tcp(address):
        await loop.sock_connect(sock, address)
        return
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if host in ("", "*", "0.0.0.0", "::"):
        host = "::1" if sock.family == socket.AF_INET6 else "127.0.0.1"
    await loop.sock_connect(sock, (host, int(port)))


def _is_tcp(address: str) -> bool:
    return "/" not in address and ":" in address


def _host(address: str) -> str:
    return address if _is_tcp(address) else "localhost"


def _took(begun: float) -> str:
    return f"{max(1, round((time.monotonic() - begun) * 1000))} ms"


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"


def _in_words(problem: OSError | ValueError | OverflowError, took: float) -> str:
    match problem:
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "closed without an answer"
        case FileNotFoundError():
            return "its socket file is not there"
        case OSError(errno=None):
            return str(problem)
        case OSError():
            return reason(problem)
        case _:
            return f"cannot be asked: {problem}"
