"""One turn of one pool: it is looked at whole, and the deeds that follow are collected."""

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from supervisor.core.backoff import after_end, forgive
from supervisor.core.lifecycle import deadline
from supervisor.core.ports import address_for
from supervisor.core.reconcile import Plan, reconcile
from supervisor.core.rollout import Advance, advance
from supervisor.core.rotation import View
from supervisor.engine.desk import Desk, rfc3339
from supervisor.engine.intake import take, tell_slot
from supervisor.engine.ledger import Ledger
from supervisor.model.backends import Backend
from supervisor.model.deeds import Converge, Dismiss, DropSlot, Signal, Spawn
from supervisor.model.events import Level
from supervisor.model.facts import Dismissed, TimePassed
from supervisor.model.operations import OperationPhase
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.pools import Pool, RolloutPhase
from supervisor.model.workers import End, Worker

FRESH = 200
"""Requests that a server just added may have had before it is first seen."""
BIRTHS = 40
"""Workers started in one turn: each takes a tenth of a millisecond, and others want their turn too."""
PASSES = 6
"""A dismissal may allow a start, and so on; what is left after so many is done in the next turn."""


@dataclass
class Turn:
    """What one turn asks to be done, and when to take the next one though nothing happens."""

    now: float
    wall: float
    free: Callable[[int], bool]
    """Whether nobody listens on a port."""
    signals: list[Signal] = field(default_factory=list)
    births: list[Worker] = field(default_factory=list)
    changes: list[Converge] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)


def take_turn(desk: Desk, turn: Turn, name: str) -> None:
    """Look at a pool until it needs nothing more."""
    if name not in desk.ledger.pools:
        return
    watch_deadlines(desk, turn, name)
    for _ in range(PASSES):
        if not look(desk, turn, name):
            break
    else:
        turn.wakes.append(turn.now)


def watch_deadlines(desk: Desk, turn: Turn, name: str) -> None:
    ledger = desk.ledger
    for worker in ledger.workers_of(name):
        if worker.phase is Phase.READY:
            continue  # it has none, and most are ready
        spec = ledger.pools[name].revision(worker.generation)
        due = deadline(worker, spec)
        if due is not None and due <= turn.now:
            turn.signals += take(desk, worker.serial, TimePassed(), turn.now)
            moved = ledger.workers.get(worker.serial)
            due = deadline(moved, spec) if moved else None
        if due is not None:
            turn.wakes.append(due)


def look(desk: Desk, turn: Turn, name: str) -> bool:
    """One look at one pool; True when something was changed and another look may find more."""
    mark_serving(desk, turn, name)
    ledger = desk.ledger
    pool = ledger.pools[name]
    if pool.rollout is not None and roll(desk, turn, pool):
        return True
    plan: Plan = reconcile(ledger.picture(name, turn.now))
    if plan.wake is not None:
        turn.wakes.append(plan.wake)
    for waiting in [slot for slot in ledger.waits if slot.startswith(f"{name}.")]:
        del ledger.waits[waiting]
    ledger.waits.update({f"{name}.{number}": what for number, what in plan.waits.items()})
    born, full = len(turn.births), False
    for deed in plan.deeds:
        match deed:
            case Spawn() if len(turn.births) >= BIRTHS:
                full = True
            case Spawn():
                give_birth(desk, turn, deed)
            case Dismiss():
                fact = Dismissed(serial=deed.serial, why=deed.why, force=deed.force)
                turn.signals += take(desk, deed.serial, fact, turn.now)
            case DropSlot():
                ledger.slots.get(name, {}).pop(deed.slot, None)
    if pool.leaving and not ledger.workers_of(name):
        del ledger.pools[name]
        ledger.slots.pop(name, None)
        desk.say("pool-removed", name, "no longer configured; its workers are gone")
        return False
    if full:
        turn.wakes.append(turn.now)  # the others in the next turn
    # Births change nothing for the others; only those that failed, or deeds that take away, let more be found.
    failed = not full and len(turn.births) - born < len(plan.deeds)
    return failed or any(not isinstance(deed, Spawn) for deed in plan.deeds)


