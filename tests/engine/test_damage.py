"""A journal of a living cluster with any of its lines lost: the engine comes up, and gets where it should."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from supervisor.engine import reloading
from supervisor.engine.desk import Desk
from supervisor.engine.feed import Feed
from supervisor.engine.intake import take
from supervisor.engine.journal import Journal
from supervisor.engine.ledger import Ledger, ProxyState
from supervisor.engine.restoring import journaled_spec, owed, restore, resume, settle_workers, take_in_unknown
from supervisor.engine.rows import pool_row
from supervisor.model.launch import Exited, Held
from supervisor.model.requests import AnyRequest, Restart, Scale, Start, Stop
from supervisor.model.spec import PoolSpec
from supervisor.model.workers import Worker
from tests.engine.test_transcripts import SPEC
from tests.engine.world import World

REQUESTS: tuple[AnyRequest, ...] = (
    Restart(target="web"),
    Restart(target="web.1"),
    Scale(pool="web", desired=5),
    Scale(pool="web", desired=1),
    Stop(target="web.0"),
    Start(target="web.0"),
)


def lived(folder: Path, dice: random.Random) -> tuple[World, Path]:
    """A world in the middle of something, and the journal that its engine would have written until then."""
    flaw = dice.choice(["well", "well", "crash", "hang"])
    world = World(folder, SPEC, lambda worker: flaw if worker.generation == 2 and worker.slot == 1 else "well")
    journal = Journal(folder / "journal")
    journal.begin(world.ledger.durable())
    for _ in range(dice.randint(1, 60)):
        if dice.random() < 0.08:
            try:
                world.ask(dice.choice(REQUESTS))
            except Exception:  # refused: as good as anything
                continue
        world.tick()
        journal.write(world.ledger.durable())
    journal.close(world.ledger.durable())
    for _ in range(dice.choice([0, 0, 3, 10, 30])):
        world.tick()  # with a disk that takes nothing
    return world, folder / "journal"


def held(worker: Worker, world: World) -> Held:
    note = {
        "pool": worker.pool,
        "slot": str(worker.slot),
        "generation": str(worker.generation),
        "address": worker.address or "",
        "log": worker.log,
    }
    started = world.begun[worker.serial]
    return Held(
        serial=worker.serial,
        name=worker.slot_name,
        pid=1000 + worker.serial,
        started=started,
        started_wall=0.0,
        start_ticks=1,
        note=note,
    )


def reborn(world: World, path: Path, wanted: PoolSpec) -> None:
    """The same world under an engine that reads what is left of the journal, as boot does it.

    Where its configuration is another one than before, that is an `up`, which takes it in.
    """
    living = [held(worker, world) for worker in world.ledger.workers.values()]
    records = Journal(path).load()
    configured = replace(world.ledger.spec, pools=(wanted,))
    spec = journaled_spec(records)
    ledger = Ledger(spec=spec or configured)
    restore(ledger, records, "")
    ledger.proxies["lb"] = unasked(world)
    world.engine_began = world.now
    world.ledger, world.desk = ledger, Desk(ledger, Feed(path.with_name("events-2.jsonl")))
    begun, ended = settle_workers(ledger, living, set(), world.now)
    resume(world.desk, again=spec is not None)
    if spec is None or spec.pools != configured.pools:
        reloading.apply(ledger, configured, "op-x", world.now, world.now)
    world.signal([*owed(ledger, living), *take_in_unknown(world.desk, living, world.now)])
    for fact in begun:
        take(world.desk, fact.serial, fact, world.now)
    for serial in ended:
        gone = Exited(number=0, serial=serial, pid=0, code=None, signal=None, at=world.now, known=False)
        take(world.desk, serial, gone, world.now)


def unasked(world: World) -> ProxyState:
    """The proxy as an engine sees it that has just begun: with no word of its own to it yet."""
    state = world.ledger.proxies["lb"]
    state.memos.clear()
    state.converging.clear()
    return state


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 1 << 30))
def test_any_lines_may_be_lost(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No exception, ever; and half a minute later every wanted slot that can be filled is filled, once."""
    dice = random.Random(seed)
    folder = tmp_path_factory.mktemp("damage")
    world, path = lived(folder, dice)
    lines = path.read_bytes().splitlines(keepends=True)
    share = dice.choice([0.0, 0.1, 0.5, 1.0])
    path.write_bytes(b"".join(line for line in lines if dice.random() >= share))
    reborn(world, path, dice.choice([SPEC, SPEC, replace(SPEC, env={"VERSION": "2"})]))
    for _ in range(300):
        world.tick()
        for one in world.ledger.pools.values():
            pool_row(world.ledger, one, world.now)
    pool = world.ledger.pools["web"]
    for number in range(pool.desired):
        slot = world.ledger.slots.get("web", {}).get(number)
        alive = [w for w in world.ledger.workers_of("web") if w.slot == number]
        if pool.stopped or (slot is not None and slot.stopped):
            assert alive == []
        elif slot is None or not slot.failed:
            assert len(alive) == 1, f"web.{number}: {alive}, {slot}\n{world.line()}"
    assert world.cut == [], world.cut
    assert pool.rollout is None, f"the rollout ended: {pool.rollout}"
