"""Clients that are many, slow, silent or hostile: each is bounded, and none delays another."""

import asyncio
import json
import random
import select
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from supervisor.api import connection, serving
from tests.api.fake_door import FakeDoor
from tests.api.served import Served, served, until

pytestmark = pytest.mark.real

GET = b"GET /v1/snapshot HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as there:
        yield there


async def test_a_hundred_clients_at_once_are_all_answered(api: Served) -> None:
    answers = await asyncio.gather(*(api.raw(GET + b"Connection: close\r\n\r\n") for _ in range(100)))
    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)


async def test_above_the_limit_clients_are_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_REQUESTS", 2)
    async with served(tmp_path) as api:
        async with (
            api.http.stream("GET", "/v1/events?follow=1"),
            api.http.stream("GET", "/v1/events?follow=1"),
        ):
            busy = await api.http.get("/v1/snapshot")
            assert (busy.status_code, busy.json()["code"]) == (503, "busy")
        await until(lambda: api.door.followers == 0)
        assert (await api.http.get("/v1/snapshot")).status_code == 200


async def test_a_reader_who_never_reads_is_dropped_and_delays_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection.Connection, "patience", 0.3)
    async with served(tmp_path) as api:
        stuck = socket.socket(socket.AF_UNIX)
        stuck.connect(api.path)
        stuck.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: api.door.followers == 1)
        while api.door.followers:
            api.door.publish("x" * 10_000)
            assert (await api.http.get("/v1/snapshot")).status_code == 200
        stuck.close()


async def test_a_large_answer_that_nobody_takes_is_dropped_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection.Connection, "patience", 0.2)
    async with served(tmp_path, FakeDoor(workers=2000)) as api:
        stuck = socket.socket(socket.AF_UNIX)
        stuck.connect(api.path)
        stuck.sendall(GET + b"\r\n")
        # Nothing is read until the server has given up and ended the connection.
        ended = select.poll()
        ended.register(stuck, 0)
        await until(lambda: ended.poll(0) == [(stuck.fileno(), select.POLLHUP)])
        stuck.settimeout(5)
        taken = await asyncio.to_thread(lambda: sum(len(piece) for piece in iter(lambda: stuck.recv(65536), b"")))
        stuck.close()
        assert taken < len((await api.http.get("/v1/snapshot")).content)


async def test_half_a_request_is_dropped_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.Connection, "patience", 0.1)
    async with served(tmp_path) as api:
        assert await api.raw(b"") == b""
        assert await api.raw(b"GET /v1/snap") == b""
        assert await api.raw(GET) == b""


JUNK = [
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET\r\n\r\n",
    b"hello there\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET /v1/snapshot HTTP/1.1\r\n\r\n",
    b"GET /v1/snapshot HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000,
    b"PATCH /v1/pools/web HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
async def test_junk_is_answered_with_a_problem_and_the_end(api: Served, junk: bytes) -> None:
    answer = await api.raw(junk)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert json.loads(body)["code"] == "bad_request"
    assert (await api.http.get("/v1/snapshot")).status_code == 200


async def test_random_bytes_never_make_a_fault(api: Served) -> None:
    """A fixed seed: whole requests with a few bytes changed, cut or doubled."""
    dice = random.Random(7)
    good = (
        b'PATCH /v1/pools/web HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{"desired": 4}'
    )
    for _ in range(150):
        damaged = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        reader, writer = await asyncio.open_unix_connection(api.path)
        writer.write(bytes(damaged))
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert b" 500 " not in answer[:20]
    assert (await api.http.get("/v1/snapshot")).status_code == 200


async def test_a_body_without_an_end_is_refused_at_its_limit(api: Served) -> None:
    head = b"PATCH /v1/pools/web HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await api.raw(head + b"10000\r\n" + b" " * 65536 + b"\r\n" + b"10\r\n" + b" " * 16 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert api.door.asked == []
