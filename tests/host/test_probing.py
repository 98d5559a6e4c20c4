"""Probes against real servers: what they answered, and whether it was the worker that did."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from supervisor.host import owners, sockdiag
from supervisor.host.probing import ask
from supervisor.model.readings import Answer
from supervisor.model.spec import Question

pytestmark = pytest.mark.real

ANSWERER = str(Path(__file__).with_name("answerer.py"))
ME = os.getpid()
HTTP = Question(http="/healthz")
TCP = Question(tcp=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Start = Callable[..., subprocess.Popen[bytes]]


def says(text: bytes) -> Server:
    """A server that says this to every request, and leaves closing to the asker."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readuntil(b"\r\n\r\n"):
                writer.write(text)
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    return serve


@asynccontextmanager
async def serving(serve: Server, host: str = "127.0.0.1") -> AsyncIterator[str]:
    # `::` serves IPv4 as well: then the server's end of a connection is an IPv6 socket with an IPv4 address in it.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::")
    server = await asyncio.start_server(serve, sock=bound)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"[{host}]:{port}" if host == "::1" else f"127.0.0.1:{port}"


async def put(address: str, question: Question = HTTP, pid: int = ME, timeout: float = 5.0) -> Answer:
    return await ask(question, address, pid, shared=False, timeout=timeout)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as made:
        yield made


@pytest.fixture
def start(listening: socket.socket) -> Iterator[Start]:
    """Start a program that inherits `listening`; it is ended with the test."""
    with ExitStack() as stack:

        def run(
            *options: str, argv: tuple[str, ...] | None = None, sock: socket.socket = listening
        ) -> subprocess.Popen[bytes]:
            fd = sock.fileno()
            command = argv or (sys.executable, ANSWERER, str(fd), *options)
            made = subprocess.Popen(command, pass_fds=[fd], process_group=0)
            stack.callback(made.wait)
            stack.callback(os.killpg, made.pid, 9)
            return made

        yield run


def address_of(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("text", "ok", "why"),
    [
        (OK, True, r"HTTP 200 in \d+ ms"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True, r"HTTP 204 in \d+ ms"),
        (b"HTTP/1.0 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", True, r"HTTP 302 in \d+ ms"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", False, r"HTTP 503 in \d+ ms"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, True, r"HTTP 200 in \d+ ms"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True, r"HTTP 200 in \d+ ms"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", False, r"its answer has no status: HTTP/1\.1 2x0 OK"),
        (b"\x1b]0;x\x07[red]\r\n\r\n", False, r"its answer is not HTTP: ␛\]0;x␇\[red\]"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, False, r"its answer has no end of headers in 64 kB"),
    ],
)
async def test_what_a_server_says_becomes_yes_or_no_and_a_sentence(text: bytes, ok: bool, why: str) -> None:
    async with serving(says(text)) as address:
        answer = await put(address)
    assert answer.ok is ok
    assert re.fullmatch(why, answer.why), answer.why


async def test_a_server_that_hangs_up_gave_no_answer() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(hang_up) as address:
        assert await put(address) == Answer(ok=False, why="closed without an answer")


async def test_a_silent_server_is_given_up_at_the_timeout() -> None:
    async with serving(says(b"")) as address:
        assert await put(address, timeout=0.2) == Answer(ok=False, why="no answer within 0.2 s")


async def test_a_server_that_never_stops_talking_is_answered_for_all_the_same() -> None:
    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"data: x\n\n" * 100)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with serving(stream) as address:
        assert (await put(address)).ok


async def test_nobody_there_is_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = address_of(taken)
    assert await put(address) == Answer(ok=False, why="connection refused")
    assert await put(address, TCP) == Answer(ok=False, why="connection refused")


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "/no/such/socket", "127.0.0.1:x"])
async def test_an_address_that_cannot_be_asked_is_a_sentence_and_no_exception(address: str) -> None:
    assert not (await put(address)).ok


async def test_a_path_with_a_newline_is_sent_nowhere() -> None:
    async with serving(says(OK)) as address:
        answer = await put(address, Question(http="/\r\nX-Evil: 1"))
    assert answer.why.startswith("cannot be asked: the path")


@pytest.mark.parametrize("question", [HTTP, TCP])
async def test_an_answer_of_another_process_is_no_answer(question: Question, start: Start) -> None:
    async with serving(says(OK)) as address:
        worker = start("--sleep")
        answer = await put(address, question, worker.pid)
    assert not answer.ok
    assert re.fullmatch(rf"answered by pid {ME} \(.+\), which is not this worker \(pid {worker.pid}\)", answer.why)


@pytest.mark.parametrize("option", [(), ("--keep",)])
async def test_a_worker_is_believed_whether_it_closes_at_once_or_keeps_the_connection(
    option: tuple[str, ...], listening: socket.socket, start: Start
) -> None:
    worker = start(*option)
    with socket.socket() as unrelated:
        sibling = start("--sleep", sock=unrelated)
    address = address_of(listening)
    listening.close()
    assert (await put(address, pid=worker.pid)).ok
    assert not (await put(address, pid=sibling.pid)).ok