def mark_serving(desk: Desk, turn: Turn, name: str) -> None:
    """Note since when each worker serves without a break, and what its backend had counted until then."""
    picture = desk.ledger.picture(name, turn.now)
    traffic = picture.pool.spec.traffic
    state = desk.ledger.proxies.get(traffic.proxy) if traffic else None
    if state is not None and state.seen is None:
        return  # the engine has just begun: what was so before is so until the proxy says otherwise
    inherited = state.inherited.get(traffic.upstream, {}) if state and traffic else {}
    for worker in picture.workers:
        if traffic is None and (worker.phase is Phase.READY) == (worker.serving_since is not None):
            continue  # it is ready or it is not, and that is all; there may be a thousand
        serves = picture.serves(worker)
        view = picture.views.get(worker.serial)
        backend = view.backend if view else None
        known = worker.baseline
        if backend is not None and worker.phase is Phase.READY:
            known = counted_before(known, backend, inherited.get(backend.address))
        met = worker.met or (worker.phase is Phase.READY and view is not None and meets(worker, view))
        if serves == (worker.serving_since is not None) and (known, met) == (worker.baseline, worker.met):
            continue
        since = (worker.serving_since or turn.now) if serves else None
        desk.ledger.workers[worker.serial] = replace(worker, serving_since=since, baseline=known, met=met)
        if serves and worker.serving_since is None and backend is not None:
            text = f"serves: {backend.name} is up and in rotation"
            desk.say("worker-serving", worker.slot_name, text, pool=name, pid=worker.pid)


def meets(worker: Worker, view: View) -> bool:
    """Whether its backend is in rotation and not down, by a reading that can be about this worker."""
    backend = view.backend
    if backend is None or view.read < worker.since:
        return False
    return backend.rotation is Rotation.READY and backend.health is not Health.DOWN


