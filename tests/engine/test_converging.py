"""A proxy is told something when it must be, and not again and again; a zero counts when it proves something."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine.converging import RETRY_CONVERGE, RETRY_REMOVAL, converge_upstreams, waits_until
from supervisor.engine.intake import count_quiet
from supervisor.engine.ledger import Memo
from supervisor.model.backends import Backend, Member, Upstream, Want
from supervisor.model.deeds import Converge
from supervisor.model.phases import Phase, Rotation
from supervisor.model.requests import Scale
from supervisor.model.spec import TrafficSpec
from supervisor.proxies.memory import MemoryProxy
from tests.engine.test_transcripts import begun
from tests.engine.world import World

A = "127.0.0.1:9001"
READY = Want(upstream="web", members=(Member(address=A, name="web.0"),))
GONE = Want(upstream="web", members=(), remove=(A,))


def upstream(rotation: Rotation | None) -> Upstream:
    backends = () if rotation is None else (Backend(name="web.0", address=A, rotation=rotation, added=True),)
    return Upstream(name="web", backends=backends)


@pytest.mark.parametrize(
    ("memo", "wanted", "has", "read", "now", "expected"),
    [
        # Never told: now.
        (None, READY, None, 10.0, 20.0, None),
        # Told, and it is so: nothing to do until something changes.
        (Memo(want=READY, at=5.0), READY, Rotation.READY, 10.0, 20.0, 20.0),
        # Something else is wanted since: now.
        (Memo(want=GONE, at=5.0), READY, Rotation.READY, 10.0, 20.0, None),
        # A reading older than our change still shows the old state: it proves nothing.
        (Memo(want=READY, at=15.0), READY, Rotation.MAINT, 10.0, 20.0, 20.0),
        # A newer one does: somebody turned it back, so now.
        (Memo(want=READY, at=5.0), READY, Rotation.MAINT, 10.0, 20.0, None),
        # It failed: after a second.
        (Memo(want=READY, at=19.5, failed="no"), READY, Rotation.MAINT, 10.0, 20.0, 19.5 + RETRY_CONVERGE),
        (Memo(want=READY, at=18.0, failed="no"), READY, Rotation.MAINT, 10.0, 20.0, None),
        # A backend that could not be removed yet, in maint: after a while.
        (Memo(want=GONE, at=18.0), GONE, Rotation.MAINT, 19.0, 20.0, 18.0 + RETRY_REMOVAL),
        (Memo(want=GONE, at=1.0), GONE, Rotation.MAINT, 19.0, 20.0, None),
    ],
)
def test_when_it_is_told(
    memo: Memo | None, wanted: Want, has: Rotation | None, read: float, now: float, expected: float | None
) -> None:
    assert waits_until(memo, wanted, upstream(has), read, now) == expected


def draining(tmp_path: Path) -> tuple[World, int]:
    """A worker that is out of rotation at the proxy with something in flight."""
    world = begun(tmp_path)
    world.flight = {address: 1000 for address in world.backends}
    world.ask(Scale(pool="web", desired=2))
    world.run(lambda: any(w.phase is Phase.DRAINING for w in world.ledger.workers.values()))
    world.tick()
    return world, next(w.serial for w in world.ledger.workers.values() if w.phase is Phase.DRAINING)


def quiet_now(world: World, serial: int) -> None:
    """The proxy's last reading says that nothing is in flight there."""
    state = world.ledger.proxies["lb"]
    address = world.ledger.workers[serial].address
    seen = state.upstreams["web"]
    backends = [replace(b, in_flight=0, queued=0) if b.address == address else b for b in seen.backends]
    state.upstreams["web"] = replace(seen, backends=tuple(backends))


def look(world: World, asked: float) -> list[str]:
    return [s.signal for s in count_quiet(world.desk, "lb", "web", asked, asked)[0]]


def test_two_zeros_with_the_settle_time_between_end_a_drain(tmp_path: Path) -> None:
    world, serial = draining(tmp_path)
    quiet_now(world, serial)
    settle = world.ledger.proxies["lb"].settle
    assert look(world, world.now + 1.0) == []
    assert look(world, world.now + 1.0 + settle / 2) == [], "two zeros at once may be one lucky moment"
    assert look(world, world.now + 1.01 + settle) == ["TERM"]


def test_a_request_between_two_zeros_begins_the_count_anew(tmp_path: Path) -> None:
    world, serial = draining(tmp_path)
    busy = world.ledger.proxies["lb"].upstreams["web"]
    quiet_now(world, serial)
    zero = world.ledger.proxies["lb"].upstreams["web"]
    states = world.ledger.proxies["lb"].upstreams
    for second, seen in enumerate((zero, busy, zero)):
        states["web"] = seen
        assert look(world, world.now + 1.0 + second) == []
    states["web"] = zero
    assert look(world, world.now + 9.0) == ["TERM"]


def test_a_reading_begun_before_the_drain_proves_nothing(tmp_path: Path) -> None:
    """Nor one begun before the proxy was told."""
    world, serial = draining(tmp_path)
    quiet_now(world, serial)
    since = world.ledger.workers[serial].since
    assert look(world, since - 1.0) == []
    assert look(world, since) == []
    assert world.ledger.workers[serial].zeros == 0


def test_while_the_upstream_is_being_changed_nothing_counts(tmp_path: Path) -> None:
    world, serial = draining(tmp_path)
    quiet_now(world, serial)
    world.ledger.proxies["lb"].converging.add("web")
    for second in range(5):
        assert look(world, world.now + second) == []


def test_servers_added_for_a_pool_that_gets_its_requests_elsewhere_are_taken_out(tmp_path: Path) -> None:
    """Else its workers would stop under what still arrives there; servers that others added are left alone."""
    world = begun(tmp_path)
    state = world.ledger.proxies["lb"]
    foreign = Backend(name="x", address="127.0.0.1:80", added=True)
    ours = tuple(replace(backend, added=True) for backend in world.backends.values())
    state.upstreams["web"] = replace(state.upstreams["web"], backends=(*ours, foreign))
    state.upstreams["other"], state.read["other"] = Upstream(name="other"), world.now
    pool = world.ledger.pools["web"]
    spec = replace(pool.spec, traffic=TrafficSpec(proxy="lb", upstream="other"))
    world.ledger.pools["web"] = replace(pool, spec=spec, revisions={1: spec})
    changes: list[Converge] = []
    converge_upstreams(world.ledger, changes, world.now + 1, {"web"})
    wants = {change.want.upstream: change.want for change in changes}
    assert {member.address for member in wants["other"].members} == world.backends.keys()
    assert wants["web"].remove == tuple(sorted(world.backends))
    assert wants["web"].members == ()
    left = MemoryProxy("lb", (state.upstreams["web"],))
    asyncio.run(left.converge(wants["web"]))
    assert asyncio.run(left.look("web")).backends == (foreign,)


@pytest.mark.parametrize("embedded", [False, True])
def test_a_proxy_of_our_own_that_ends_with_the_cluster_is_told_nothing_any_more(
    tmp_path: Path, embedded: bool
) -> None:
    world = begun(tmp_path)
    state = world.ledger.proxies["lb"]
    if embedded:
        state.spec = replace(state.spec, socket=None, bind="127.0.0.1:8080")
    world.ledger.stopping = True
    for serial in list(world.ledger.workers):
        del world.ledger.workers[serial]
    changes: list[Converge] = []
    converge_upstreams(world.ledger, changes, world.now, {"web"})
    assert [change.want.remove != () for change in changes] == ([] if embedded else [True])
