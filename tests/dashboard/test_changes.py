"""What each changing verb asks of the API, and how it ends."""

import threading
import time

import pytest

from dashboard.answers import NoAnswer, TooLate
from dashboard.pipe import Pipe
from tests.dashboard.conftest import Run
from tests.dashboard.fake_api import Asked, FakeApi, Reply, as_json, operation, refused

pytestmark = pytest.mark.real

DONE = operation("done", progress="4 workers serve")

REQUESTS = [
    ("scale web=4", "PATCH", "/v1/pools/web", {"desired": 4}),
    ("scale web=+2", "PATCH", "/v1/pools/web", {"change": 2}),
    ("scale web=-1", "PATCH", "/v1/pools/web", {"change": -1}),
    ("restart web", "POST", "/v1/pools/web/rollouts", {}),
    ("restart web.0", "POST", "/v1/workers/web.0/restart", {}),
    ("stop web", "PATCH", "/v1/pools/web", {"stopped": True}),
    ("stop web.1", "PATCH", "/v1/workers/web.1", {"stopped": True}),
    ("start web", "PATCH", "/v1/pools/web", {"stopped": False}),
    ("rollout pause web", "PATCH", "/v1/pools/web/rollouts", {"action": "pause"}),
    ("rollout undo web", "PATCH", "/v1/pools/web/rollouts", {"action": "undo"}),
    ("drain web.0", "PATCH", "/v1/workers/web.0", {"rotation": "drain"}),
    ("maint lb/web/web.0", "PATCH", "/v1/backends/lb/web/web.0", {"rotation": "maint"}),
    ("ready lb/web/a/b?c", "PATCH", "/v1/backends/lb/web/a%2Fb%3Fc", {"rotation": "ready"}),
    ("reload", "POST", "/v1/reload", {}),
]


@pytest.mark.parametrize(("typed", "method", "path", "body"), REQUESTS)
def test_a_verb_asks_for_what_it_says(
    api: FakeApi, run: Run, typed: str, method: str, path: str, body: dict[str, object]
) -> None:
    api.on(f"{method} {path}", as_json(DONE, 202))
    ran = run(*typed.split())
    assert ran.code == 0, ran
    assert [(one.method, one.path, one.body) for one in api.changes()] == [(method, path, body)]
    assert ran.out == "scale web=4: 4 workers serve\n"


def test_a_change_is_followed_to_its_end_with_each_step_told_once(api: FakeApi, run: Run) -> None:
    first = ["2026-01-02T03:04:05Z", "web.3: starting"]
    second = ["2026-01-02T03:04:06Z", "web.3: serves"]
    api.on("PATCH /v1/pools/web", as_json(operation(), 202))
    api.on(
        "GET /v1/operations/op-7",
        as_json(operation(steps=[first])),
        as_json(operation(steps=[first, second])),
        as_json(operation("done", steps=[first, second], progress="4 workers serve")),
    )
    ran = run("scale", "web=4")
    assert ran.code == 0
    assert ran.out == "scale web=4: 4 workers serve\n"
    assert [line.partition(" ")[2] for line in ran.err.splitlines()] == ["web.3: starting", "web.3: serves"]


