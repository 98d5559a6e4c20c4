"""A backend that an operator keeps out of rotation stays out, whoever fills its slot, until `ready`."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.model.operations import OperationPhase
from supervisor.model.phases import Phase, Rotation
from supervisor.model.pools import RolloutPhase
from supervisor.model.requests import Restart, Rotate
from supervisor.model.workers import Worker
from tests.engine.test_transcripts import SPEC, begun, ended
from tests.engine.world import World


def kept_out(folder: Path, rotation: Rotation, surge: int = 1) -> World:
    rollout = replace(SPEC.rollout, surge=surge, unavailable=1 - surge)
    world = begun(folder, replace(SPEC, rollout=rollout))
    asked = world.ask(Rotate(target="web.1", rotation=rotation))
    world.run(ended(world, asked))
    assert world.serving() == 2
    return world


def worker(world: World) -> Worker:
    (only,) = [w for w in world.ledger.workers_of("web") if w.slot == 1]
    return only


def rotation_of(world: World) -> Rotation:
    return world.backends[worker(world).address or ""].rotation


def settle(world: World, before: Worker) -> None:
    def new_one_is_ready() -> bool:
        left = [w for w in world.ledger.workers_of("web") if w.slot == 1]
        return len(left) == 1 and left[0].serial != before.serial and left[0].phase is Phase.READY

    world.run(new_one_is_ready)
    for _ in range(20):
        world.tick()
        assert world.serving() == 2, "it must never get a request"


@pytest.mark.parametrize("rotation", [Rotation.DRAIN, Rotation.MAINT])
def test_over_a_crash(tmp_path: Path, rotation: Rotation) -> None:
    world = kept_out(tmp_path, rotation)
    before = worker(world)
    world.kill(1)
    settle(world, before)
    assert rotation_of(world) is rotation
    assert "rotation-kept" in [event.kind for event in world.desk.feed.events]


@pytest.mark.parametrize(("target", "surge"), [("web.1", 1), ("web.1", 0), ("web", 1)])
def test_over_a_restart(tmp_path: Path, target: str, surge: int) -> None:
    world = kept_out(tmp_path, Rotation.MAINT, surge)
    operation = world.ask(Restart(target=target))
    world.run(ended(world, operation))
    assert world.ledger.operations[operation.id].phase is OperationPhase.DONE
    assert rotation_of(world) is Rotation.MAINT
    assert world.serving() == 2


def test_without_surge_a_rollout_waits_for_it_rather_than_serve_with_fewer_still(tmp_path: Path) -> None:
    world = kept_out(tmp_path, Rotation.MAINT, surge=0)
    operation = world.ask(Restart(target="web"))
    world.run(lambda: world.ledger.waits.get("web.0") == "1 more to serve")
    world.ask(Rotate(target="web.1", rotation=Rotation.READY))
    world.run(ended(world, operation))
    assert world.ledger.operations[operation.id].phase is OperationPhase.DONE


def test_until_the_operator_says_ready(tmp_path: Path) -> None:
    world = kept_out(tmp_path, Rotation.MAINT)
    before = worker(world)
    world.kill(1)
    settle(world, before)
    world.run(ended(world, world.ask(Rotate(target="web.1", rotation=Rotation.READY))))
    world.kill(1)
    world.run(lambda: world.serving() == 3)
    assert rotation_of(world) is Rotation.READY


def test_a_canary_that_an_operator_puts_back_is_not_taken_for_one_that_never_came_up(tmp_path: Path) -> None:
    world = begun(tmp_path, replace(SPEC, rollout=replace(SPEC.rollout, canary=1)))
    world.ask(Restart(target="web"))
    world.run(lambda: phase_of(world) is RolloutPhase.HOLDING)
    for rotation in (Rotation.DRAIN, Rotation.MAINT):
        world.run(ended(world, world.ask(Rotate(target="web.0", rotation=rotation))))
        world.now += 2 * SPEC.ready.timeout
        world.tick()
        world.run(ended(world, world.ask(Rotate(target="web.0", rotation=Rotation.READY))))
        world.run(lambda: world.serving() == 3)
        assert phase_of(world) is RolloutPhase.HOLDING, world.ledger.pools["web"].rollout


def phase_of(world: World) -> RolloutPhase | None:
    rollout = world.ledger.pools["web"].rollout
    return rollout.phase if rollout else None
