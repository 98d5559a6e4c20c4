"""Which shared sockets a pool needs: those of every generation that serves or may yet serve, and no others."""

from msgspec.structs import replace

from supervisor.core.sharing import shared_addresses
from supervisor.model.pools import Pool, Rollout
from supervisor.model.spec import PoolSpec
from supervisor.model.workers import Worker

OLD = PoolSpec(name="web", command=("web",), listen="127.0.0.1:8000")
NEW = replace(OLD, listen="127.0.0.1:8001")
POOL = Pool(spec=NEW, desired=2, generation=2, complete=1, revisions={1: OLD, 2: NEW})
ROLLOUT = Rollout(operation="op-1", from_generation=1, to_generation=2, started=0.0, started_wall=0.0)


def worker(generation: int, address: str) -> Worker:
    return Worker(serial=generation, pool="web", slot=0, generation=generation, address=address)


def test_a_rollout_to_another_address_needs_both_and_one_that_was_turned_back_the_old_one() -> None:
    assert shared_addresses(replace(POOL, rollout=ROLLOUT), ()) == ("127.0.0.1:8000", "127.0.0.1:8001")
    assert shared_addresses(POOL, ()) == ("127.0.0.1:8000",)


def test_the_old_address_is_needed_while_somebody_still_serves_there() -> None:
    done = replace(POOL, complete=2)
    assert shared_addresses(done, (worker(1, "127.0.0.1:8000"),)) == ("127.0.0.1:8001", "127.0.0.1:8000")
    assert shared_addresses(done, (worker(2, "127.0.0.1:8001"),)) == ("127.0.0.1:8001",)


def test_workers_with_ports_of_their_own_share_none() -> None:
    ports = replace(OLD, listen=None, ports=(9001, 9009))
    pool = replace(POOL, spec=ports, complete=2, revisions={1: OLD, 2: ports})
    assert shared_addresses(pool, (worker(2, "127.0.0.1:9001"),)) == ()
