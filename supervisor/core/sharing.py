"""Which listening sockets a pool's workers share: one at each address that a generation still of use listens at."""

from collections.abc import Iterable

from supervisor.model.pools import Pool
from supervisor.model.workers import Worker


def shared_addresses(pool: Pool, workers: Iterable[Worker]) -> tuple[str, ...]:
    """Where workers of the pool serve on a shared socket, or may be started to.

    While a rollout changes the address there are two, and one that is turned back leaves the old one.
    """
    rollout = pool.rollout
    generations = (pool.complete, *((rollout.from_generation, rollout.to_generation) if rollout else ()))
    asked = [pool.revision(generation).listen for generation in generations]
    asked += [worker.address for worker in workers if pool.revision(worker.generation).listen is not None]
    return tuple(dict.fromkeys(address for address in asked if address is not None))


def socket_name(pool: str, address: str) -> str:
    """By which the keeper holds it; the worker is told what stands before the `=`."""
    return f"{pool}={address}"
