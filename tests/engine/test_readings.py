"""Which readings of a proxy prove something, and which do not."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine.doctoring import examine
from supervisor.engine.intake import count_quiet
from supervisor.engine.ledger import Memo
from supervisor.engine.refusing import check
from supervisor.engine.seeing import inherited
from supervisor.engine.turning import counted_before
from supervisor.model.backends import Backend, Upstream, Want
from supervisor.model.errors import Conflict
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.requests import Rotate, Stop
from tests.engine.test_transcripts import begun


def test_a_reading_begun_while_the_upstream_was_being_changed_proves_no_quiet(tmp_path: Path) -> None:
    world = begun(tmp_path)
    world.ask(Stop(target="web.0"))
    world.tick()
    (worker,) = [w for w in world.ledger.workers.values() if w.phase is Phase.DRAINING]
    out = replace(world.backends[worker.address or ""], rotation=Rotation.MAINT, in_flight=0, queued=None)
    state = world.ledger.proxies["lb"]
    state.upstreams["web"] = replace(state.upstreams["web"], backends=(out,))
    state.memos["web"] = Memo(want=Want(upstream="web"), at=world.now + 1.0)
    count_quiet(world.desk, "lb", "web", world.now + 0.9, world.now + 1.0)
    assert world.ledger.workers[worker.serial].zeros == 0
    count_quiet(world.desk, "lb", "web", world.now + 1.1, world.now + 1.1)
    assert world.ledger.workers[worker.serial].zeros == 1


def test_a_server_that_is_weighed_down_to_nothing_no_longer_serves(tmp_path: Path) -> None:
    world = begun(tmp_path)
    worker = next(iter(world.ledger.workers.values()))
    address = worker.address or ""
    world.backends[address] = replace(world.backends[address], weight=0)
    world.run(lambda: world.ledger.workers[worker.serial].serving_since is None)
    world.backends[address] = replace(world.backends[address], weight=1)
    world.run(lambda: world.ledger.workers[worker.serial].serving_since is not None)


def test_what_a_proxy_does_not_permit_is_refused_with_the_reason(tmp_path: Path) -> None:
    world = begun(tmp_path)
    state = world.ledger.proxies["lb"]
    state.capabilities, state.limited = ("in_flight",), "its socket has level user"
    with pytest.raises(Conflict, match="cannot drain a backend: its socket has level user"):
        check(world.ledger, Rotate(target="web.0", rotation=Rotation.DRAIN))
    assert "cannot drain, add: its socket has level user" in [f.text for f in examine(world.ledger)][-1]


def test_a_reading_begun_before_a_worker_was_ready_proves_not_that_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = begun(tmp_path)
    with monkeypatch.context() as between_two_readings:
        between_two_readings.setattr(world, "let_proxy_answer", lambda: None)
        world.kill(0)
        world.run(lambda: all(w.phase is Phase.READY for w in world.ledger.workers_of("web")))
        (worker,) = [w for w in world.ledger.workers_of("web") if w.slot == 0]
        seen = world.ledger.backend_of(worker)
        assert seen is not None
        assert (seen.rotation, seen.health) == (Rotation.READY, Health.UP), "as the one before it was last seen"
        assert worker.serving_since is None
        before = world.serving()
    world.run(lambda: world.ledger.workers[worker.serial].serving_since is not None)
    assert world.serving() == before + 1


A, B = "127.0.0.1:9001", "127.0.0.1:9002"


def counted(address: str, requests: int, errors: int) -> Upstream:
    backend = Backend(name="web.0", address=address, requests_total=requests, errors_total=errors, added=True)
    return Upstream(name="web", backends=(backend,))


def test_a_worker_is_not_blamed_for_what_its_server_had_counted_for_another() -> None:
    """HAProxy 2.8 keeps a server while clients hold it; the slot's next worker gets it, with its counters."""
    after = counted(B, 152, 10)
    had = inherited(counted(A, 150, 10), after, {})
    assert had == {B: (150, 10)}
    assert inherited(after, counted(B, 170, 11), had) == had, "it is remembered while the server has that address"
    assert counted_before(None, after.backends[0], had[B]) == (150, 10)
    assert counted_before(None, after.backends[0]) == (0, 0), "a server added for it: all is its own"


def test_a_server_made_anew_under_the_same_name_has_inherited_nothing() -> None:
    assert inherited(counted(A, 150, 10), counted(B, 2, 2), {}) == {B: (0, 0)}


def test_a_zero_in_drain_is_no_end_of_a_drain_for_sticky_clients_still_come(tmp_path: Path) -> None:
    world = begun(tmp_path)
    world.ask(Stop(target="web.0"))
    world.tick()
    (worker,) = [w for w in world.ledger.workers.values() if w.phase is Phase.DRAINING]
    state = world.ledger.proxies["lb"]
    for rotation, zeros in ((Rotation.DRAIN, 0), (Rotation.MAINT, 1)):
        out = replace(world.backends[worker.address or ""], rotation=rotation, in_flight=0, queued=None)
        state.upstreams["web"] = replace(state.upstreams["web"], backends=(out,))
        count_quiet(world.desk, "lb", "web", world.now + 1.0, world.now + 1.0)
        assert world.ledger.workers[worker.serial].zeros == zeros
