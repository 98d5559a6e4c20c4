"""Why a request is refused: nothing like it is there, it cannot be, or an operation under way holds the pool."""

from typing import assert_never

from supervisor.core.operations import number_of
from supervisor.engine import elsewhere
from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.model.backends import Backend, Upstream
from supervisor.model.errors import BadSpec, Conflict, NeedsYes, Unknown
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.pools import Pool, RolloutPhase
from supervisor.model.requests import (
    AnyRequest,
    Reload,
    Restart,
    Rotate,
    Scale,
    Shutdown,
    Start,
    Steer,
    Stop,
    Upgrade,
)
from supervisor.model.spec import PoolSpec

MOST_WORKERS = 10_000


def pool_named(ledger: Ledger, name: str) -> Pool:
    pool = ledger.pools.get(name)
    if pool is None or name.startswith(PROXY_POOL):
        names = ", ".join(sorted(n for n in ledger.pools if not n.startswith(PROXY_POOL))) or "none"
        raise Unknown(f"no such pool: {name!r} (there are: {names})")
    return pool


def pool_of(ledger: Ledger, request: AnyRequest) -> Pool | None:
    match request:
        case Scale() | Steer():
            return pool_named(ledger, request.pool)
        case Restart() | Stop() | Start():
            return target_pool(ledger, request.target)[0]
        case Rotate() if "/" not in request.target:
            return target_pool(ledger, request.target)[0]
        case Rotate() | Reload() | Shutdown() | Upgrade():
            return None
        case _:
            assert_never(request)


def target_pool(ledger: Ledger, target: str) -> tuple[Pool, int | None]:
    """The pool, and the slot's number if one worker is meant. Raises Unknown."""
    number = number_of(target)
    if number is None:
        return pool_named(ledger, target), None
    pool = pool_named(ledger, target.rpartition(".")[0])
    if number not in ledger.slots.get(pool.name, {}):
        names = ", ".join(f"{pool.name}.{n}" for n in sorted(ledger.slots.get(pool.name, {}))) or "none"
        raise Unknown(f"no such worker: {target!r} (there are: {names})")
    return pool, number


def check(ledger: Ledger, request: AnyRequest) -> None:
    """Refuse what cannot be, and what would run into an operation under way. Raises BadRequest."""
    if ledger.stopping:
        raise Conflict("the cluster is going down")
    match request:
        case Scale():
            pool = pool_named(ledger, request.pool)
            check_count(pool, wanted_count(pool, request))
        case Restart():
            pool, number = target_pool(ledger, request.target)
            held(ledger, pool)
            if pool.stopped or (number is not None and ledger.slot(pool.name, number).stopped):
                raise Conflict(f"{request.target} is stopped; `clusterctl start {request.target}` brings it back")
        case Stop():
            held(ledger, target_pool(ledger, request.target)[0])
        case Start():
            # Another worker's restart may wait for just the one that is to be started.
            pool, number = target_pool(ledger, request.target)
            held(ledger, pool, number)
        case Steer():
            check_steer(pool_named(ledger, request.pool), ledger, request)
        case Rotate():
            check_rotate(ledger, request)
        case Reload() | Shutdown() | Upgrade():
            pass
        case _:
            assert_never(request)


def held(ledger: Ledger, pool: Pool, number: int | None = None) -> None:
    """Raise Conflict with the name of what holds the pool, or the slot of that number where one is given.

    Scaling holds nothing: it may be changed any time.
    """
    if pool.rollout is not None:
        rollout = ledger.operations.get(pool.rollout.operation)
        what = f"{pool.rollout.operation} ({rollout.verb})" if rollout else pool.rollout.operation
        raise Conflict(
            f"{pool.name} is held by {what}, a rollout that is {pool.rollout.phase}; "
            f"`clusterctl rollout status {pool.name}` shows it, `rollout abort {pool.name}` ends it"
        )
    for operation in ledger.operations.values():
        if number is not None and number_of(operation.target) not in (None, number):
            continue
        if operation.running and operation.pool == pool.name and isinstance(operation.request, Restart | Stop):
            raise Conflict(f"{pool.name} is held by {operation.id} ({operation.verb}): {operation.progress}")


def wanted_count(pool: Pool, request: Scale) -> int:
    if (request.desired is None) == (request.change is None):
        raise BadSpec("either desired or change is needed")
    return request.desired if request.desired is not None else pool.desired + (request.change or 0)


def check_count(pool: Pool, count: int) -> None:
    if count < 0:
        raise BadSpec(f"{pool.name} cannot have {count} workers; it has {pool.desired}")
    if count > MOST_WORKERS:
        raise BadSpec(f"{pool.name} cannot have {count} workers; {MOST_WORKERS} is the most")
    if (most := room(pool.spec)) is not None and count > most:
        first, last = pool.spec.ports or (0, 0)
        raise BadSpec(
            f"{pool.name} cannot have {count} workers: ports {first}-{last} have room for {most}, "
            f"with {pool.spec.rollout.surge} left for the surge of a rollout"
        )


