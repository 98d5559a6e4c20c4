"""Events and logs as they come: resume, catching up, silence, and readers that go away."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import AsyncGeneratorType

import pytest

from supervisor.api.stream import Stream, with_silence
from tests.api.served import Served, served, until

pytestmark = pytest.mark.real


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as there:
        yield there


async def test_events_are_lines_of_json_after_a_number(api: Served) -> None:
    for number in range(5):
        api.door.publish(f"news {number}")
    answer = await api.http.get("/v1/events", params={"after": 3})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["text"] for line in answer.text.splitlines()] == ["news 3", "news 4"]


async def test_a_reader_too_far_behind_gets_a_snapshot_first(api: Served) -> None:
    for number in range(80):
        api.door.publish(f"news {number}")
    lines = (await api.http.get("/v1/events", params={"after": 3})).text.splitlines()
    assert json.loads(lines[0])["snapshot"]["cluster"] == "shop"
    assert [json.loads(line)["number"] for line in lines[1:]] == list(range(31, 81))


async def test_following_goes_on_where_the_reader_left_off(api: Served) -> None:
    api.door.publish("one")
    api.door.publish("two")
    async with api.http.stream("GET", "/v1/events", params={"after": 1, "follow": 1}) as answer:
        lines = answer.aiter_lines()
        assert json.loads(await anext(lines))["text"] == "two"
        api.door.publish("three")
        assert json.loads(await anext(lines))["text"] == "three"
        assert api.door.followers == 1
    await until(lambda: api.door.followers == 0)


async def test_a_reader_who_leaves_leaves_nothing_behind_that_waits_for_the_collector(api: Served) -> None:
    api.door.publish("one")
    gc.collect()
    gc.disable()
    try:
        for way in ("behind the last event", "amid what is sent"):
            async with api.http.stream("GET", "/v1/events", params={"follow": 1}) as answer:
                await anext(answer.aiter_lines())
                if way == "amid what is sent":
                    for number in range(40):
                        api.door.publish("long " * 2_000 + str(number))
                    await asyncio.sleep(0.05)
            await until(lambda: api.door.followers == 0)
            await asyncio.sleep(0.05)
            held = [one for one in gc.get_objects() if isinstance(one, AsyncGeneratorType | Stream)]
            assert not [one for one in held if "supervisor" in repr(one) or "follow" in repr(one)], way
    finally:
        gc.enable()


async def test_a_follower_s_stream_ends_when_we_end(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        reader, writer = await asyncio.open_unix_connection(api.path)
        writer.write(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: api.door.followers == 1)
    assert api.door.followers == 0
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_a_log_is_lines_of_text_and_can_be_followed(api: Served) -> None:
    answer = await api.http.get("/v1/workers/web.0/log", params={"lines": 2})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "line 0\nline 1\n"
    async with api.http.stream("GET", "/v1/pools/web/log", params={"lines": 1, "follow": 1}) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "line 0"
        api.door.publish("\ud800 late")
        assert await anext(lines) == "? late"


async def test_silence_is_told_and_nothing_that_comes_late_is_lost() -> None:
    gate = asyncio.Event()

    async def items() -> AsyncIterator[str]:
        yield "one"
        await gate.wait()
        yield "two"

    told = with_silence(items(), 0.01)
    assert await anext(told) == "one"
    assert await anext(told) is None
    gate.set()
    assert [item async for item in told if item is not None] == ["two"]


async def test_silence_told_to_a_reader_who_leaves_ends_what_it_read_from() -> None:
    ended = asyncio.Event()

    async def items() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            ended.set()

    told = with_silence(items(), 0.01)
    assert await anext(told) is None
    await told.aclose()  # type: ignore[attr-defined]
    assert ended.is_set()
