"""Rows kept from picture to picture say what rows made anew would say."""

import contextlib
import random
from pathlib import Path

from msgspec.structs import replace

from supervisor.engine.known_rows import KnownRows
from supervisor.engine.rows import pool_row, proxy_row
from supervisor.model.errors import Conflict
from supervisor.model.phases import Phase, Rotation
from supervisor.model.readings import Sample
from supervisor.model.requests import Restart, Scale
from supervisor.model.snapshot import PoolRow, ProxyRow
from supervisor.model.spec import PoolSpec, RestartSpec, TrafficSpec
from tests.engine.world import World

SPEC = PoolSpec(
    name="web",
    command=("serve",),
    workers=4,
    ports=(9000, 9030),
    traffic=TrafficSpec(proxy="lb", upstream="web"),
    restart=RestartSpec(give_up=1000),
)


def rows(world: World) -> tuple[PoolRow, ProxyRow]:
    ledger = world.ledger
    return pool_row(ledger, ledger.pools["web"], world.now), proxy_row(ledger, ledger.proxies["lb"], world.now)


def anew(world: World) -> tuple[PoolRow, ProxyRow]:
    kept, world.ledger.rows = world.ledger.rows, KnownRows()
    try:
        return rows(world)
    finally:
        world.ledger.rows = kept


def sample(world: World, dice: random.Random) -> None:
    for serial in world.ledger.workers:
        world.ledger.samples[serial] = Sample(
            at=world.now,
            cpu_percent=dice.random(),
            rss_bytes=dice.randrange(1 << 30),
            threads=1,
            fds=3,
            processes=1,
        )


def disturb(world: World, dice: random.Random) -> None:
    ready = [w for w in world.ledger.workers.values() if w.phase is Phase.READY]
    match dice.randrange(8):
        case 0:
            world.ask(Scale(pool="web", desired=dice.randrange(1, 9), actor="test", yes=True))
        case 1 if ready:
            world.kill(dice.choice(ready).slot)
        case 2 if world.ledger.pools["web"].rollout is None:
            world.ask(Restart(target="web", actor="test", yes=True))
        case 3:
            world.reachable = not world.reachable
        case 4 if ready and ready[0].address:
            world.ledger.asked["lb", "web", ready[0].address] = Rotation.DRAIN
        case 5:
            world.ledger.asked.clear()
        case 6 if ready:
            world.ledger.workers[ready[0].serial] = replace(ready[0], misses=1, why="no answer")
        case _:
            sample(world, dice)


def test_a_kept_row_says_what_a_new_one_would(tmp_path: Path) -> None:
    """Over scaling, deaths, rollouts, rotations, misses and a proxy that comes and goes."""
    for seed in range(6):
        dice = random.Random(seed)
        (tmp_path / str(seed)).mkdir()
        world = World(tmp_path / str(seed), SPEC)
        for _ in range(120):
            world.tick()
            if dice.random() < 0.3:
                with contextlib.suppress(Conflict):
                    disturb(world, dice)
            assert rows(world) == anew(world)


def test_what_has_not_changed_is_the_same_row(tmp_path: Path) -> None:
    world = World(tmp_path, SPEC)
    world.run(lambda: world.serving() == 4)
    sample(world, random.Random(1))
    before, after = rows(world), rows(world)
    assert before[1].upstreams[0].backends[0] is after[1].upstreams[0].backends[0]
    assert {known.row.id for known in world.ledger.rows.workers.values()} == {f"web.{n}" for n in range(4)}


def test_rows_of_what_is_gone_are_forgotten(tmp_path: Path) -> None:
    world = World(tmp_path, SPEC)
    world.run(lambda: world.serving() == 4)
    sample(world, random.Random(1))
    rows(world)
    known = world.ledger.rows
    known.workers |= {serial: next(iter(known.workers.values())) for serial in range(1000, 1300)}
    known.retain(world.ledger.workers, world.ledger.proxies)
    assert known.workers.keys() == world.ledger.workers.keys()
