"""What an operator's request changes, or why it is refused. Only what is wanted is changed here, never what is."""

from typing import assert_never

from msgspec.structs import replace

from supervisor.core.backoff import forgive
from supervisor.core.operations import settled
from supervisor.core.rotation import quiet
from supervisor.engine.desk import Desk
from supervisor.engine.ledger import Ledger
from supervisor.engine.refusing import check, find_backend, pool_of, target_pool, wanted_count
from supervisor.model.errors import BadRequest
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.phases import Phase, Rotation
from supervisor.model.pools import Pool, Rollout, RolloutPhase
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
from supervisor.model.text import plural


def ask(desk: Desk, request: AnyRequest, now: float, wall: float) -> Operation:
    """Take a request: the operation that it became, ended at once where all was so already. Raises BadRequest."""
    ledger = desk.ledger
    check(ledger, request)
    if isinstance(request, Shutdown | Reload | Upgrade):
        raise BadRequest(f"{type(request).__name__} is not a change of a pool")
    number = ledger.counters.operation + 1
    ledger.counters = replace(ledger.counters, operation=number)
    pool = pool_of(ledger, request)
    operation = Operation(
        id=f"op-{number}",
        request=request,
        verb=verb(request),
        target=request.pool if isinstance(request, Scale | Steer) else request.target,
        pool=pool.name if pool else None,
        asked=now,
        asked_wall=wall,
    )
    desk.begin(operation)
    already = change(desk, operation, request, now, wall)
    if already is not None:
        desk.end(operation.id, OperationPhase.DONE, already)
    return ledger.operations[operation.id]


def verb(request: AnyRequest) -> str:
    """The request as it would be typed."""
    match request:
        case Scale():
            wanted = f"{request.change:+d}" if request.desired is None else str(request.desired)
            return f"scale {request.pool}={wanted}"
        case Restart() | Stop() | Start():
            return f"{type(request).__name__.lower()} {request.target}"
        case Rotate():
            return f"{request.rotation} {request.target}"
        case Steer():
            return f"rollout {request.action} {request.pool}"
        case Reload():
            return "reload"
        case Upgrade():
            return "upgrade"
        case Shutdown():
            return "down --keep-workers" if request.keep_workers else "down"
        case _:
            assert_never(request)


def change(desk: Desk, operation: Operation, request: AnyRequest, now: float, wall: float) -> str | None:
    """Change what is wanted. A sentence when all was so already."""
    ledger = desk.ledger
    match request:
        case Scale():
            return scale(ledger, request)
        case Restart():
            return restart(desk, operation, request, now, wall)
        case Stop() | Start():
            return stop_or_start(ledger, request, now)
        case Steer():
            return steer(desk, operation, request, now, wall)
        case Rotate():
            return rotate(ledger, request, now)
        case Reload() | Shutdown() | Upgrade():
            return None
        case _:
            assert_never(request)


def scale(ledger: Ledger, request: Scale) -> str | None:
    pool = ledger.pools[request.pool]
    count = wanted_count(pool, request)
    if count == pool.desired:
        return f"{pool.name} has {plural(count, 'worker')} already"
    ledger.pools[pool.name] = replace(pool, desired=count)
    return None


def restart(desk: Desk, operation: Operation, request: Restart, now: float, wall: float) -> str | None:
    ledger = desk.ledger
    pool, number = target_pool(ledger, request.target)
    if number is None:
        begin_rollout(ledger, pool, operation.id, pool.revision(pool.complete), now, wall)
        return None
    ledger.keep(forgive(ledger.slot(pool.name, number)))
    serials: list[int] = []
    for worker in ledger.workers_of(pool.name):
        if worker.slot == number and worker.phase in (Phase.STARTING, Phase.READY):
            why = f"restart asked by {request.actor}"
            ledger.workers[worker.serial] = replace(worker, condemned=why, reprieved=None)
            serials.append(worker.serial)
    ledger.operations[operation.id] = replace(ledger.operations[operation.id], serials=tuple(serials))
    return None


def begin_rollout(
    ledger: Ledger,
    pool: Pool,
    operation: str,
    spec: PoolSpec,
    now: float,
    wall: float,
    generation: int | None = None,
) -> None:
    """Start a rollout to `generation`, or to a new one of `spec`."""
    target = pool.generation + 1 if generation is None else generation
    for worker in ledger.workers_of(pool.name):
        # What an earlier attempt ran into must not count against this one.
        ledger.workers[worker.serial] = replace(worker, reprieved=None)
    rollout = Rollout(
        operation=operation,
        from_generation=pool.complete,
        to_generation=target,
        started=now,
        started_wall=wall,
    )
    revisions = {pool.complete: pool.revision(pool.complete), **pool.revisions, target: spec}
    ledger.pools[pool.name] = replace(
        pool, generation=max(pool.generation, target), revisions=revisions, rollout=rollout
    )


