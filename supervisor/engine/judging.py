"""Operations followed to their end, after every turn; and when the cluster as a whole is down."""

from msgspec.structs import replace

from supervisor.core.operations import Judgement, judge, long_failed, rotated, still_leaving
from supervisor.engine import elsewhere
from supervisor.engine.desk import Desk
from supervisor.engine.ledger import PROXY_POOL, Ledger, ProxyState
from supervisor.engine.refusing import find_backend
from supervisor.model.errors import BadRequest
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.phases import Phase, Rotation
from supervisor.model.requests import Reload, Restart, Rotate, Shutdown, Upgrade


def judge_all(desk: Desk, now: float) -> bool:
    """Judge what runs; True when an end changed what is wanted, so that pools must be looked at again."""
    again = False
    for operation in [o for o in desk.ledger.operations.values() if o.running]:
        verdict = verdict_of(desk.ledger, operation, now)
        if verdict.failed is not None:
            again = give_up(desk.ledger, operation) or again
            phase = OperationPhase.ABORTED if isinstance(operation.request, Reload) else OperationPhase.FAILED
            desk.end(operation.id, phase, verdict.progress, verdict.failed)
        elif verdict.done:
            desk.end(operation.id, OperationPhase.DONE, verdict.progress)
        elif verdict.progress != operation.progress:
            current = desk.ledger.operations[operation.id]
            desk.ledger.operations[operation.id] = replace(current, progress=verdict.progress)
    return again


def verdict_of(ledger: Ledger, operation: Operation, now: float) -> Judgement:
    request = operation.request
    if isinstance(request, Rotate):
        try:
            proxy, upstream, backend = find_backend(ledger, request.target)
        except BadRequest as error:
            return Judgement("gone", failed=f"{request.target} is no longer there: {error}")
        asked = ledger.asked.get((proxy, upstream.name, backend.address), Rotation.READY)
        if asked is not request.rotation:
            why = f"{request.target} is no longer to be in {request.rotation}, but in {asked}: "
            return Judgement("called off", failed=f"{why}a later request, or another worker in its place")
        if not proves(ledger.proxies[proxy], upstream.name, operation.asked):
            return Judgement(f"waiting for {proxy} to answer")
        judged = rotated(request, backend)
        worker = ledger.worker_at(backend.address)
        if not judged.done or request.rotation is Rotation.READY or worker is None:
            return judged
        # Who names the worker's own backend means the worker, wherever else it is listed; another means itself.
        where = elsewhere.busy(ledger, worker) if ledger.backend_of(worker) is backend else None
        return (
            judged if where is None else Judgement(f"in {request.rotation}; {where} leads to it too, and is busy")
        )
    if isinstance(request, Reload):
        return reload_verdict(ledger, operation, now)
    if isinstance(request, Upgrade):
        return Judgement(operation.progress)
    if isinstance(request, Shutdown):
        left = [w.slot_name for w in ledger.workers.values() if not w.pool.startswith(PROXY_POOL)]
        return Judgement(still_leaving(left) if left else "the proxies are leaving")
    if operation.pool is None or operation.pool not in ledger.pools:
        return Judgement("gone", failed=f"{operation.target} is no longer there")
    return judge(operation, ledger.picture(operation.pool, now))


def proves(state: ProxyState, upstream: str, asked: float) -> bool:
    """Whether the last reading was begun after that moment, and while nobody was changing the upstream."""
    memo = state.memos.get(upstream)
    changed = memo.at if memo is not None else 0.0
    return upstream not in state.converging and state.read.get(upstream, 0.0) >= max(asked, changed)


def reload_verdict(ledger: Ledger, operation: Operation, now: float) -> Judgement:
    """All proxies and pools settled; those that were aborted have said so when their rollout ended."""
    waiting = [f"{name}: {state.awaited}" for name, state in ledger.proxies.items() if state.awaited]
    for name, state in ledger.proxies.items():
        if state.refused and not state.awaited:
            return Judgement(f"{name} is as it was", failed=f"{name}: {state.refused}")
    for name in ledger.pools:
        if name.startswith(PROXY_POOL):
            continue
        verdict = judge(operation, ledger.picture(name, now))
        if verdict.failed is not None:
            return verdict
        if not verdict.done:
            waiting.append(f"{name}: {verdict.progress}")
    if waiting:
        return Judgement("; ".join(waiting))
    slots = [slot for name in ledger.pools for slot in ledger.slots.get(name, {}).values()]
    given_up = [slot.name for slot in slots if long_failed(slot, operation.asked)]
    more = f"; given up before: {', '.join(given_up)}" if given_up else ""
    return Judgement(f"all is as configured{more}", done=True)


def give_up(ledger: Ledger, operation: Operation) -> bool:
    """A restart of one worker that failed is called off: the old worker is wanted again."""
    if not isinstance(operation.request, Restart) or not operation.serials:
        return False
    for serial in operation.serials:
        worker = ledger.workers.get(serial)
        if worker is not None:
            ledger.workers[serial] = replace(worker, condemned=None)
    return True


def rotating(ledger: Ledger, proxy: str) -> set[str]:
    """Upstreams in which an operator's rotation is not there yet."""
    found: set[str] = set()
    for operation in ledger.operations.values():
        if not operation.running or not isinstance(operation.request, Rotate):
            continue
        try:
            where, upstream, _ = find_backend(ledger, operation.request.target)
        except BadRequest:
            continue
        if where == proxy:
            found.add(upstream.name)
    return found


def all_down(ledger: Ledger) -> bool:
    return ledger.stopping and not any(w.phase is not Phase.GONE for w in ledger.workers.values())
