"""Readings and changes over a real unix socket: what is answered, and what the engine hears."""

import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from supervisor.model.phases import Rotation
from supervisor.model.requests import AnyRequest, Restart, Rotate, Scale, Shutdown, Start, Steer, Stop
from supervisor.model.snapshot import OperationRow, Snapshot
from tests.api.fake_door import FakeDoor
from tests.api.served import Served, served

pytestmark = pytest.mark.real

ME = f"uid {os.getuid()} ({pwd.getpwuid(os.getuid()).pw_name}), pid {os.getpid()}"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as there:
        yield there


async def test_the_snapshot_has_its_revision_as_etag_and_is_not_sent_twice(api: Served) -> None:
    first = await api.http.get("/v1/snapshot")
    assert (first.status_code, first.headers["etag"]) == (200, '"42"')
    assert msgspec.json.decode(first.content, type=Snapshot) == api.door.picture
    again = await api.http.get("/v1/snapshot", headers={"If-None-Match": '"42"'})
    assert (again.status_code, again.content) == (304, b"")
    api.door.publish("news")
    newer = await api.http.get("/v1/snapshot", headers={"If-None-Match": '"42"'})
    assert (newer.status_code, newer.headers["etag"]) == (200, '"43"')


async def test_what_is_not_known_is_null_and_its_key_is_there(api: Served) -> None:
    worker = (await api.http.get("/v1/snapshot")).json()["pools"][0]["workers"][0]
    assert worker["fds"] is None
    assert worker["last_exit"] is None


async def test_head_is_get_without_a_body(api: Served) -> None:
    answer = await api.http.head("/v1/snapshot")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"", '"42"')


CHANGES: list[tuple[str, str, dict[str, Any] | None, AnyRequest]] = [
    ("PATCH", "/v1/pools/web", {"desired": 4}, Scale(pool="web", desired=4, actor=ME)),
    ("PATCH", "/v1/pools/web", {"change": -1}, Scale(pool="web", change=-1, actor=ME)),
    ("PATCH", "/v1/pools/web", {"stopped": True, "yes": True}, Stop(target="web", actor=ME, yes=True)),
    ("PATCH", "/v1/pools/web", {"stopped": False}, Start(target="web", actor=ME)),
    ("POST", "/v1/pools/web/rollouts", {}, Restart(target="web", actor=ME)),
    ("POST", "/v1/pools/web/rollouts", None, Restart(target="web", actor=ME)),
    ("PATCH", "/v1/pools/web/rollouts", {"action": "undo"}, Steer(pool="web", action="undo", actor=ME)),
    ("POST", "/v1/workers/web.0/restart", None, Restart(target="web.0", actor=ME)),
    (
        "PATCH",
        "/v1/workers/web.0",
        {"rotation": "drain"},
        Rotate(target="web.0", rotation=Rotation.DRAIN, actor=ME),
    ),
    ("PATCH", "/v1/workers/web.0", {"stopped": False}, Start(target="web.0", actor=ME)),
    (
        "PATCH",
        "/v1/backends/lb/web/a%2Fb%3Fc",
        {"rotation": "maint", "yes": True},
        Rotate(target="lb/web/a/b?c", rotation=Rotation.MAINT, actor=ME, yes=True),
    ),
    ("POST", "/v1/shutdown", {"keep_workers": True}, Shutdown(keep_workers=True, actor=ME)),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "heard"), CHANGES, ids=[f"{c[0]} {c[1]} {c[2]}" for c in CHANGES]
)
async def test_a_change_is_an_operation_at_once_and_its_actor_is_who_the_kernel_says(
    api: Served, method: str, path: str, body: dict[str, Any] | None, heard: AnyRequest
) -> None:
    answer = (
        await api.http.request(method, path, json=body)
        if body is not None
        else await api.http.request(method, path)
    )
    assert (answer.status_code, answer.headers["location"]) == (202, "/v1/operations/op-1")
    assert msgspec.json.decode(answer.content, type=OperationRow).id == "op-1"
    assert api.door.asked == [heard]