def stop_or_start(ledger: Ledger, request: Stop | Start, now: float) -> str | None:
    pool, number = target_pool(ledger, request.target)
    stop = isinstance(request, Stop)
    slots = ledger.slots.get(pool.name, {})
    if number is None:
        if pool.stopped == stop and (stop or not any(s.stopped or s.failed or s.finished for s in slots.values())):
            return so_already(ledger, request, now)
        ledger.pools[pool.name] = replace(pool, stopped=stop)
        for n, slot in slots.items():
            slots[n] = slot if stop else replace(forgive(slot), stopped=False)
        return None
    if not stop and pool.stopped:
        # One worker of a stopped pool is wanted: the others stay down, each by its own mark.
        ledger.pools[pool.name] = replace(pool, stopped=False)
        for n, slot in slots.items():
            slots[n] = replace(slot, stopped=True)
    slot = slots[number]
    slots[number] = replace(slot, stopped=True) if stop else replace(forgive(slot), stopped=False)
    return so_already(ledger, request, now) if slot.stopped == stop and not slot.failed else None


def so_already(ledger: Ledger, request: Stop | Start, now: float) -> str | None:
    """A sentence where nothing is left to be done; None: it is under way, and followed to the same end."""
    pool, number = target_pool(ledger, request.target)
    picture = ledger.picture(pool.name, now)
    sentence = f"{request.target} {'is stopped' if isinstance(request, Stop) else 'serves'} already"
    if isinstance(request, Stop):
        return None if any(number in (None, worker.slot) for worker in picture.workers) else sentence
    return sentence if settled(picture, sentence, only=number).done else None


def steer(desk: Desk, operation: Operation, request: Steer, now: float, wall: float) -> str | None:
    ledger = desk.ledger
    pool = ledger.pools[request.pool]
    if request.action == "undo":
        assert pool.previous is not None
        spec = pool.revision(pool.previous)
        begin_rollout(ledger, pool, operation.id, spec, now, wall, generation=pool.previous)
        back = ledger.pools[pool.name]
        if back.rollout is not None:
            # What served before needs no canary, and who undoes is in a hurry.
            ledger.pools[pool.name] = replace(back, rollout=replace(back.rollout, released=True))
        return None
    rollout = pool.rollout
    assert rollout is not None
    match request.action:
        case "pause":
            if rollout.phase is RolloutPhase.PAUSED:
                return "the rollout is paused already"
            why = f"paused by {request.actor}"
            ledger.pools[pool.name] = replace(pool, rollout=replace(rollout, phase=RolloutPhase.PAUSED, why=why))
            return f"the rollout of {pool.name} is paused; the slot under way is finished"
        case "resume":
            if rollout.phase is RolloutPhase.RUNNING:
                return "the rollout is running already"
            released = rollout.released or rollout.phase is RolloutPhase.HOLDING
            going = replace(rollout, phase=RolloutPhase.RUNNING, why=None, released=released)
            ledger.pools[pool.name] = replace(pool, rollout=going)
            return None
        case "abort":
            if rollout.phase is RolloutPhase.ABORTING:
                return None  # followed to the same end
            why = f"aborted by {request.actor}"
            ledger.pools[pool.name] = replace(pool, rollout=replace(rollout, phase=RolloutPhase.ABORTING, why=why))
            return None
        case _:
            assert_never(request.action)


def rotate(ledger: Ledger, request: Rotate, now: float) -> str | None:
    proxy, upstream, backend = find_backend(ledger, request.target)
    key = (proxy, upstream.name, backend.address)
    if request.rotation is backend.rotation is Rotation.READY and key not in ledger.asked:
        return f"{request.target} is in rotation already"
    if request.rotation is Rotation.READY:
        ledger.asked.pop(key, None)
        ledger.put_back[key] = now
        vacant = [s for slots in ledger.slots.values() for s in slots.values() if s.kept_out is not None]
        for slot in vacant:
            if slot.name == backend.name.partition(":")[0]:
                ledger.keep(replace(slot, kept_out=None))
        return None
    so = ledger.asked.get(key) is request.rotation is backend.rotation and quiet(backend)
    ledger.asked[key] = request.rotation
    return f"{request.target} is in {request.rotation} already, nothing in flight" if so else None
