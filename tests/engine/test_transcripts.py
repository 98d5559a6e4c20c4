"""Rollouts, scaling and failures as transcripts: a file a story, one line a tick; the file is what must happen.

`CLUSTERCTL_WRITE_TRANSCRIPTS=1 pytest tests/engine/test_transcripts.py` writes them anew; then read the diff.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.model.backends import Backend
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.phases import Health
from supervisor.model.requests import Restart, Scale, Start, Steer, Stop
from supervisor.model.spec import PoolSpec, ReadySpec, RestartSpec, RolloutSpec, TrafficSpec
from supervisor.model.workers import Worker
from tests.engine.world import World

FOLDER = Path(__file__).parent / "transcripts"
SPEC = PoolSpec(
    name="web",
    command=("web",),
    workers=3,
    ports=(9001, 9099),
    ready=ReadySpec(http="/healthz", timeout=2.0),
    rollout=RolloutSpec(watch=0.3),
    restart=RestartSpec(backoff=0.2, give_up=3),
    traffic=TrafficSpec(proxy="lb", upstream="web", drain_timeout=1.0),
)
Story = Callable[[Path], tuple[list[str], World]]
STORIES: dict[str, Story] = {}


def story(tell: Story) -> Story:
    STORIES[tell.__name__] = tell
    return tell


def begun(folder: Path, spec: PoolSpec = SPEC, bad: str = "well") -> World:
    """A pool that serves; generation 2 behaves as `bad` says."""
    world = World(folder, spec, lambda worker: bad if worker.generation == 2 else "well")
    world.run(lambda: world.serving() == spec.workers)
    return world


def ended(world: World, operation: Operation) -> Callable[[], bool]:
    return lambda: not world.ledger.operations[operation.id].running


def with_outcome(world: World, operation: Operation, lines: list[str]) -> tuple[list[str], World]:
    end = world.ledger.operations[operation.id]
    why = f": {end.why}" if end.why else ""
    return [f"> {operation.verb}", *lines, f"< {end.phase}: {end.progress}{why}"], world


def restart(folder: Path, spec: PoolSpec = SPEC, bad: str = "well") -> tuple[list[str], World]:
    world = begun(folder, spec, bad)
    operation = world.ask(Restart(target="web"))
    return with_outcome(world, operation, world.run(ended(world, operation)))


@story
def rollout_with_surge(folder: Path) -> tuple[list[str], World]:
    return restart(folder)


@story
def rollout_without_surge(folder: Path) -> tuple[list[str], World]:
    return restart(folder, replace(SPEC, rollout=RolloutSpec(surge=0, unavailable=1, watch=0.3)))


@story
def rollout_two_at_a_time(folder: Path) -> tuple[list[str], World]:
    return restart(folder, replace(SPEC, workers=4, rollout=RolloutSpec(surge=2, watch=0.3)))


@story
def rollout_onto_a_server_that_was_down_before(folder: Path) -> tuple[list[str], World]:
    """A server of the proxy's own configuration, in rotation again since a reload, and not checked since."""
    world = begun(folder)
    address = "127.0.0.1:9004"
    world.backends[address] = Backend(name="s4", address=address, health=Health.DOWN)
    world.down_until[address] = world.now + 1.0
    operation = world.ask(Restart(target="web"))
    return with_outcome(world, operation, world.run(ended(world, operation)))


@story
def rollout_in_batches(folder: Path) -> tuple[list[str], World]:
    policy = RolloutSpec(surge=1, unavailable=1, batch=2, watch=0.3, pause=0.5)
    return restart(folder, replace(SPEC, workers=4, rollout=policy))


@story
def rollout_to_a_version_that_exits(folder: Path) -> tuple[list[str], World]:
    return restart(folder, bad="crash")


@story
def rollout_to_a_version_never_ready(folder: Path) -> tuple[list[str], World]:
    return restart(folder, bad="hang")


@story
def rollout_to_a_version_that_answers_errors(folder: Path) -> tuple[list[str], World]:
    return restart(folder, bad="errs")


@story
def rollout_to_a_version_whose_health_goes(folder: Path) -> tuple[list[str], World]:
    return restart(folder, bad="sickens")


@story
def rollout_without_surge_to_a_version_that_exits(folder: Path) -> tuple[list[str], World]:
    return restart(folder, replace(SPEC, rollout=RolloutSpec(surge=0, unavailable=1, watch=0.3)), "crash")


