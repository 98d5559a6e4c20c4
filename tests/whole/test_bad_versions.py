"""A bad version cannot take the service down: the rollout aborts, exit 1, the old workers serve on."""

import time

import pytest

from tests.load.running import load
from tests.load.tally import Result
from tests.whole.cluster import Cluster
from tests.whole.rolling import Stage, load_plan, staged

pytestmark = pytest.mark.real

STAGE = Stage("embedded", 1, workers=3, watch="4s")
NONE_LOST = [
    ("exit", "exit code 3", 15.0),
    ("never-ready", "HTTP 503 in", 15.0),
    ("unhealthy-after=2", "503", 15.0),
    ("missing program", "no such program", 15.0),
]


def roll_out(made: Cluster, broken: str, stage: Stage, ready: str = "3s") -> tuple[Result, int, str, float]:
    """A new version under load: what the clients saw, the verb's exit code and words, and its seconds."""
    text = made.config.read_text().replace('timeout = "20s", every', f'timeout = "{ready}", every')
    if broken == "missing program":
        text = text.replace("server.py", "no-such-server").replace(
            text.split('command = ["')[1].split('"')[0], "/no/python"
        )
    else:
        text = text.replace('VERSION = "1"', f'VERSION = "2", BREAK = "{broken}"')
    text = text.replace(
        "[pools.web.traffic]",
        '[pools.web.alive]\nhttp = "/healthz"\nevery = "0.5s"\nfailures = 2\n[pools.web.traffic]',
    )
    with load(load_plan(made, stage, rate=200.0)) as running:
        made.config.write_text(text)
        began = time.monotonic()
        ran = made.verb("reload", "--timeout", "60s", timeout=70)
        took = time.monotonic() - began
        made.until_pool(lambda p: p["ready"] == p["desired"] and p["rollout"] is None, "put back")
        return running.stop(), ran.code, ran.out + ran.err, took


def old_version_serves(made: Cluster, before: set[int]) -> None:
    pool = made.pool()
    assert pool["ready"] == 3
    assert {row["pid"] for row in pool["workers"]} == before, "the very same workers"


@pytest.mark.parametrize(("broken", "said", "limit"), NONE_LOST, ids=[kind for kind, _, _ in NONE_LOST])
def test_a_version_that_does_not_work_is_taken_back(broken: str, said: str, limit: float) -> None:
    with staged(STAGE) as made:
        before = {row["pid"] for row in made.workers()}
        result, code, words, took = roll_out(made, broken, STAGE)
        assert code == 1, words
        assert said in words
        assert took < limit
        assert broken != "never-ready" or "; its last lines: serving as 2 pid=" in words, words
        assert result.failed == 0, f"{result.summary()}\n{made.story()}"
        old_version_serves(made, before)


@pytest.mark.parametrize("broken", ["exit", "never-ready"])
def test_without_surge_the_old_version_is_started_again(broken: str) -> None:
    stage = Stage("2.8", 0, workers=3)
    with staged(stage) as made:
        result, code, words, _ = roll_out(made, broken, stage)
        assert code == 1, words
        assert result.failed == 0, f"{result.summary()}\n{made.story()}"
        assert {row["generation"] for row in made.workers()} == {1}


def test_a_version_whose_every_page_is_an_error_is_taken_back_before_a_client_sees_one() -> None:
    with staged(STAGE) as made:
        before = {row["pid"] for row in made.workers()}
        result, code, words, took = roll_out(made, "errors500", STAGE)
        assert code == 1, words
        assert "GET /: HTTP 500" in words
        assert took < 15
        assert result.failed == 0, f"{result.summary()}\n{made.story()}"
        old_version_serves(made, before)


def test_on_a_shared_socket_a_version_whose_every_page_is_an_error_is_taken_back_soon() -> None:
    """It accepts from its first moment, and nobody can keep requests from it."""
    stage = Stage("none", 1, shared="python", workers=3, watch="1s")
    with staged(stage) as made:
        before = {row["pid"] for row in made.workers()}
        # Which of four workers accepts is chance: it may take a while until the probe meets the new one.
        result, code, words, took = roll_out(made, "errors500", stage, ready="20s")
        assert code == 1, words
        assert "GET /: HTTP 500" in words
        assert took < 20
        assert set(result.causes) <= {"status 500"}, f"{result.summary()}\n{made.story()}"
        old_version_serves(made, before)


def test_a_version_of_which_some_pages_are_errors_is_taken_back_after_a_few() -> None:
    """What it has answered cannot be unsaid: the errors are its own, and few."""
    with staged(STAGE) as made:
        before = {row["pid"] for row in made.workers()}
        result, code, words, _ = roll_out(made, "some500", STAGE)
        assert code == 1, words
        assert "were errors" in words
        assert set(result.causes) <= {"status 500"}, result.summary()
        assert result.failed <= 25, f"{result.summary()}\n{made.story()}"
        old_version_serves(made, before)


def test_a_version_that_is_slow_is_taken_back() -> None:
    with staged(STAGE) as made:
        before = {row["pid"] for row in made.workers()}
        result, code, words, _ = roll_out(made, "slow", STAGE)
        assert code == 1, words
        assert result.failed == 0, f"{result.summary()}\n{made.story()}"
        old_version_serves(made, before)


def test_on_a_shared_socket_a_version_that_exits_is_taken_back() -> None:
    stage = Stage("none", 1, shared="python", workers=3)
    with staged(stage) as made:
        before = {row["pid"] for row in made.workers()}
        result, code, words, _ = roll_out(made, "exit", stage)
        assert code == 1, words
        assert result.failed == 0, result.summary()
        old_version_serves(made, before)
