"""A configuration that comes while another is rolled out: at `up` it takes its place, and nothing gets stuck."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine import reloading
from supervisor.engine.planning import plan
from supervisor.engine.refusing import held
from supervisor.model.errors import Conflict
from supervisor.model.operations import OperationPhase
from supervisor.model.requests import Restart, Steer
from supervisor.model.spec import PoolSpec, RolloutSpec
from tests.engine.test_transcripts import SPEC, begun
from tests.engine.world import World


def configured(world: World, spec: PoolSpec) -> list[str]:
    cluster = replace(world.ledger.spec, pools=(spec,))
    return reloading.apply(world.ledger, cluster, "op-9", world.now, world.now)


def rolls_to(world: World) -> int | None:
    rollout = world.ledger.pools["web"].rollout
    return rollout.to_generation if rollout else None


def test_the_same_configuration_again_begins_nothing(tmp_path: Path) -> None:
    """Every `up` reads the file: what it asks for is being rolled out already."""
    world = begun(tmp_path)
    new = replace(SPEC, env={"VERSION": "2"})
    assert configured(world, new) == ["roll web out to generation 2: env (VERSION) changed"]
    world.run(lambda: "2R" in world.line())
    assert configured(world, new) == []
    world.run(lambda: rolls_to(world) is None)
    assert world.ledger.pools["web"].complete == 2


def test_a_rehearsal_names_the_variables_that_change_and_the_steps_and_no_value(tmp_path: Path) -> None:
    world = begun(tmp_path)
    new = replace(SPEC, env={"TOKEN": "hidden-value", "VERSION": "2"})
    steps = reloading.rehearsed(world.ledger, replace(world.ledger.spec, pools=(new,)))
    assert steps[0] == "roll web out to generation 2: env (TOKEN, VERSION) changed"
    assert any(step.startswith("start a new web.0") for step in steps)
    assert "hidden" not in str(steps)
    wider = replace(world.ledger.spec, pools=(replace(SPEC, workers=4),))
    assert any(step.startswith("start web.3") for step in reloading.rehearsed(world.ledger, wider))
    assert world.ledger.pools["web"].generation == 1


def test_the_plan_of_an_undo_holds_at_no_canary_and_that_of_a_restart_does(tmp_path: Path) -> None:
    world = begun(tmp_path, replace(SPEC, rollout=RolloutSpec(canary=1, watch=0.3)))
    ledger = world.ledger
    ledger.pools["web"] = replace(ledger.pools["web"], previous=1)
    assert any("hold after 1" in step for step in plan(ledger, Restart(target="web")))
    assert not any("hold after" in step for step in plan(ledger, Steer(pool="web", action="undo")))


@pytest.mark.parametrize("moment", ["1R+2s", "1R+2R", "2R+1d", "2R"])
def test_another_configuration_takes_its_place(tmp_path: Path, moment: str) -> None:
    """Two outdated workers may be in one slot then: one of them makes room for the third."""
    world = begun(tmp_path)
    configured(world, replace(SPEC, env={"VERSION": "2"}))
    world.run(lambda: any(part in world.line() for part in (moment, "+".join(reversed(moment.split("+"))))))
    configured(world, replace(SPEC, env={"VERSION": "3"}))
    assert rolls_to(world) == 3
    while rolls_to(world) is not None:
        world.tick()
        assert world.serving() >= 3, world.line()
        assert world.now < 1100, world.line()
    assert world.ledger.pools["web"].complete == 3
    assert {w.generation for w in world.ledger.workers.values()} == {3}


def test_a_reload_of_a_pool_that_rolls_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Only a new `up` may take a rollout's place: an operator's reload is told who holds the pool."""
    world = begun(tmp_path)
    operation = world.ask(Restart(target="web"))
    world.run(lambda: "2s" in world.line())
    cluster = replace(world.ledger.spec, pools=(replace(SPEC, env={"VERSION": "3"}),))
    with pytest.raises(Conflict, match=operation.id):
        reloading.check_reload(world.ledger, cluster)
    with pytest.raises(Conflict, match="held by"):
        held(world.ledger, world.ledger.pools["web"])
    world.run(lambda: not world.ledger.operations[operation.id].running)
    assert world.ledger.operations[operation.id].phase is OperationPhase.DONE