async def test_a_server_below_the_worker_counts_as_the_worker(listening: socket.socket, start: Start) -> None:
    command = f"'{sys.executable}' '{ANSWERER}' {listening.fileno()} & wait"
    worker = start(argv=("sh", "-c", command))
    address = address_of(listening)
    listening.close()
    assert (await put(address, pid=worker.pid)).ok
    assert (await put(address, TCP, worker.pid)).ok


async def test_a_server_that_closes_while_its_processes_are_looked_through_is_told_by_who_listens(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    with socket.socket() as unrelated:
        stranger = start("--sleep", sock=unrelated)
    for pid, word in ((ME, owners.Word.LISTENER), (stranger.pid, owners.Word.OTHER)):
        with socket.create_connection(listening.getsockname()) as asking:
            accepted, _ = listening.accept()

            def seen(sock: socket.socket, accepted: socket.socket = accepted) -> sockdiag.Far | None:
                found = sockdiag.far_end(sock)
                accepted.close()
                return found

            monkeypatch.setattr(owners, "far_end", seen)
            found = owners.owner(asking, pid)
            assert (found.word, found.direct) == (word, False)


@pytest.mark.parametrize("option", [(), ("--keep",)])
async def test_of_two_workers_that_share_a_socket_each_is_asked_until_it_answers(
    option: tuple[str, ...], listening: socket.socket, start: Start
) -> None:
    for worker in (start(*option), start(*option)):
        answer = await ask(HTTP, address_of(listening), worker.pid, shared=True, timeout=10)
        assert answer.ok, answer.why


async def test_a_worker_that_shares_a_socket_and_never_accepts_is_not_well(
    listening: socket.socket, start: Start
) -> None:
    start()
    mute = start("--sleep")
    for question in (HTTP, TCP):
        answer = await ask(question, address_of(listening), mute.pid, shared=True, timeout=0.5)
        assert not answer.ok
        assert re.fullmatch(r"another worker answered, \d+ times in 0\.5 s", answer.why)


async def test_a_connection_that_waits_to_be_accepted_is_the_listeners_own(listening: socket.socket) -> None:
    assert (await put(address_of(listening), TCP)).ok


@pytest.mark.parametrize("host", ["::1", "::"])
async def test_ipv6_and_both_at_once_are_proven_too(host: str, start: Start) -> None:
    async with serving(says(OK), host) as address:
        assert (await put(address)).ok
        assert not (await put(address, pid=start("--sleep").pid)).ok


async def test_a_unix_socket_is_asked_and_proven(tmp_path: Path, start: Start) -> None:
    path = str(tmp_path / "web.sock")
    async with await asyncio.start_unix_server(says(OK), path):
        other = start("--sleep").pid
        for question in (HTTP, TCP):
            assert (await put(path, question)).ok
            assert not (await put(path, question, other)).ok
        assert (await ask(HTTP, path, ME, shared=True, timeout=5)).ok


async def test_a_unix_socket_that_somebody_else_made_is_told_apart_by_who_accepts(
    tmp_path: Path, start: Start
) -> None:
    path = str(tmp_path / "web.sock")
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(path)
        held.listen()
        worker = start(sock=held)
        answer = await ask(HTTP, path, worker.pid, shared=True, timeout=5)
        assert answer.ok, answer.why
        assert not (await ask(HTTP, path, start("--sleep").pid, shared=True, timeout=0.3)).ok


async def test_without_netlink_the_table_of_connections_says_the_same(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    def missing(_: bytes) -> bytes:
        raise OSError("no such kernel module")

    monkeypatch.setattr(sockdiag, "_exchange", missing)
    for host in ("127.0.0.1", "::1", "::"):
        async with serving(says(OK), host) as address:
            for question in (HTTP, TCP):
                assert (await put(address, question)).ok
                assert not (await put(address, question, start("--sleep").pid)).ok


async def test_without_proc_psutil_tells(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    monkeypatch.setattr(owners, "_linux", lambda sock, pid, _: owners._portable(sock, pid))
    async with serving(says(OK)) as address:
        assert (await put(address)).ok
        assert not (await put(address, pid=start("--sleep").pid)).ok


async def test_where_nothing_tells_the_answer_counts_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "_linux", lambda *_: owners.Owner(owners.Word.UNKNOWN))
    async with serving(says(OK)) as address:
        answer = await put(address)
    assert answer.ok
    assert answer.why.endswith(", by whom cannot be told here")


async def test_two_hundred_probes_at_once_all_get_their_answer_and_leave_nothing_open(
    listening: socket.socket, start: Start
) -> None:
    worker = start()
    address = address_of(listening)
    assert (await put(address, pid=worker.pid)).ok
    before = len(os.listdir("/proc/self/fd"))
    answers = await asyncio.gather(*(put(address, pid=worker.pid, timeout=10) for _ in range(200)))
    assert all(answer.ok for answer in answers), {answer.why for answer in answers}
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_cancelled_probe_closes_its_socket() -> None:
    asked = asyncio.Event()
    closed = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        closed.set()
        writer.close()

    async with serving(wait) as address:
        probe = asyncio.create_task(put(address))
        await asyncio.wait_for(asked.wait(), 5)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        await asyncio.wait_for(closed.wait(), 5)