@pytest.mark.parametrize(("method", "path", "body", "heard"), CHANGES[:3])
async def test_a_dry_run_answers_the_steps_and_changes_nothing(
    api: Served, method: str, path: str, body: dict[str, Any], heard: AnyRequest
) -> None:
    answer = await api.http.request(method, path, json=body, params={"dry_run": "1"})
    assert answer.status_code == 200
    assert answer.json() == {"steps": ["start web.2", "add web.2 to lb/web"]}
    assert api.door.asked == []


REFUSALS = [
    ("PATCH", "/v1/pools/nope", b'{"desired": 1}', 404, "unknown"),
    ("PATCH", "/v1/pools/web", b'{"desired": 9}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b'{"stopped": true}', 409, "conflict"),
    ("PATCH", "/v1/pools/web", b"{}", 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b'{"desired": 1, "change": 1}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b'{"desired": "4"}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b'{"desired": -1}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b'{"desired": 1e99}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b'{"desird": 4}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b"[]", 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b"{", 400, "bad_request"),
    ("PATCH", "/v1/pools/web", b"\xff\xfe", 400, "bad_request"),
    ("PATCH", "/v1/pools/web", b'{"desired":' + b"[" * 30_000, 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b" " * 70_000, 413, "too_large"),
    ("PATCH", "/v1/pools/web?dryrun=1", b'{"desired": 4}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web?dry_run=maybe", b'{"desired": 4}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web/rollouts", b'{"action": "explode"}', 422, "bad_spec"),
    ("PATCH", "/v1/backends/lb/web/web.0", b'{"rotation": "gone"}', 422, "bad_spec"),
    ("PATCH", "/v1/workers/web.0", b'{"rotation": "drain", "stopped": true}', 422, "bad_spec"),
    ("PATCH", "/v1/pools/web", b'{"desired": 13}', 500, "internal"),
    ("POST", "/v1/pools/web", b"", 405, "method_not_allowed"),
    ("GET", "/v1/pools/web/rollouts", b"", 405, "method_not_allowed"),
    ("GET", "/v2/snapshot", b"", 404, "not_found"),
    ("GET", "/v1/snapshot/", b"", 404, "not_found"),
    ("GET", "/v1/operations/op-9", b"", 404, "unknown"),
    ("GET", "/v1/workers/%1b%5b31m", b"", 404, "unknown"),
    ("GET", "/v1/workers/nope.0/log", b"", 404, "unknown"),
    ("GET", "/v1/events?after=-1", b"", 422, "bad_spec"),
    ("GET", "/v1/events?after=%D9%A3", b"", 422, "bad_spec"),
    ("GET", "/v1/workers/web.0/log?lines=1000000", b"", 422, "bad_spec"),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"), REFUSALS, ids=[f"{r[0]} {r[1]} {r[2][:20]!r}" for r in REFUSALS]
)
async def test_a_refusal_is_a_problem_with_a_stable_code_and_changes_nothing(
    api: Served, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    answer = await api.http.request(method, path, content=body)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["title"]
    assert problem["detail"]
    assert "secret" not in answer.text
    assert api.door.asked == []
    assert (await api.http.get("/v1/snapshot")).status_code == 200


async def test_a_wrong_field_is_named_by_its_path(api: Served) -> None:
    problem = (await api.http.patch("/v1/pools/web", json={"desired": "4"})).json()
    assert problem["path"] == "$.desired"


async def test_a_wrong_method_says_which_are_right(api: Served) -> None:
    assert (await api.http.put("/v1/reload")).headers["allow"] == "POST"


async def test_a_bad_configuration_is_refused_with_all_its_problems(api: Served) -> None:
    answer = await api.http.post("/v1/reload")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_config")
    assert answer.json()["problems"][0]["path"] == "pools.web.comand"


async def test_operations_and_one_worker_can_be_read(api: Served) -> None:
    assert [row["id"] for row in (await api.http.get("/v1/operations")).json()] == ["op-1"]
    assert (await api.http.get("/v1/operations/op-1")).json()["verb"] == "scale web=4"
    assert (await api.http.get("/v1/workers/web.0")).json() == {"id": "web.0", "argv": ["run"]}


async def test_a_thousand_workers_are_one_answer(tmp_path: Path) -> None:
    async with served(tmp_path, FakeDoor(workers=1000)) as api:
        assert len((await api.http.get("/v1/snapshot")).json()["pools"][0]["workers"]) == 1000