def counted_before(
    known: tuple[int, int] | None, backend: Backend, inherited: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Requests and errors that a backend had counted before this worker, `known` as far as it was already.

    A server that was added for it counts from zero, and has had traffic since: its first errors are the worker's.
    One that was given its address goes on from what it had; one that the proxy knew before is far beyond that.
    """
    requests, errors = backend.requests_total or 0, backend.errors_total or 0
    if known is not None:
        # Below that they began again, as after a restart of the proxy: all that they count is this worker's.
        return (0, 0) if requests < known[0] or errors < known[1] else known
    if inherited is not None:
        return inherited
    return (0, 0) if backend.added and requests < FRESH else (requests, errors)


def roll(desk: Desk, turn: Turn, pool: Pool) -> bool:
    """One step of the pool's rollout; True when it turned slots or ended."""
    ledger = desk.ledger
    assert pool.rollout is not None
    move: Advance = advance(ledger.picture(pool.name, turn.now))
    if move.wake is not None:
        turn.wakes.append(move.wake)
    if move.waiting:
        ledger.waits[pool.name] = move.waiting
    else:
        ledger.waits.pop(pool.name, None)
    tell_rollout(desk, pool, move)
    for number in move.proven:
        slot = ledger.slot(pool.name, number)
        if not slot.proven:
            ledger.keep(replace(slot, proven=True))
    for number, generation in move.turn.items():
        slot = forgive(ledger.slot(pool.name, number))
        ledger.keep(replace(slot, generation=generation, proven=False))
    rollout = move.rollout
    if move.ended is None:
        ledger.pools[pool.name] = replace(pool, rollout=rollout)
        return bool(move.turn)
    end_rollout(desk, turn, pool, move)
    return True


def tell_rollout(desk: Desk, pool: Pool, move: Advance) -> None:
    before, after = pool.rollout, move.rollout
    assert before is not None
    if after.phase is not before.phase and after.phase in (RolloutPhase.ABORTING, RolloutPhase.HOLDING):
        level: Level = "error" if after.phase is RolloutPhase.ABORTING else "info"
        desk.say("rollout", pool.name, f"rollout {after.phase}: {after.why}", level=level, pool=pool.name)
    if after.phase is RolloutPhase.RUNNING and move.turn and move.ended is None:
        names = ", ".join(f"{pool.name}.{n}" for n in move.turn)
        desk.say("rollout", pool.name, f"replacing {names} by generation {after.to_generation}", pool=pool.name)


def end_rollout(desk: Desk, turn: Turn, pool: Pool, move: Advance) -> None:
    rollout = move.rollout
    ledger = desk.ledger
    ledger.waits.pop(pool.name, None)
    if move.ended == "done":
        last = f"{rollout.operation} to generation {rollout.to_generation} done {rfc3339(turn.wall)}"
        done = replace(
            pool,
            rollout=None,
            last_rollout=last,
            turned_back=False,
            complete=rollout.to_generation,
            previous=rollout.from_generation,
        )
        ledger.pools[pool.name] = prune(done)
        progress = f"all of {pool.name} is generation {rollout.to_generation}"
        desk.end(rollout.operation, OperationPhase.DONE, progress)
        return
    last = f"{rollout.operation} to generation {rollout.to_generation} aborted {rfc3339(turn.wall)}: {rollout.why}"
    ledger.pools[pool.name] = prune(replace(pool, rollout=None, last_rollout=last, turned_back=True))
    old = rollout.from_generation
    progress = f"{pool.name} serves generation {old}, as before"
    if not any(w.generation == old and w.phase is Phase.READY for w in ledger.workers_of(pool.name)):
        progress = f"{pool.name} is to have generation {old} again, of which no worker is ready either"
    desk.end(rollout.operation, OperationPhase.ABORTED, progress, rollout.why)


def prune(pool: Pool) -> Pool:
    """Keep the specs that are still of use: the complete generation and the one that undo goes back to."""
    useful = {pool.complete, pool.previous}
    return replace(pool, revisions={n: spec for n, spec in pool.revisions.items() if n in useful})


def give_birth(desk: Desk, turn: Turn, deed: Spawn) -> None:
    """A new worker in the ledger; its program is started when the journal has it."""
    ledger = desk.ledger
    pool = ledger.pools[deed.pool]
    spec = pool.revision(deed.generation)
    ledger.keep(replace(ledger.slot(deed.pool, deed.slot), generation=deed.generation, retry_at=None))
    address = spec.listen
    if spec.ports is not None:
        used = [w.address for w in ledger.workers.values() if w.address is not None]
        address = address_for(spec, deed.slot, used, turn.free, misnamed(ledger, pool, deed.slot))
        if address is None:
            no_address(desk, turn, deed)
            return
    ledger.counters = replace(ledger.counters, serial=ledger.counters.serial + 1)
    worker = Worker(
        serial=ledger.counters.serial,
        pool=deed.pool,
        slot=deed.slot,
        generation=deed.generation,
        address=address,
        log=log_path(desk, deed),
        since=turn.now,
        asked=turn.now,
    )
    inherit(desk, worker)
    ledger.workers[worker.serial] = worker
    turn.births.append(worker)
    turn.wakes.append(turn.now + spec.ready.timeout)


def inherit(desk: Desk, worker: Worker) -> None:
    """An operator keeps a backend out of rotation until he says otherwise, whoever fills its slot meanwhile."""
    ledger = desk.ledger
    slot = ledger.slot(worker.pool, worker.slot)
    before = [ledger.asked_of(w) for w in ledger.workers_of(worker.pool) if w.slot == worker.slot and w.live]
    rotation = next((asked for asked in before if asked is not None), slot.kept_out)
    traffic = ledger.pools[worker.pool].spec.traffic
    if slot.kept_out is not None:
        ledger.keep(replace(slot, kept_out=None))
    if rotation is None or traffic is None or worker.address is None:
        return
    ledger.asked[traffic.proxy, traffic.upstream, worker.address] = rotation
    text = f"its new worker stays in {rotation}, as an operator asked: `clusterctl ready {slot.name}` ends that"
    desk.say("rotation-kept", slot.name, text, pool=worker.pool)


def misnamed(ledger: Ledger, pool: Pool, slot: int) -> list[str]:
    """Addresses that we added to the proxy under another slot's name and that it has not let go of yet."""
    upstream = ledger.upstream_of(pool)
    name = f"{pool.name}.{slot}"
    backends = upstream.backends if upstream else ()
    return [b.address for b in backends if b.added and b.name.partition(":")[0] != name]


def log_path(desk: Desk, deed: Spawn) -> str:
    """A file of its own among the live: a slot that is being replaced has two."""
    taken = {worker.log for worker in desk.ledger.workers.values()}
    base = f"{desk.ledger.spec.state_dir}/logs/{deed.pool}.{deed.slot}"
    path, number = f"{base}.log", 1
    while path in taken:
        path, number = f"{base}+{number}.log", number + 1
    return path


def no_address(desk: Desk, turn: Turn, deed: Spawn) -> None:
    """Every port is taken: that counts as a death, so that it backs off and is given up like any other."""
    ledger = desk.ledger
    pool = ledger.pools[deed.pool]
    ports = pool.revision(deed.generation).ports
    why = "no port"
    if ports:
        # Who they are is not looked for here: no turn waits for a walk through all processes.
        why = f"no free port in {ports[0]}-{ports[1]}: all are used, or taken by others (`ss -ltnp` names them)"
    ghost = Worker(serial=0, pool=deed.pool, slot=deed.slot, generation=deed.generation, address=None)
    slot = ledger.slot(deed.pool, deed.slot)
    end = End(wall=turn.wall, why=why, generation=deed.generation)
    after = after_end(slot, ghost, end, pool.spec.restart, turn.now, 0.5)
    ledger.keep(after)
    desk.say("worker-not-started", slot.name, why, level="error", pool=deed.pool)
    tell_slot(desk, slot, after, turn.now)
