"""Sections that a pool does not fill: where its workers are listed all the same, and what there is not ours at all.

Somebody may list a worker's address in a second section, or at a second proxy. Such a server leads to the worker as
its own backend does: it goes in and out of rotation with it, and what it has in flight is waited for.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from supervisor.core.rotation import ours, quiet, want
from supervisor.engine.ledger import PROXY_POOL, Ledger, ProxyState
from supervisor.model.backends import Backend, Member, Upstream
from supervisor.model.phases import Rotation
from supervisor.model.pools import Pool
from supervisor.model.requests import Rotate
from supervisor.model.workers import Worker

Extra = tuple[tuple[Member, ...], frozenset[str]]
"""Members that an upstream should hold besides those of the pools that fill it, and addresses to take out."""


def extra(ledger: Ledger, proxy: str, upstream: Upstream, *, filled: bool) -> Extra:
    """`filled`: a pool of ours fills it, so that every server that was added there is ours."""
    if ledger.proxies[proxy].spec.embedded:
        return (), frozenset()
    members: dict[str, Member] = {}
    remove: set[str] = set()
    listed = {backend.address for backend in upstream.backends if not backend.added}
    for pool in guests(ledger, proxy, upstream):
        asked = ledger.asked_in(pool) | ledger.asked_at(proxy, upstream.name)
        wanted = want(pool, ledger.workers_of(pool.name), asked, upstream)
        if wanted is not None:
            members |= {member.address: member for member in wanted.members if member.address in listed}
            remove |= listed.intersection(wanted.remove)
    members = {member.address: member for member in asked_for(ledger, proxy, upstream)} | members
    if not filled:
        remove |= left_behind(ledger, upstream)
    return tuple(replace(member, listed=True) for member in members.values()), frozenset(remove)


def guests(ledger: Ledger, proxy: str, upstream: Upstream) -> list[Pool]:
    """Pools that do not fill this upstream, and whose addresses somebody has listed in it."""
    state = ledger.proxies[proxy]
    if state.spec.embedded or (len(ledger.proxies) == 1 and len(state.upstreams) == 1):
        return []
    listed = [backend.address for backend in upstream.backends if not backend.added]
    return [
        pool
        for pool in ledger.pools.values()
        if (traffic := pool.spec.traffic) is not None
        and (traffic.proxy, traffic.upstream) != (proxy, upstream.name)
        and any(ours(address, spec) for spec in (pool.spec, *pool.revisions.values()) for address in listed)
    ]


def left_behind(ledger: Ledger, upstream: Upstream) -> set[str]:
    """Servers that we added for a pool that is given its requests elsewhere by now.

    Nobody would take its workers out of rotation there before they stop. What others added is left as it is.
    """
    added = [backend.address for backend in upstream.backends if backend.added]
    pools = ledger.pools.values() if added else ()
    specs = [spec for pool in pools for spec in (pool.spec, *pool.revisions.values())]
    return {address for address in added if any(ours(address, spec) for spec in specs)}


def asked_for(ledger: Ledger, proxy: str, upstream: Upstream) -> Iterator[Member]:
    """Rotations that operators asked for backends which no worker of ours fills."""
    readied = {
        operation.request.target
        for operation in ledger.operations.values()
        if operation.running
        and isinstance(operation.request, Rotate)
        and operation.request.rotation is Rotation.READY
    }
    if not readied and not ledger.asked:
        return
    for backend in upstream.backends:
        rotation = ledger.asked.get((proxy, upstream.name, backend.address))
        if rotation is None and f"{proxy}/{upstream.name}/{backend.name}" in readied:
            rotation = Rotation.READY
        if rotation is not None and ledger.worker_at(backend.address) is None:
            yield Member(address=backend.address, name=backend.name, rotation=rotation)


def listings(ledger: Ledger, worker: Worker) -> Iterator[tuple[ProxyState, Upstream, Backend]]:
    """The servers at a worker's address besides its own backend, where proxies answer and can be operated."""
    if ledger.pools[worker.pool].spec.traffic is None or worker.pool.startswith(PROXY_POOL):
        return
    own = ledger.backend_of(worker)
    for state in ledger.proxies.values():
        if state.spec.embedded or not state.reachable or "maint" not in state.capabilities:
            continue
        for upstream in state.upstreams.values():
            for backend in upstream.backends:
                if backend.address == worker.address and backend is not own:
                    yield state, upstream, backend


def holds(ledger: Ledger, worker: Worker) -> str | None:
    """Which server elsewhere may still send requests to a worker that leaves, or has some in flight."""
    for state, upstream, backend in listings(ledger, worker):
        read, memo = state.read.get(upstream.name, 0.0), state.memos.get(upstream.name)
        proves = read > worker.since and upstream.name not in state.converging and (memo is None or read > memo.at)
        if not proves or not quiet(backend) or backend.rotation is not Rotation.MAINT:
            return f"{state.spec.name}/{upstream.name}/{backend.name}"
    return None


def busy(ledger: Ledger, worker: Worker) -> str | None:
    """Which server elsewhere is not as quiet as an operator asked that worker's backend to be."""
    unquiet = (place for place in listings(ledger, worker) if not quiet(place[2]))
    return next((f"{s.spec.name}/{u.name}/{b.name}" for s, u, b in unquiet), None)
