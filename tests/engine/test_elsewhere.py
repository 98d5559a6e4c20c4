"""Sections that no pool of ours fills: an operator's word touches one server there, and nobody leaves too early."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine import elsewhere
from supervisor.engine.converging import converge_upstreams
from supervisor.engine.refusing import check
from supervisor.model.backends import Backend, Upstream
from supervisor.model.deeds import Converge
from supervisor.model.errors import Conflict, NeedsYes
from supervisor.model.phases import Rotation
from supervisor.model.requests import Rotate
from supervisor.proxies.memory import MemoryProxy
from tests.engine.test_transcripts import begun
from tests.engine.world import World


def beside(world: World, *backends: Backend, read: float) -> None:
    state = world.ledger.proxies["lb"]
    state.upstreams["api"], state.read["api"] = Upstream(name="api", backends=backends), read


def test_servers_that_another_cluster_added_stay_when_an_operator_drains_one_beside_them(tmp_path: Path) -> None:
    world = begun(tmp_path)
    theirs = Backend(name="web.0", address="127.0.0.1:7001", added=True)
    beside(world, theirs, Backend(name="static", address="127.0.0.1:80"), read=world.now)
    world.ledger.asked["lb", "api", "127.0.0.1:80"] = Rotation.DRAIN
    changes: list[Converge] = []
    converge_upstreams(world.ledger, changes, world.now, set())
    (change,) = changes
    assert [(m.address, m.rotation) for m in change.want.members] == [("127.0.0.1:80", Rotation.DRAIN)]
    proxy = MemoryProxy("lb", (world.ledger.proxies["lb"].upstreams["api"],))
    asyncio.run(proxy.converge(change.want))
    assert [b.rotation for b in asyncio.run(proxy.look("api")).backends] == [Rotation.READY, Rotation.DRAIN]


def test_of_two_servers_at_one_address_both_are_to_be_quiet(tmp_path: Path) -> None:
    world = begun(tmp_path)
    state = world.ledger.proxies["lb"]
    worker = next(iter(world.ledger.workers.values()))
    out = Backend(name="a", address=worker.address or "", rotation=Rotation.MAINT, in_flight=0, queued=0)
    state.read["web"] = worker.since + 1
    state.upstreams["web"] = Upstream(name="web", backends=(out, replace(out, name="b", in_flight=1)))
    assert elsewhere.holds(world.ledger, worker) == "lb/web/b"
    state.upstreams["web"] = Upstream(name="web", backends=(out, replace(out, name="b")))
    assert elsewhere.holds(world.ledger, worker) is None


def test_a_worker_that_leaves_is_held_until_a_reading_after_that_shows_it_quiet_elsewhere(tmp_path: Path) -> None:
    world = begun(tmp_path)
    worker = next(iter(world.ledger.workers.values()))
    assert elsewhere.holds(world.ledger, worker) is None, "it is listed nowhere else"
    listed = Backend(name="a", address=worker.address or "", rotation=Rotation.MAINT, in_flight=0, queued=0)
    after = worker.since + 1
    beside(world, listed, read=worker.since)
    assert elsewhere.holds(world.ledger, worker) == "lb/api/a", "the reading is older"
    beside(world, replace(listed, in_flight=1), read=after)
    assert elsewhere.holds(world.ledger, worker) == "lb/api/a"
    beside(world, replace(listed, rotation=Rotation.DRAIN), read=after)
    assert elsewhere.holds(world.ledger, worker) == "lb/api/a", "sticky clients still come"
    beside(world, listed, read=after)
    assert elsewhere.holds(world.ledger, worker) is None


def test_who_drains_a_worker_that_is_the_last_of_another_section_is_asked(tmp_path: Path) -> None:
    world = begun(tmp_path)
    state = world.ledger.proxies["lb"]
    state.capabilities = ("drain", "maint")
    worker = next(iter(world.ledger.workers.values()))
    beside(world, Backend(name="a", address=worker.address or ""), read=world.now)
    drain = Rotate(target=worker.slot_name, rotation=Rotation.DRAIN)
    with pytest.raises(NeedsYes, match="a is the last backend of lb/api"):
        check(world.ledger, drain)
    check(world.ledger, replace(drain, yes=True))
    beside(world, Backend(name="a", address=worker.address or ""), Backend(name="b", address="x:1"), read=world.now)
    check(world.ledger, drain)


def test_a_server_elsewhere_is_not_put_back_while_its_worker_is_kept_out(tmp_path: Path) -> None:
    world = begun(tmp_path)
    worker = next(iter(world.ledger.workers.values()))
    beside(world, Backend(name="a", address=worker.address or "", rotation=Rotation.DRAIN), read=world.now)
    world.ledger.asked["lb", "web", worker.address or ""] = Rotation.DRAIN
    with pytest.raises(Conflict, match=f"clusterctl ready {worker.slot_name}"):
        check(world.ledger, Rotate(target="lb/api/a", rotation=Rotation.READY))
    check(world.ledger, Rotate(target=worker.slot_name, rotation=Rotation.READY))
