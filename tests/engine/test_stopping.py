"""Stopping at every moment: while starting, backing off, rolling out; twice, by two at once; clocks that jump."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine.seeing import converged
from supervisor.model.errors import Conflict
from supervisor.model.facts import ConvergeFailed
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.phases import Rotation
from supervisor.model.requests import Restart, Rotate, Scale, Shutdown, Start, Stop
from tests.engine.test_transcripts import SPEC, begun, ended
from tests.engine.world import World

JOBS = replace(SPEC, traffic=None, workers=2)


def done(world: World, operation: Operation) -> None:
    world.run(ended(world, operation))
    end = world.ledger.operations[operation.id]
    assert end.phase is OperationPhase.DONE, end


def test_stop_while_starting(tmp_path: Path) -> None:
    """A worker that hangs on its way up is stopped like any other, and stays down."""
    world = World(tmp_path, JOBS, lambda worker: "hang")
    world.tick()
    done(world, world.ask(Stop(target="web")))
    assert world.ledger.workers == {}
    world.run(lambda: world.now > 1010)
    assert world.ledger.workers == {}


def test_stop_while_backing_off(tmp_path: Path) -> None:
    """The wait for the next try ends with it; `start` begins with a clean slate."""
    world = World(tmp_path, replace(JOBS, workers=1), lambda worker: "crash")
    world.run(lambda: bool(world.ledger.slots.get("web")) and world.ledger.slots["web"][0].retry_at is not None)
    done(world, world.ask(Stop(target="web.0")))
    births = world.ledger.counters.serial
    world.run(lambda: world.now > 1010)
    assert world.ledger.counters.serial == births
    world.behaves = lambda worker: "well"
    done(world, world.ask(Start(target="web.0")))
    assert world.ledger.slots["web"][0].deaths == ()


def test_stop_during_a_rollout_is_refused_and_works_after_it(tmp_path: Path) -> None:
    world = begun(tmp_path)
    rollout = world.ask(Restart(target="web"))
    world.run(lambda: "2" in world.line())
    with pytest.raises(Conflict, match=rollout.id):
        world.ask(Stop(target="web"))
    done(world, rollout)
    done(world, world.ask(Stop(target="web")))


def test_stop_twice_and_start_twice(tmp_path: Path) -> None:
    """Asking for what already is succeeds and says so."""
    world = begun(tmp_path, JOBS)
    for target in ("web.0", "web"):
        for request in (Stop(target=target), Start(target=target)):
            first = world.ask(request)
            assert "already" not in first.progress
            done(world, first)
            again = world.ask(request)
            assert (again.phase, again.progress.endswith(" already")) == (OperationPhase.DONE, True), again
    assert world.ledger.counters.serial == 5, "one started again alone, then both"


def test_a_rotation_asked_for_twice_says_so(tmp_path: Path) -> None:
    world = begun(tmp_path)
    for rotation in (Rotation.DRAIN, Rotation.MAINT, Rotation.READY):
        first = world.ask(Rotate(target="web.0", rotation=rotation))
        assert first.running
        done(world, first)
        again = world.ask(Rotate(target="web.0", rotation=rotation))
        assert again.phase is OperationPhase.DONE
        assert "already" in again.progress


def test_a_rotation_is_done_when_a_reading_that_came_after_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ready` on the heels of a drain: what was read before either of them says `ready`, and proves nothing."""
    world = begun(tmp_path)
    world.ask(Rotate(target="web.0", rotation=Rotation.DRAIN))
    with monkeypatch.context() as between_two_readings:
        between_two_readings.setattr(world, "let_proxy_answer", lambda: None)
        world.tick()
        back = world.ask(Rotate(target="web.0", rotation=Rotation.READY))
        world.tick()
        assert world.ledger.operations[back.id].running
    done(world, back)


def test_what_leaves_is_a_step_of_going_down(tmp_path: Path) -> None:
    world = begun(tmp_path, JOBS)
    down = Operation(
        id="op-9", request=Shutdown(), verb="down", target="cluster", pool=None, asked=world.now, asked_wall=0.0
    )
    world.desk.begin(down)
    world.ledger.stopping = True
    world.tick()
    going = world.ledger.operations[down.id]
    assert [step.text.partition(":")[0] for step in going.steps] == ["web.0", "web.1"]
    assert going.progress == "2 still leaving: web.0, web.1"


def test_an_embedded_proxy_that_goes_down_with_its_cluster_is_no_trouble(tmp_path: Path) -> None:
    world = begun(tmp_path)
    state = world.ledger.proxies["lb"]
    state.spec = replace(state.spec, socket=None, bind="127.0.0.1:1")

    def refused(why: str) -> int:
        fact = ConvergeFailed(proxy="lb", upstream="web", owner="web", why=why)
        converged(world.desk, fact, world.now)
        return sum(event.kind == "rotation-refused" for event in world.desk.feed.events)

    assert refused("one") == 1
    world.ledger.stopping = True
    assert refused("nobody listens") == 1
    state.spec = replace(state.spec, socket="memory", bind=None)
    assert refused("of one that is not ours") == 2


def test_two_clients_at_once(tmp_path: Path) -> None:
    """The last number wins, who asked for the other is told so, and nobody is started who is not wanted."""
    world = begun(tmp_path, JOBS)
    first, second = world.ask(Scale(pool="web", desired=6)), world.ask(Scale(pool="web", desired=3))
    world.run(lambda: not any(o.running for o in world.ledger.operations.values()))
    assert len(world.ledger.workers) == 3
    assert world.ledger.counters.serial == 3, "what was never wanted at a turn was never started"
    ends = [world.ledger.operations[o.id] for o in (first, second)]
    assert [o.phase for o in ends] == [OperationPhase.FAILED, OperationPhase.DONE]
    assert ends[0].why == "web is to have 3 workers by now: a later request, or the configuration"


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_jumps_changes_nothing(step: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall time is for people: the same crash loop, tick by tick, though the clock is set in the middle of it."""
    monkeypatch.setattr("random.random", lambda: 0.5)

    def story(folder: Path, jump: Callable[[], None]) -> list[str]:
        folder.mkdir()
        world = World(folder, JOBS, lambda worker: "crash" if worker.slot == 0 else "well")
        lines = world.run(lambda: world.now > 1001)
        jump()
        return lines + world.run(lambda: bool(world.ledger.slots["web"][0].failed))

    clock = time.time
    expected = story(tmp_path / "steady", lambda: None)
    told = story(tmp_path / "jumping", lambda: monkeypatch.setattr("time.time", lambda: clock() + step))
    assert told == expected
