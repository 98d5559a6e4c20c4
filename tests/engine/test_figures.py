"""Figures that must not mislead: what is not measured is unknown, and counters that begin again count anew."""

from pathlib import Path

from msgspec.structs import replace

from supervisor.core.rollout import score
from supervisor.engine.rows import pool_row, proxy_row
from supervisor.model.requests import Restart
from tests.engine.test_transcripts import begun
from tests.engine.world import World


def rates(world: World) -> tuple[float | None, float | None, float | None]:
    """Of the pool, of its first worker, and of the first backend."""
    ledger = world.ledger
    pool, proxy = (
        pool_row(ledger, ledger.pools["web"], world.now),
        proxy_row(ledger, ledger.proxies["lb"], world.now),
    )
    backend = proxy.upstreams[0].backends[0]
    return pool.requests_per_second, pool.workers[0].requests_per_second, backend.requests_per_second


def test_no_rate_is_told_of_a_proxy_that_is_away_nor_is_its_absence_part_of_one_later(tmp_path: Path) -> None:
    world = begun(tmp_path)
    for _ in range(20):
        world.tick()
    assert rates(world) == (150.0, 50.0, 50.0)
    world.reachable = False
    for _ in range(600):
        world.tick()
    assert rates(world) == (None, None, None)
    world.reachable = True
    for _ in range(8):  # 0.8 s: two readings in quick succession say nothing yet
        world.tick()
    assert rates(world) == (150.0, 50.0, 50.0)


def test_a_new_worker_is_judged_by_what_was_counted_since_though_the_counters_began_again(tmp_path: Path) -> None:
    world = begun(tmp_path)
    address = world.ledger.workers[1].address or ""
    world.backends[address] = replace(world.backends[address], requests_total=5_000, errors_total=0)
    world.ask(Restart(target="web"))
    world.run(lambda: any(w.generation == 2 and w.baseline is not None for w in world.ledger.workers.values()))
    (new,) = [w for w in world.ledger.workers.values() if w.generation == 2]
    world.ledger.workers[new.serial] = replace(new, baseline=(4_000, 1))
    backend = world.backends[new.address or ""]
    world.backends[new.address or ""] = replace(backend, requests_total=0, errors_total=0)
    world.tick()
    world.tick()
    found = score(world.ledger.picture("web", world.now), world.ledger.workers[new.serial])
    assert found is not None
    assert (found.requests, found.errors) == (10, 0)


def test_of_two_workers_in_a_slot_only_the_old_one_is_to_be_replaced(tmp_path: Path) -> None:
    world = begun(tmp_path)
    world.ask(Restart(target="web"))
    world.run(lambda: any(w.generation == 2 and w.serving_since for w in world.ledger.workers.values()))
    world.tick()
    rows = pool_row(world.ledger, world.ledger.pools["web"], world.now).workers
    slot = [row for row in rows if row.id == next(row.id for row in rows if row.generation == 2)]
    assert [(row.generation, (row.why or "").startswith("to be replaced; waiting for")) for row in slot] == [
        (1, True),
        (2, False),
    ]


def test_who_is_scaled_away_and_serves_in_the_place_of_another_is_to_leave_and_not_to_be_replaced(
    tmp_path: Path,
) -> None:
    world = begun(tmp_path)
    world.ledger.pools["web"] = replace(world.ledger.pools["web"], desired=2)
    world.ledger.waits["web.2"] = "web.0 to serve in its place"
    rows = pool_row(world.ledger, world.ledger.pools["web"], world.now).workers
    assert [row.why for row in rows if row.id == "web.2"] == ["to leave; waiting for web.0 to serve in its place"]


def test_where_the_section_is_gone_each_worker_says_that(tmp_path: Path) -> None:
    world = begun(tmp_path)
    pool = world.ledger.pools["web"]
    (serial, worker) = next((n, w) for n, w in world.ledger.workers.items() if w.slot == 0)
    world.ledger.workers[serial] = replace(worker, serving_since=None)
    world.ledger.proxies["lb"].upstreams.clear()
    assert pool_row(world.ledger, pool, world.now).workers[0].why == "lb has no upstream 'web'"
