"""GET /v1/history over a real unix socket: when pictures were taken, one of them, and several in a row."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from supervisor.model.snapshot import Snapshot
from tests.api.served import Served, served

pytestmark = pytest.mark.real


def stamp(ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    """An engine that kept three pictures: of 90, 60 and 30 seconds ago."""
    async with served(tmp_path) as there:
        there.door.kept = [
            replace(there.door.picture, revision=n, time=stamp(ago)) for n, ago in ((1, 90.0), (2, 60.0), (3, 30.0))
        ]
        yield there


async def test_without_a_question_the_times_are_told(api: Served) -> None:
    answer = await api.http.get("/v1/history")
    assert answer.json() == {"times": [kept.time for kept in api.door.kept]}


@pytest.mark.parametrize(("ago", "revision"), [("-10", 3), ("-45.5", 2), ("-89", 1)])
async def test_the_picture_nearest_before_is_given(api: Served, ago: str, revision: int) -> None:
    answer = await api.http.get("/v1/history", params={"at": ago})
    assert msgspec.json.decode(answer.content, type=Snapshot) == api.door.kept[revision - 1]


async def test_a_moment_can_be_named_by_its_time(api: Served) -> None:
    answer = await api.http.get("/v1/history", params={"at": api.door.kept[1].time})
    assert answer.json()["revision"] == 2


async def test_several_pictures_come_a_line_each_oldest_first(api: Served) -> None:
    answer = await api.http.get("/v1/history", params={"at": "-10", "frames": 2})
    assert [msgspec.json.decode(line)["revision"] for line in answer.content.splitlines()] == [2, 3]
    assert answer.headers["content-type"] == "application/x-ndjson"


async def test_what_is_too_old_is_refused_with_a_reason(api: Served) -> None:
    answer = await api.http.get("/v1/history", params={"at": "-3600"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown")


@pytest.mark.parametrize(
    "question", ["at=yesterday", "at=2026-11-23T08:00:00", "at=-nan", "at=-1e9", "frames=601&at=-1", "before=1"]
)
async def test_what_cannot_be_understood_is_refused(api: Served, question: str) -> None:
    answer = await api.http.get(f"/v1/history?{question}")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_spec")
