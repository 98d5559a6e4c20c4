"""Every wait has an end: an operation ends by itself or by a second request, and nothing holds a pool for ever."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine.asking import begin_rollout
from supervisor.engine.intake import measure
from supervisor.model.errors import Conflict, NeedsYes, Unknown
from supervisor.model.facts import Measured
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.phases import Phase, Rotation
from supervisor.model.readings import Sample
from supervisor.model.requests import Restart, Rotate, Scale, Start, Steer, Stop
from supervisor.model.spec import LimitsSpec, ReadySpec, RestartSpec, RolloutSpec
from tests.engine.test_transcripts import SPEC, begun, ended
from tests.engine.world import World

NO_SURGE = replace(SPEC, rollout=RolloutSpec(surge=0, unavailable=1, watch=0.3))
JOBS = replace(
    SPEC,
    traffic=None,
    ports=None,
    ready=ReadySpec(),
    restart=RestartSpec(policy="on-failure", backoff=0.2, give_up=3),
)


def outcome(world: World, operation: Operation) -> tuple[OperationPhase, str | None]:
    end = world.ledger.operations[operation.id]
    return end.phase, end.why


def roll_once(world: World) -> None:
    operation = world.ask(Restart(target="web"))
    world.run(ended(world, operation))


def test_undo_of_a_stopped_pool_is_refused(tmp_path: Path) -> None:
    world = begun(tmp_path)
    roll_once(world)
    world.run(ended(world, world.ask(Stop(target="web"))))
    with pytest.raises(Conflict, match="stopped"):
        world.ask(Steer(pool="web", action="undo"))


def test_an_abort_ends_though_an_operator_keeps_an_old_worker_out_of_rotation(tmp_path: Path) -> None:
    world = begun(tmp_path)
    world.run(ended(world, world.ask(Rotate(target="web.2", rotation=Rotation.DRAIN))))
    operation = world.ask(Restart(target="web"))
    world.run(lambda: "2R" in world.line())
    world.ask(Steer(pool="web", action="abort"))
    world.run(ended(world, operation), 300)
    assert world.ledger.pools["web"].rollout is None


def test_a_scaling_ends_though_an_operator_keeps_a_worker_out_of_rotation(tmp_path: Path) -> None:
    world = begun(tmp_path)
    world.run(ended(world, world.ask(Rotate(target="web.2", rotation=Rotation.DRAIN))))
    world.run(ended(world, world.ask(Scale(pool="web", desired=4))), 300)


def test_a_rollout_of_jobs_that_end_well_is_done(tmp_path: Path) -> None:
    world = World(tmp_path, JOBS)
    world.run(lambda: world.serving() == 3)
    operation = world.ask(Restart(target="web"))
    for _ in range(300):
        world.tick()
        for worker in world.ledger.workers_of("web"):
            if worker.generation == 2 and worker.phase is Phase.READY and worker.serial not in world.ending:
                world.exit(worker, 0, None)
        if not world.ledger.operations[operation.id].running:
            break
    assert outcome(world, operation)[0] is OperationPhase.DONE
    assert {w.generation for w in world.ledger.workers.values()} <= {2}


def test_an_abort_ends_though_the_old_workers_end_for_good(tmp_path: Path) -> None:
    world = World(tmp_path, JOBS, lambda worker: "crash" if worker.generation == 2 else "well")
    world.run(lambda: world.serving() == 3)
    operation = world.ask(Restart(target="web"))
    for _ in range(300):
        world.tick()
        rollout = world.ledger.pools["web"].rollout
        if rollout is not None and rollout.phase == "aborting":
            for worker in world.ledger.workers_of("web"):
                if worker.generation == 1 and worker.phase is Phase.READY:
                    world.exit(worker, 0, None)
        if not world.ledger.operations[operation.id].running:
            break
    assert outcome(world, operation)[0] is OperationPhase.ABORTED


def test_where_nobody_served_before_an_abort_does_not_say_that_the_old_ones_serve(tmp_path: Path) -> None:
    world = World(tmp_path, SPEC, lambda worker: "crash")
    world.run(lambda: len(world.ledger.slots["web"][0].deaths) >= 1)
    operation = world.ask(Restart(target="web"))
    world.run(ended(world, operation), 300)
    end = world.ledger.operations[operation.id]
    assert end.phase is OperationPhase.ABORTED
    assert end.progress == "web is to have generation 1 again, of which no worker is ready either"


def test_without_surge_a_slot_that_was_given_up_does_not_stop_the_rollout_that_would_mend_it(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, NO_SURGE, lambda w: "crash" if w.slot == 2 and w.generation == 1 else "well")
    world.run(lambda: bool(world.ledger.slots["web"][2].failed) and world.serving() == 2)
    world.run(ended(world, world.ask(Restart(target="web"))), 300)
    assert {w.generation for w in world.ledger.workers.values()} == {2}
    assert world.serving() == 3


def test_without_surge_a_slot_given_up_in_the_middle_does_not_stop_the_rollout(tmp_path: Path) -> None:
    bad = False
    world = World(tmp_path, NO_SURGE, lambda w: "crash" if bad and w.slot == 2 and w.generation == 1 else "well")
    world.run(lambda: world.serving() == 3)
    operation = world.ask(Restart(target="web"))
    world.tick()
    bad = True
    world.run(ended(world, operation), 300)
    assert outcome(world, operation)[0] is OperationPhase.DONE


def test_a_slot_can_be_started_while_the_restart_of_another_waits_for_it(tmp_path: Path) -> None:
    bad = True
    world = World(tmp_path, NO_SURGE, lambda w: "crash" if bad and w.slot == 2 else "well")
    world.run(lambda: bool(world.ledger.slots["web"][2].failed) and world.serving() == 2)
    operation = world.ask(Restart(target="web.0"))
    for _ in range(50):
        world.tick()
    bad = False
    world.ask(Start(target="web.2"))
    world.run(ended(world, operation), 300)
    assert outcome(world, operation)[0] is OperationPhase.DONE


def test_the_death_of_an_old_worker_in_a_turned_slot_is_not_the_new_generations(tmp_path: Path) -> None:
    world = begun(tmp_path)
    operation = world.ask(Restart(target="web"))
    world.run(lambda: "1R+2s" in world.line())
    world.kill(0)
    world.run(ended(world, operation), 300)
    assert outcome(world, operation)[0] is OperationPhase.DONE


def test_a_drain_that_a_later_request_takes_back_ends(tmp_path: Path) -> None:
    world = begun(tmp_path)
    world.flight = dict.fromkeys(world.backends, 10_000)
    drain = world.ask(Rotate(target="web.1", rotation=Rotation.DRAIN))
    world.run(lambda: "web.1" in drain.target, 5)
    ready = world.ask(Rotate(target="web.1", rotation=Rotation.READY))
    world.run(ended(world, ready), 50)
    world.run(ended(world, drain), 50)
    assert outcome(world, drain)[0] is OperationPhase.FAILED


def test_the_start_of_a_slot_that_is_scaled_away_ends(tmp_path: Path) -> None:
    world = begun(tmp_path)
    world.flight = dict.fromkeys(world.backends, 8)
    world.ask(Scale(pool="web", desired=2))
    world.tick()
    start = world.ask(Start(target="web.2"))
    world.run(ended(world, start), 100)
    assert outcome(world, start)[0] is OperationPhase.FAILED


def test_two_drains_at_once_do_not_take_the_last_backend(tmp_path: Path) -> None:
    world = begun(tmp_path, replace(SPEC, workers=2))
    world.ask(Rotate(target="web.0", rotation=Rotation.DRAIN))
    with pytest.raises(NeedsYes):
        world.ask(Rotate(target="web.1", rotation=Rotation.DRAIN))


def test_a_restart_whose_drain_runs_out_of_time_leaves_the_old_worker_and_its_requests_alone(
    tmp_path: Path,
) -> None:
    world = begun(tmp_path)
    old = next(w for w in world.ledger.workers.values() if w.slot == 1)
    world.flight = {old.address or "": 10_000}
    operation = world.ask(Restart(target="web.1"))
    world.run(ended(world, operation), 300)
    assert outcome(world, operation)[0] is OperationPhase.FAILED
    for _ in range(100):
        world.tick()
    assert old.serial in world.ledger.workers
    assert old.serial not in world.ending
    assert len(world.ledger.workers) == 3


def test_an_abort_ends_though_a_new_worker_has_a_request_that_never_ends(tmp_path: Path) -> None:
    world = begun(tmp_path)
    operation = world.ask(Restart(target="web"))
    world.run(lambda: world.line().count("2R") == 2)
    for worker in world.ledger.workers.values():
        if worker.generation == 2:
            world.flight[worker.address or ""] = 10_000
    world.ask(Steer(pool="web", action="abort"))
    world.run(ended(world, operation), 300)
    assert {w.generation for w in world.ledger.workers.values()} == {1}


def test_a_worker_that_is_always_over_its_memory_limit_is_replaced_ever_more_slowly(tmp_path: Path) -> None:
    world = begun(tmp_path, replace(SPEC, limits=LimitsSpec(memory=1000)))
    for _ in range(600):
        world.tick()
        samples = {
            w.serial: Sample(at=world.now, cpu_percent=None, rss_bytes=2000, threads=None, fds=None, processes=None)
            for w in world.ledger.workers.values()
            if w.slot == 0
        }
        measure(world.desk, Measured(samples=samples, host=None, own_cpu_percent=None, own_rss_bytes=None))
        assert world.serving() >= 3
    assert world.ledger.slots["web"][0].restarts < 12


def test_a_rollout_that_another_took_the_place_of_ends(tmp_path: Path) -> None:
    world = begun(tmp_path)
    first = world.ask(Restart(target="web"))
    world.tick()
    begin_rollout(world.ledger, world.ledger.pools["web"], "op-other", SPEC, world.now, world.now)
    world.run(ended(world, first), 20)
    assert outcome(world, first)[0] is OperationPhase.FAILED


@pytest.mark.parametrize("target", ["web.²", "web." + "9" * 5000, "web.٣", "web.-1", "web.", ".0"])
def test_a_target_that_only_looks_like_a_worker_is_unknown(target: str, tmp_path: Path) -> None:
    world = begun(tmp_path)
    with pytest.raises(Unknown):
        world.ask(Restart(target=target))


def test_a_command_that_crashes_at_once_is_given_up_with_the_defaults(tmp_path: Path) -> None:
    world = World(tmp_path, replace(SPEC, workers=1, restart=RestartSpec()), lambda worker: "crash")
    world.run(lambda: 0 in world.ledger.slots.get("web", {}) and bool(world.ledger.slots["web"][0].failed), 3000)