@story
def rollout_whose_drain_runs_out_of_time(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    world.flight = dict.fromkeys(world.backends, 1000)
    operation = world.ask(Restart(target="web"))
    return with_outcome(world, operation, world.run(ended(world, operation)))


@story
def rollout_with_a_canary(folder: Path) -> tuple[list[str], World]:
    world = begun(folder, replace(SPEC, rollout=RolloutSpec(canary=1, watch=0.3)))
    operation = world.ask(Restart(target="web"))

    def holds() -> bool:
        rollout = world.ledger.pools["web"].rollout
        return rollout is not None and rollout.phase == "holding"

    lines = world.run(holds)
    rollout = world.ledger.pools["web"].rollout
    why = rollout.why if rollout else None
    world.ask(Steer(pool="web", action="resume"))
    more = world.run(ended(world, operation))
    return with_outcome(world, operation, [*lines, f"# {why}", "> rollout resume web", *more])


@story
def rollout_aborted_half_way(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    operation = world.ask(Restart(target="web"))
    lines = world.run(lambda: world.line().count("2R") == 2)
    world.ask(Steer(pool="web", action="abort"))
    more = world.run(ended(world, operation))
    return with_outcome(world, operation, [*lines, "> rollout abort web", *more])


@story
def rollout_with_a_crash_of_an_old_worker(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    operation = world.ask(Restart(target="web"))
    lines = world.run(lambda: "2R" in world.line())
    world.kill(2)
    more = world.run(ended(world, operation))
    return with_outcome(world, operation, [*lines, "! web.2 dies", *more])


@story
def rollout_while_the_proxy_is_away(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    operation = world.ask(Restart(target="web"))
    lines = world.run(lambda: "2s" in world.line())
    world.reachable = False
    away = world.run(lambda: world.now > 1010.0)
    world.reachable = True
    more = world.run(ended(world, operation))
    return with_outcome(world, operation, [*lines, "! lb goes away", *away, "! lb is back", *more])


@story
def scaled_up_and_down(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    up = world.ask(Scale(pool="web", desired=5))
    lines = world.run(ended(world, up))
    down = world.ask(Scale(pool="web", desired=2))
    more = world.run(ended(world, down))
    said, _ = with_outcome(world, up, lines)
    again, _ = with_outcome(world, down, more)
    return [*said, *again], world


@story
def scaled_down_while_the_one_that_stays_does_not_serve(folder: Path) -> tuple[list[str], World]:
    """The one that would go carries requests in its place until it does."""
    ill = True
    world = World(folder, SPEC, lambda worker: "hang" if ill and worker.slot == 0 and worker.serial > 3 else "well")
    world.run(lambda: world.serving() == 3)
    world.kill(0)
    down = world.ask(Scale(pool="web", desired=1))
    lines = world.run(lambda: world.now > 1004.0)
    waits = world.ledger.waits["web.1"]
    ill = False
    more = world.run(ended(world, down))
    return with_outcome(world, down, ["! web.0 dies", *lines, f"# web.1 waits for {waits}", *more])


@story
def scaled_down_while_the_proxy_is_away(folder: Path) -> tuple[list[str], World]:
    """Nobody who may be getting requests is stopped unseen."""
    world = begun(folder)
    world.reachable = False
    world.tick()
    down = world.ask(Scale(pool="web", desired=2))
    lines = world.run(lambda: world.now > 1010.0)
    world.reachable = True
    more = world.run(ended(world, down))
    return with_outcome(world, down, ["! lb goes away", *lines, "! lb is back", *more])


@story
def scaled_during_a_rollout(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    operation = world.ask(Restart(target="web"))
    lines = world.run(lambda: "2R" in world.line())
    world.ask(Scale(pool="web", desired=4))
    more = world.run(ended(world, operation))
    return with_outcome(world, operation, [*lines, "> scale web=4", *more])


@story
def one_worker_restarted(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    operation = world.ask(Restart(target="web.1"))
    return with_outcome(world, operation, world.run(ended(world, operation)))


@story
def one_worker_restarted_whose_successor_crashes(folder: Path) -> tuple[list[str], World]:
    newest = 0

    def behaves(worker: Worker) -> str:
        return "crash" if newest and worker.serial > newest else "well"

    world = World(folder, SPEC, behaves)
    world.run(lambda: world.serving() == 3)
    newest = max(world.ledger.workers)
    operation = world.ask(Restart(target="web.1"))
    return with_outcome(world, operation, world.run(ended(world, operation)))


@story
def stopped_and_started(folder: Path) -> tuple[list[str], World]:
    world = begun(folder)
    stop = world.ask(Stop(target="web"))
    lines = world.run(ended(world, stop))
    start = world.ask(Start(target="web"))
    more = world.run(ended(world, start))
    return [*with_outcome(world, stop, lines)[0], *with_outcome(world, start, more)[0]], world


@story
def crash_loop_until_given_up(folder: Path) -> tuple[list[str], World]:
    world = World(folder, replace(SPEC, workers=1), lambda worker: "crash")
    slots = world.ledger.slots
    return world.run(lambda: bool(slots.get("web") and slots["web"][0].failed)), world


@pytest.mark.parametrize("name", STORIES)
def test_the_story_is_as_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)
    lines, _ = STORIES[name](tmp_path)
    told = "\n".join(lines) + "\n"
    path = FOLDER / f"{name}.txt"
    if os.environ.get("CLUSTERCTL_WRITE_TRANSCRIPTS"):
        path.write_text(told)
    assert told == path.read_text()


def test_every_transcript_has_its_story() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(STORIES)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize(("surge", "unavailable"), [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)])
def test_a_rollout_keeps_enough_serving_and_not_too_many_alive(
    workers: int, surge: int, unavailable: int, tmp_path: Path
) -> None:
    policy = RolloutSpec(surge=surge, unavailable=unavailable, watch=0.2)
    world = begun(tmp_path, replace(SPEC, workers=workers, rollout=policy))
    operation = world.ask(Restart(target="web"))
    while world.ledger.operations[operation.id].running:
        world.tick()
        assert world.serving() >= workers - unavailable, world.line()
        assert len(world.ledger.workers) <= workers + surge, world.line()
        assert world.now < 2000
    assert world.ledger.operations[operation.id].phase is OperationPhase.DONE
    assert {w.generation for w in world.ledger.workers.values()} == {2}
