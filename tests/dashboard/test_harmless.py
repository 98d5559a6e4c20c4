"""No outside text reaches the terminal as it came: every verb that prints, anything in each text of an answer."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.model.operations import OperationPhase
from supervisor.model.snapshot import RolloutRow
from tests.dashboard.conftest import Run
from tests.dashboard.fake_api import FakeApi, Reply, Row, operation
from tests.dashboard.pictures import last_exit, picture, plain, worker
from tests.model.test_text import ANYTHING, steers

EVENT: Row = {
    "number": 7, "time": "2026-01-02T03:04:05Z", "kind": "worker-ready", "level": "warning", "subject": "web.0",
    "text": "ready", "actor": "uid 0", "operation": "op-7", "pid": 4242,
}  # fmt: skip
STEPS = [["2026-01-02T03:04:05Z", "web.3: started"]]
PROBLEM: Row = {"status": 409, "code": "conflict", "title": "Conflict", "detail": "op-6 holds web"}
FINDINGS: Row = {"findings": [{"code": "ports", "subject": "web", "text": "few ports", "hint": "give more"}]}


def snapshot() -> Row:
    found = plain(picture((worker(last_exit=last_exit("exit code 1"), why="why"), worker("web.1"))))
    fields = {name: "x" if kind is str else 1 for name, kind in RolloutRow.__annotations__.items()}
    found["pools"][0] |= {"rollout": fields, "last_rollout": "done", "why": "waits"}
    return found | {"operations": [operation(steps=STEPS)], "warnings": ["journal: no space left on device"]}


def hostile(value: Any, dice: st.DataObject, keep: tuple[str, ...] = ()) -> Any:
    """The same shape with anything for each text; `keep` names what says how to go on."""
    match value:
        case dict():
            return {key: one if key in keep else hostile(one, dice, keep) for key, one in value.items()}
        case list():
            return [hostile(one, dice, keep) for one in value]
        case str():
            return dice.draw(ANYTHING)
    return value


def answer(value: Any, status: int = 200) -> Reply:
    # As the engine writes it: outside ASCII not escaped, and never a lone surrogate.
    return Reply(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


CHANGES = (
    ["scale", "web=4"], ["restart", "web"], ["restart", "web.0"], ["stop", "web"], ["start", "web.0"], ["reload"],
    ["rollout", "undo", "web"], ["drain", "web.0"], ["ready", "lb/web/web.0"], ["maint", "web.0"], ["upgrade"],
)  # fmt: skip
CHANGED = (
    "PATCH /v1/pools/web", "POST /v1/pools/web/rollouts", "PATCH /v1/pools/web/rollouts", "POST /v1/reload",
    "POST /v1/workers/web.0/restart", "PATCH /v1/workers/web.0", "PATCH /v1/backends/lb/web/web.0",
    "POST /v1/upgrade",
)  # fmt: skip
EACH = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def harmless(run: Run, *words: str) -> None:
    ran = run(*words)
    for text in (ran.out, ran.err):
        assert not steers(text.replace("\n", "")), (words, text)


@EACH
@given(dice=st.data())
def test_what_is_looked_at(api: FakeApi, run: Run, dice: st.DataObject) -> None:
    api.on("GET /v1/snapshot", answer(hostile(snapshot(), dice)))
    api.on("GET /v1/events", answer(hostile(EVENT, dice)))
    api.on("GET /v1/doctor", answer(hostile(FINDINGS, dice)))
    api.on("GET /v1/operations", answer({"operations": [hostile(operation("done", steps=STEPS), dice)]}))
    api.on("GET /v1/operations/op-7", answer(hostile(operation("failed", steps=STEPS), dice, ("phase",))))
    for words in (["status"], ["top", "--batch", "-n", "1"], ["events"], ["doctor"], ["operations"]):
        harmless(run, *words)
        if words[0] != "top":
            harmless(run, *words, "--json")
    harmless(run, "operations", "op-7")
    named = snapshot()
    named["pools"][0] = hostile(named["pools"][0], dice, ("name",))
    api.on("GET /v1/snapshot", answer(named))
    harmless(run, "rollout", "status", "web")
    harmless(run, "rollout", "status", dice.draw(ANYTHING).replace("\0", "") or "x")


@EACH
@given(dice=st.data(), words=st.sampled_from(CHANGES), phase=st.sampled_from(["done", "failed", "aborted"]))
def test_what_is_changed(api: FakeApi, run: Run, dice: st.DataObject, words: list[str], phase: str) -> None:
    """The plan, the operation to its end, and what a refusal says."""
    assert phase in {str(one) for one in OperationPhase}
    for route in CHANGED:
        api.on(route, answer({"steps": hostile(["web.3: start"], dice)}))
    harmless(run, *words, "--dry-run")
    for route in CHANGED:
        api.on(route, answer(hostile(operation(phase, steps=STEPS), dice, ("phase",)), 202))
    harmless(run, *words)
    harmless(run, *words, "--json")
    for route in CHANGED:
        api.on(route, answer(hostile(PROBLEM, dice), 409))
    harmless(run, *words)


@EACH
@given(lines=st.lists(st.binary(max_size=200), max_size=5))
def test_lines_of_a_log(api: FakeApi, run: Run, lines: list[bytes]) -> None:
    api.on("GET /v1/pools/web/log", Reply(200, b"\n".join(lines)))
    harmless(run, "logs", "web")


@EACH
@given(name=ANYTHING)
def test_names_that_an_operator_pasted(api: FakeApi, run: Run, name: str) -> None:
    """Whatever a verb says of its own arguments."""
    name = name.replace("\0", "").encode("utf-8", "replace").decode()
    for words in (["logs", name], ["restart", name], ["drain", name], ["scale", name], [name]):
        try:
            harmless(run, *words)
        except SystemExit as end:
            pytest.fail(f"{words}: {end}")