def test_an_engine_that_dies_meanwhile_is_asked_again(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/pools/web", as_json(operation(), 202))
    gone = Reply(200, b"", cut=True)
    api.on("GET /v1/operations/op-7", gone, gone, gone, as_json(DONE))
    assert run("scale", "web=4").code == 0


def test_a_failed_operation_is_exit_1_with_the_reason(api: FakeApi, run: Run) -> None:
    failed = operation("aborted", progress="0 of 4 replaced", why="web.0 did not get ready: exit code 1")
    api.on("POST /v1/pools/web/rollouts", as_json(failed, 202))
    ran = run("restart", "web")
    assert ran.code == 1
    assert "aborted: web.0 did not get ready: exit code 1" in ran.out


def test_time_running_out_is_exit_6_and_says_how_to_go_on(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/pools/web", as_json(operation(), 202))
    api.on("GET /v1/operations/op-7", as_json(operation()))
    ran = run("scale", "web=4", "--timeout", "50ms")
    assert ran.code == 6
    assert "still going: op-7 (scale web=4): 1 of 4 workers serve" in ran.out
    assert "clusterctl operations op-7" in ran.err


def test_an_engine_that_hangs_meanwhile_does_not_outlast_the_timeout(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/pools/web", as_json(operation(), 202))
    told = threading.Event()

    def hang(_: Asked) -> Reply:
        told.wait(20)
        return as_json(operation())

    api.on("GET /v1/operations/op-7", hang)
    began = time.monotonic()
    assert run("scale", "web=4", "--timeout", "300ms").code == 6
    assert time.monotonic() - began < 5
    told.set()


def test_one_that_does_not_answer_in_time_is_not_asked_again(api: FakeApi) -> None:
    """That would take as long once more; it is said what replaces it."""
    told = threading.Event()

    def hang(_: Asked) -> Reply:
        told.wait(20)
        return as_json({})

    api.on("GET /v1/snapshot", hang)
    with pytest.raises(NoAnswer, match=r"did not answer within 0\.2 s; its keeper replaces one that hangs"):
        Pipe(api.socket, 0.2).get("/v1/snapshot")
    told.set()
    assert len(api.asked) == 1


@pytest.mark.parametrize(("path", "told"), [("/v1/reload", True), ("/v1/reload?dry_run=1", False)])
def test_a_change_without_an_answer_may_still_be_done_and_a_plan_changes_nothing(
    api: FakeApi, path: str, told: bool
) -> None:
    answered = threading.Event()

    def hang(_: Asked) -> Reply:
        answered.wait(20)
        return as_json({})

    api.on("POST /v1/reload", hang)
    with pytest.raises(TooLate) as lost:
        Pipe(api.socket, 0.2).send("POST", path)
    answered.set()
    assert ("what was asked for may still be done" in str(lost.value)) is told


@pytest.mark.parametrize("number", ["10001", "+99999999999", "-10001"])
def test_a_number_out_of_bounds_is_refused_in_plain_words(api: FakeApi, run: Run, number: str) -> None:
    ran = run("scale", f"web={number}")
    assert (ran.code, "a pool has 0 to 10000 workers" in ran.err, api.asked) == (2, True, [])


def test_no_wait_returns_at_once_with_the_operation(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/pools/web", as_json(operation(), 202))
    ran = run("scale", "web=4", "--no-wait")
    assert (ran.code, ran.out) == (0, "op-7: scale web=4: 1 of 4 workers serve\n")
    assert len(api.asked) == 1


def test_json_prints_the_operation_as_it_ended(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/pools/web", as_json(operation(), 202))
    api.on("GET /v1/operations/op-7", as_json(DONE))
    ran = run("scale", "web=4", "--json")
    assert '"phase": "done"' in ran.out
    assert ran.out.count("\n") == 1


def test_a_dry_run_prints_the_steps_and_changes_nothing(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/pools/web", as_json({"steps": ["start web.3", "add web.3 to lb/web"]}))
    ran = run("scale", "web=4", "--dry-run")
    assert (ran.code, ran.out) == (0, "start web.3\nadd web.3 to lb/web\n")
    assert api.asked[0].path.endswith("?dry_run=1")


@pytest.mark.parametrize(("status", "code"), [(404, 4), (409, 5), (422, 2), (403, 5), (500, 1)])
def test_a_refusal_has_the_contracts_exit_code(api: FakeApi, run: Run, status: int, code: int) -> None:
    api.on("PATCH /v1/pools/web", refused(status, "conflict", "web is held by op-3 (restart web)"))
    ran = run("scale", "web=4")
    assert ran.code == code
    assert ran.err == "clusterctl: web is held by op-3 (restart web)\n"
    assert ran.out == ""


def test_yes_is_sent_and_nothing_is_asked_without_a_terminal(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/workers/web.0", refused(409, "needs_yes", "web.0 is the last ready backend of lb/web"))
    assert run("drain", "web.0").code == 5
    api.on("PATCH /v1/workers/web.0", as_json(DONE, 202))
    assert run("drain", "web.0", "--yes").code == 0
    assert api.changes()[-1].body == {"rotation": "drain", "yes": True}


@pytest.mark.parametrize(
    "typed",
    ["scale web", "scale =3", "scale web=x", "scale web=+-1", "drain web", "drain lb/web", "rollout jump web",
     "scale web=4 --timeout soon", "scale", "restart --frob web"],
)  # fmt: skip
def test_wrong_usage_is_exit_2_and_asks_nothing(api: FakeApi, run: Run, typed: str) -> None:
    ran = run(*typed.split())
    assert ran.code == 2
    assert ran.err.startswith("clusterctl: ")
    assert api.asked == []


def test_what_the_engine_says_reaches_no_terminal_raw(api: FakeApi, run: Run) -> None:
    api.on("PATCH /v1/pools/web", as_json(operation("failed", why="\x1b]0;x\x07 \u202eboo\nnew"), 202))
    ran = run("scale", "web=4")
    assert "\x1b" not in ran.out + ran.err
    assert ran.out.count("\n") == 1


def test_a_configuration_that_is_refused_has_a_line_for_each_problem(api: FakeApi, run: Run) -> None:
    api.on("POST /v1/reload", refused(422, "bad_config", "shop.toml: one\nshop.toml: two"))
    ran = run("reload")
    assert (ran.code, ran.err) == (2, "clusterctl: shop.toml: one\nclusterctl: shop.toml: two\n")
