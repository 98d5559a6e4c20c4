"""The screen's client against the stand-in API: pictures, recovery, events, changes, logs."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from dashboard.answers import NoAnswer, NobodyThere, Refused
from dashboard.link import Away, Link
from supervisor.model.snapshot import OperationRow, Snapshot
from tests.dashboard.fake_api import Asked, FakeApi, Reply, as_json, operation, refused
from tests.dashboard.pictures import picture
from tests.dashboard.test_reading import event, lines

pytestmark = pytest.mark.real


def taken(revision: int) -> Reply:
    return Reply(200, msgspec.json.encode(picture(revision=revision)), {"ETag": f'"{revision}"'})


async def test_an_unchanged_picture_is_not_sent_again(api: FakeApi) -> None:
    api.on("GET /v1/snapshot", taken(1), Reply(304, b""))
    async with Link(api.socket) as link:
        first = await link.snapshot()
        assert await link.snapshot() is first


async def test_watching_yields_each_new_picture(api: FakeApi) -> None:
    api.on("GET /v1/snapshot", taken(1), Reply(304, b""), taken(2), taken(3))
    async with Link(api.socket) as link, asyncio.timeout(5):
        seen = []
        async for one in link.watch(0.01):
            assert isinstance(one, Snapshot)
            seen.append(one.revision)
            if len(seen) == 3:
                break
    assert seen == [1, 2, 3]


async def test_an_engine_that_goes_away_is_told_and_comes_back_by_itself(api: FakeApi) -> None:
    gone = Reply(200, b"", cut=True)
    api.on("GET /v1/snapshot", taken(1), gone, gone, Reply(304, b""))
    async with Link(api.socket) as link, asyncio.timeout(5):
        seen: list[Snapshot | Away] = []
        async for one in link.watch(0.01):
            seen.append(one)
            if len(seen) == 4:
                break
    assert [type(one) for one in seen] == [Snapshot, Away, Away, Snapshot]
    assert seen[3] is seen[0]
    assert "RemoteProtocolError" in str(seen[1])
    assert isinstance(seen[1], Away)
    assert isinstance(seen[2], Away)
    assert seen[1].since == seen[2].since


async def test_no_cluster_is_no_answer(tmp_path: Path) -> None:
    async with Link(f"{tmp_path}/none.sock") as link:
        with pytest.raises(NobodyThere, match="nobody listens"):
            await link.snapshot()


async def test_nonsense_is_no_answer(api: FakeApi) -> None:
    api.on("GET /v1/snapshot", Reply(200, b"{}"))
    async with Link(api.socket) as link:
        with pytest.raises(NoAnswer, match="makes no sense"):
            await link.snapshot()


async def test_events_go_on_where_they_were_cut_off(api: FakeApi) -> None:
    cut = lines(event(1), event(2)).body
    api.on(
        "GET /v1/events", Reply(200, b"", chunks=(cut,), cut=True), Reply(200, b"", chunks=(lines(event(3)).body,))
    )
    async with Link(api.socket) as link, asyncio.timeout(5):
        seen = []
        async for one in link.events(0):
            seen.append(one.number)
            if one.number == 3:
                break
    assert seen == [1, 2, 3]
    assert [one.path for one in api.asked] == ["/v1/events?after=0&follow=1", "/v1/events?after=2&follow=1"]


async def test_events_of_another_life_are_seen_though_their_numbers_are_lower(api: FakeApi) -> None:
    api.on(
        "GET /v1/events",
        Reply(200, b"", chunks=(lines(event(41)).body,), cut=True),
        Reply(200, b"", chunks=(lines({"snapshot": {}}, event(1)).body,), cut=True),
        Reply(200, b"", chunks=(lines(event(2)).body,)),
    )
    async with Link(api.socket) as link, asyncio.timeout(10):
        seen = []
        async for one in link.events(0):
            seen.append(one.number)
            if one.number == 2:
                break
    assert seen == [41, 1, 2]
    assert [one.path for one in api.asked][1:] == [f"/v1/events?after={number}&follow=1" for number in (41, 1)]


async def test_a_change_is_an_operation_and_a_dry_run_its_steps(api: FakeApi) -> None:
    def answer(asked: Asked) -> Reply:
        return as_json({"steps": ["one", "two"]}) if "dry_run=1" in asked.path else as_json(operation(), 202)

    api.on("PATCH /v1/pools/web", answer)
    async with Link(api.socket) as link:
        assert await link.ask("PATCH", "/v1/pools/web", {"desired": 4}, dry_run=True) == ("one", "two")
        row = await link.ask("PATCH", "/v1/pools/web", {"desired": 4})
    assert isinstance(row, OperationRow)
    assert row.id == "op-7"


async def test_a_refusal_has_its_code_and_detail(api: FakeApi) -> None:
    api.on("PATCH /v1/pools/web", refused(409, "conflict", "held by op-3"))
    async with Link(api.socket) as link:
        with pytest.raises(Refused) as caught:
            await link.ask("PATCH", "/v1/pools/web", {"desired": 4})
    assert (caught.value.code, caught.value.detail, caught.value.exit_code) == ("conflict", "held by op-3", 5)


async def test_log_lines_are_split_at_newlines_alone(api: FakeApi) -> None:
    body = ("one\u2028still one\n" + "two\x0cstill two\n" + "three").encode()
    api.on("GET /v1/workers/web.0/log", Reply(200, b"", chunks=(body[:5], body[5:])))
    async with Link(api.socket) as link:
        assert [line async for line in link.log("web.0", 5)] == ["one\u2028still one", "two\x0cstill two", "three"]
