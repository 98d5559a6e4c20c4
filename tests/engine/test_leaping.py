"""Clocks that leap while something is under way: a laptop's sleep, a clock that is set, a paused machine."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.model.phases import Phase
from supervisor.model.requests import AnyRequest, Restart, Scale, Stop
from tests.engine.test_transcripts import SPEC
from tests.engine.world import World

REQUESTS = (Restart(target="web"), Restart(target="web.1"), Scale(pool="web", desired=5), Stop(target="web.0"))
IN_THE_MIDST = range(1, 14, 3)
"""Ticks after the request: workers start, drain, stop."""


def begun(folder: Path, request: AnyRequest | None, ticks: int) -> World:
    """So many ticks after a request; None: in a crash loop."""
    folder.mkdir()
    world = World(folder, SPEC)
    world.run(lambda: world.serving() == 3)
    if request is None:
        world.behaves = lambda worker: "crash" if worker.slot == 0 else "well"
        world.kill(0)
    else:
        world.ask(request)
    for _ in range(ticks):
        world.tick()
    return world


def rests(world: World) -> bool:
    return all(not operation.running for operation in world.ledger.operations.values()) and all(
        worker.phase is Phase.READY for worker in world.ledger.workers.values()
    )


@pytest.mark.parametrize("ticks", IN_THE_MIDST)
@pytest.mark.parametrize("request_", [*REQUESTS, None])
@pytest.mark.parametrize("hours", [8, -8])
def test_a_sleep_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: AnyRequest | None, ticks: int, hours: int
) -> None:
    """While a machine is suspended CLOCK_MONOTONIC stands still (clock_gettime(2)); wall time leaps."""
    monkeypatch.setattr("random.random", lambda: 0.5)
    clock = time.time

    def story(folder: Path, slept: float) -> list[str]:
        world = begun(folder, request_, ticks)
        monkeypatch.setattr("time.time", lambda: clock() + slept)
        world.slept = slept
        return world.run(lambda: world.now > 1015)

    expected = story(tmp_path / "awake", 0.0)
    assert story(tmp_path / "asleep", 3600.0 * hours) == expected


@pytest.mark.parametrize("ticks", IN_THE_MIDST)
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_machine_that_was_paused_ends_where_it_was_to(tmp_path: Path, request_: AnyRequest, ticks: int) -> None:
    """All clocks go on while nobody runs, engine and workers alike: every deadline has passed before any news.

    What was under way may have to be done again, and a rollout may be given up; no request is cut, no slot is given
    up, and who had nothing to do with it is the same.
    """
    world = begun(tmp_path / "paused", request_, ticks)
    ready = {w.serial for w in world.ledger.workers.values() if w.phase is Phase.READY and not w.condemned}
    live, answers = world.let_live, world.let_proxy_answer
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    world.let_live = world.let_proxy_answer = nothing  # type: ignore[method-assign]
    world.now += 3600.0
    world.tick()
    world.let_live, world.let_proxy_answer = live, answers  # type: ignore[method-assign]
    world.run(lambda: rests(world) and world.serving() == len(world.ledger.workers))
    assert world.cut == []
    assert not any(slot.failed for slot in world.ledger.slots["web"].values())
    assert world.serving() == {Scale: 5, Stop: 2}.get(type(request_), 3)
    if isinstance(request_, Scale):
        assert ready <= world.ledger.workers.keys()