def room(spec: PoolSpec) -> int | None:
    """How many workers the port range has room for, with the surge of a rollout; None: no range."""
    return None if spec.ports is None else spec.ports[1] - spec.ports[0] + 1 - spec.rollout.surge


def check_steer(pool: Pool, ledger: Ledger, request: Steer) -> None:
    if request.action == "undo":
        held(ledger, pool)
        if pool.stopped:
            raise Conflict(f"{pool.name} is stopped; `clusterctl start {pool.name}` brings it back")
        if pool.previous is None or pool.previous not in pool.revisions:
            raise Conflict(f"{pool.name} has no earlier complete generation to go back to")
        return
    if pool.rollout is None:
        raise Conflict(f"{pool.name} has no rollout under way")
    if pool.rollout.phase is RolloutPhase.ABORTING and request.action != "abort":
        raise Conflict(f"the rollout of {pool.name} is being aborted: {pool.rollout.why}")


def find_backend(ledger: Ledger, target: str) -> tuple[str, Upstream, Backend]:
    """The backend that PROXY/UPSTREAM/BACKEND or a worker names. Raises Unknown, Conflict."""
    if "/" not in target:
        pool, number = target_pool(ledger, target)
        traffic = pool.spec.traffic
        if traffic is None or number is None:
            raise BadSpec(
                f"{target} has no backend: " + ("name one worker" if traffic else "no traffic is configured")
            )
        workers = [w for w in ledger.workers_of(pool.name) if w.slot == number]
        # While a slot is replaced it has two: the one in rotation is meant.
        workers.sort(key=lambda w: (w.phase is not Phase.READY, w.serial))
        upstream = ledger.upstream_of(pool)
        for worker in workers:
            backend = ledger.backend_of(worker)
            if upstream is not None and backend is not None:
                return traffic.proxy, upstream, backend
        raise Unknown(f"{target} has no backend at {traffic.proxy} yet")
    parts = target.split("/", 2)
    proxy, upstream_name, name = (*parts, "", "")[:3]
    state = ledger.proxies.get(proxy)
    if state is None:
        raise Unknown(f"no such proxy: {proxy!r} (there are: {', '.join(sorted(ledger.proxies)) or 'none'})")
    found = state.upstreams.get(upstream_name)
    if found is None:
        raise Unknown(
            f"{proxy} has no upstream {upstream_name!r} (there are: {', '.join(sorted(state.upstreams))})"
        )
    for backend in found.backends:
        if backend.name == name:
            return proxy, found, backend
    names = ", ".join(b.name for b in found.backends) or "none"
    raise Unknown(f"{proxy}/{upstream_name} has no backend {name!r} (there are: {names})")


def in_rotation(upstream: Upstream) -> list[Backend]:
    """Backends that get requests."""
    return [
        b
        for b in upstream.backends
        if b.rotation is Rotation.READY and b.health is not Health.DOWN and b.weight != 0
    ]


def check_rotate(ledger: Ledger, request: Rotate) -> None:
    proxy, upstream, backend = find_backend(ledger, request.target)
    state = ledger.proxies[proxy]
    if not state.reachable:
        raise Conflict(f"{proxy} cannot be reached: {state.why}")
    if request.rotation is not Rotation.READY and request.rotation.value not in state.capabilities:
        why = f": {state.limited}" if state.limited else ""
        raise Conflict(f"{proxy} ({state.spec.kind}) cannot {request.rotation} a backend{why}")
    worker = ledger.worker_at(backend.address)
    if state.spec.embedded and worker is None:
        raise Conflict(f"{request.target} is being removed: no worker fills it any more")
    own = worker is None or ledger.backend_of(worker) is backend
    if request.rotation is Rotation.READY and worker is not None and not own and (kept := ledger.asked_of(worker)):
        name = worker.slot_name
        raise Conflict(
            f"{name} is in {kept} wherever it is listed, as was asked; `clusterctl ready {name}` ends it"
        )
    if request.rotation is Rotation.READY or request.yes:
        return
    places = [(proxy, upstream, backend)]
    if worker is not None and own:
        places += [(there.spec.name, up, one) for there, up, one in elsewhere.listings(ledger, worker)]
    for place in places:
        check_last(ledger, *place)


def check_last(ledger: Ledger, proxy: str, upstream: Upstream, backend: Backend) -> None:
    """Raise NeedsYes where nobody else serves an upstream."""
    # The last reading does not show yet what was asked for since, nor who began to leave.
    leaving = {w.address for w in ledger.workers.values() if w.phase is not Phase.READY}
    serving = [
        b.name
        for b in in_rotation(upstream)
        if (proxy, upstream.name, b.address) not in ledger.asked and b.address not in leaving
    ]
    if serving == [backend.name]:
        raise NeedsYes(
            f"{backend.name} is the last backend of {proxy}/{upstream.name} that serves: "
            f"without it every request is refused; --yes does it all the same"
        )
