"""The short form of `python -m tests.whole.rollouts`: restarts and operations under load lose nothing."""

import pytest

from tests.load.tally import Result
from tests.whole.balancer import VERSIONS
from tests.whole.cluster import Cluster
from tests.whole.rolling import Stage, load_plan, random_operations, rolling_restarts, staged

pytestmark = pytest.mark.real

STAGES = [
    *(Stage(version, surge) for version, surge in zip(VERSIONS, (1, 0), strict=False)),
    Stage("embedded", 1),
    Stage("embedded", 0, cookie=True),
    Stage("2.8", 1, cookie=True),
    Stage("embedded", 1, shared="python"),
]


def lost_nothing(result: Result, made: Cluster) -> None:
    assert result.requests > 300, "there was load"
    assert result.failed == 0, f"{result.summary()}\n{made.story()}"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_rolling_restart_behind_a_proxy_loses_nothing(stage: Stage) -> None:
    with staged(stage) as made:
        result, windows = rolling_restarts(made, load_plan(made, stage), restarts=1, steady=1.0)
        lost_nothing(result, made)
        assert windows.rolling
        assert made.pool()["generation"] == 2


@pytest.mark.parametrize("program", ["python", "node"])
def test_a_rolling_restart_on_a_shared_socket_loses_nothing(program: str) -> None:
    stage = Stage("none", 1, shared=program, workers=2)
    with staged(stage) as made:
        result, _ = rolling_restarts(made, load_plan(made, stage), restarts=2, steady=0.5)
        lost_nothing(result, made)


def test_uvicorn_by_itself_resets_at_most_what_it_has_just_taken() -> None:
    """About 1 of 100 of its ends meets a connection between `accept` and the first reading."""
    stage = Stage("none", 1, shared="uvicorn", workers=2)
    with staged(stage) as made:
        result, _ = rolling_restarts(made, load_plan(made, stage), restarts=2, steady=0.5)
        ours = [one for one in result.failures if one.cause != "reset" or "after nothing" not in one.detail]
        assert not ours, f"{result.summary()}\n{made.story()}"
        assert result.requests > 300
        assert result.failed <= 2, f"{result.summary()}\n{made.story()}"


@pytest.mark.parametrize(("program", "env"), [("python", ', END = "lame-duck"'), ("uvicorn_server", "")])
def test_on_a_shared_socket_workers_that_end_as_lame_ducks_lose_no_keep_alive_request(
    program: str, env: str
) -> None:
    """They answer on idle connections for a while more, with `Connection: close`."""
    stage = Stage("none", 1, shared=program, workers=2, env=env)
    with staged(stage) as made:
        plan = load_plan(made, stage, manners=("careful", "careless", "single"))
        result, _ = rolling_restarts(made, plan, restarts=2, steady=0.5)
        lost_nothing(result, made)


@pytest.mark.parametrize(("stage", "seed"), [(Stage("embedded", 1, workers=3), 1), (Stage(VERSIONS[-1], 0), 2)])
def test_random_operations_lose_nothing(stage: Stage, seed: int) -> None:
    with staged(stage) as made:
        result, done = random_operations(made, load_plan(made, stage), count=5, seed=seed)
        assert len(done) == 5
        lost_nothing(result, made)
