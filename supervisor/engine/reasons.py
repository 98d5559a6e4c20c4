"""Why a worker or a pool is as it is, where that is not plain: one sentence each."""

from supervisor.core.sharing import shared_addresses, socket_name
from supervisor.engine.ledger import Ledger
from supervisor.model.backends import Backend
from supervisor.model.phases import Phase, Rotation
from supervisor.model.pools import Pool
from supervisor.model.workers import Worker


def worker_why(ledger: Ledger, pool: Pool, worker: Worker, backend: Backend | None) -> str | None:
    """Why it is where it is, where that is not plain."""
    match worker.phase:
        case Phase.STARTING:
            return worker.why or ("waiting for its first answer" if worker.pid else "the keeper is starting it")
        case Phase.DRAINING:
            flight = f"{backend.in_flight} in flight; " if backend and backend.in_flight is not None else ""
            return f"{flight}{worker.stop_why}"
        case Phase.STOPPING:
            return worker.failed or worker.stop_why
        case Phase.READY | Phase.GONE:
            pass
    if worker.condemned:
        wait = ledger.waits.get(worker.slot_name)
        return f"{worker.condemned}; waiting for {wait}" if wait else worker.condemned
    if worker.misses:
        return f"{worker.misses} liveness {'miss' if worker.misses == 1 else 'misses'}: {worker.why}"
    traffic = pool.spec.traffic
    state = ledger.proxies.get(traffic.proxy) if traffic else None
    if traffic is not None and state is not None and not state.reachable:
        return f"{traffic.proxy} cannot be reached"
    if traffic is None or worker.serving_since is not None:
        return leaving_why(ledger, pool, worker)
    memo = state.memos.get(traffic.upstream) if state else None
    if memo is not None and memo.failed is not None:
        return f"{traffic.proxy} cannot be changed: {memo.failed}"
    if backend is None:
        return pool_why(ledger, pool) or f"{traffic.proxy} does not have it yet"
    if backend.rotation is Rotation.READY and backend.weight == 0:
        return f"weight 0 at {traffic.proxy}: it gets no requests"
    return f"{backend.rotation} at {traffic.proxy}, health {backend.health}"


def leaving_why(ledger: Ledger, pool: Pool, worker: Worker) -> str | None:
    """Of a worker that serves: what its end waits for. Its successor beside it, for which it waits, stays."""
    if (wait := ledger.waits.get(worker.slot_name)) is None:
        return None
    if worker.slot >= pool.desired:
        return f"to leave; waiting for {wait}"
    stays = worker.generation == ledger.slot(worker.pool, worker.slot).generation
    return None if stays else f"to be replaced; waiting for {wait}"


def pool_why(ledger: Ledger, pool: Pool) -> str | None:
    if pool.leaving:
        return "no longer configured; its workers are leaving"
    if pool.stopped:
        return "stopped by an operator"
    for address in shared_addresses(pool, ledger.workers_of(pool.name)):
        if why := ledger.sockets.get(socket_name(pool.name, address), "its socket is being opened"):
            return why
    traffic = pool.spec.traffic
    state = ledger.proxies.get(traffic.proxy) if traffic else None
    if traffic and state and state.reachable and traffic.upstream not in state.upstreams:
        return f"{traffic.proxy} has no upstream {traffic.upstream!r}"
    return None
