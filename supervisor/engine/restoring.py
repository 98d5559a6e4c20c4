"""The ledger after a restart: what the journal says, held against what the keeper holds."""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supervisor.engine.desk import Desk
from supervisor.engine.ledger import Asked, Counters, Ledger
from supervisor.model.deeds import Signal
from supervisor.model.launch import Held, Spawned
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.phases import Phase
from supervisor.model.pools import Pool
from supervisor.model.requests import Shutdown, Upgrade
from supervisor.model.spec import ClusterSpec
from supervisor.model.workers import Slot, Worker

T = TypeVar("T", bound=Struct)


def restore(ledger: Ledger, records: Mapping[str, bytes], boot: str) -> list[str]:
    """Fill the ledger from the journal; returns the keys that could not be read. Raises nothing."""
    unread: list[str] = []

    def decode(key: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(records[key], type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            unread.append(key)
            return None

    for key in records:
        what, _, rest = key.partition("/")
        if what == "counters" and (counters := decode(key, Counters)):
            ledger.counters = counters
        elif what == "pool" and (pool := decode(key, Pool)):
            ledger.pools[pool.name] = pool
        elif what == "slot" and (slot := decode(key, Slot)):
            ledger.keep(slot)
        elif what == "worker" and (worker := decode(key, Worker)):
            ledger.workers[worker.serial] = worker
        elif what == "operation" and (operation := decode(key, Operation)):
            ledger.operations[operation.id] = operation
        elif what == "asked" and (asked := decode(key, Asked)):
            proxy, _, more = rest.partition("/")
            upstream, _, address = more.partition("/")
            ledger.asked[proxy, upstream, address] = asked.rotation
    sort_out(ledger)
    if ledger.counters.boot != boot:
        forget_boot(ledger)
        ledger.counters = replace(ledger.counters, boot=boot)
    return unread


def sort_out(ledger: Ledger) -> None:
    """Make up for lost pools; leave out what refers to nothing; order what was written in another order."""
    highest = max(ledger.workers, default=0)
    for spec in ledger.spec.pools:
        if spec.name not in ledger.pools:
            # Configured, and its record was damaged: what runs of it is what was wanted.
            newest = max((w.generation for w in ledger.workers_of(spec.name)), default=1)
            ledger.pools[spec.name] = Pool(
                spec=spec, desired=spec.workers, generation=newest, complete=newest, revisions={newest: spec}
            )
    for name in ledger.slots.keys() - ledger.pools.keys():
        del ledger.slots[name]
    for serial, worker in list(ledger.workers.items()):
        if worker.pool not in ledger.pools:
            del ledger.workers[serial]
    if highest > ledger.counters.serial:
        ledger.counters = replace(ledger.counters, serial=highest)
    by_number = sorted(ledger.operations.values(), key=lambda o: int(o.id.rpartition("-")[2] or 0))
    ledger.operations = {operation.id: operation for operation in by_number}
    ledger.workers = dict(sorted(ledger.workers.items()))


def forget_boot(ledger: Ledger) -> None:
    """The machine was started anew: monotonic times of before mean nothing, and nobody lives."""
    ledger.workers.clear()
    ledger.counters = replace(ledger.counters, keeper=0, keeper_ticks=0)
    for slots in ledger.slots.values():
        for number, slot in slots.items():
            slots[number] = replace(slot, deaths=(), delay=0.0, retry_at=None)


def settle_workers(
    ledger: Ledger, held: Iterable[Held], told: set[int], now: float
) -> tuple[list[Spawned], list[int]]:
    """Match journaled workers with living ones: starts that we never heard of, and ends that nobody can tell.

    `told` are the serials whose exits the keeper tells by itself.
    """
    living = {one.serial: one for one in held}
    begun: list[Spawned] = []
    ended: list[int] = []
    for serial, worker in list(ledger.workers.items()):
        one = living.get(serial)
        if one is None and serial not in told and worker.pid is None:
            del ledger.workers[serial]  # its start was journaled, but never asked for
        elif one is None and serial not in told:
            ended.append(serial)
        elif one is not None and worker.pid is None:
            begun.append(Spawned(serial=serial, pid=one.pid, started=one.started, started_wall=one.started_wall))
        if one is not None and worker.phase is Phase.STARTING:
            # It may have become ready since, and serve: a full disk would not let our predecessor write so.
            # Its time to get ready counts anew, for it is asked anew.
            ledger.workers[serial] = replace(worker, exposed=True, since=now)
    # A serial is never given twice, though the journal may have lost the count.
    highest = max((*living, *told), default=0)
    ledger.counters = replace(ledger.counters, serial=max(ledger.counters.serial, highest))
    return begun, ended


def owed(ledger: Ledger, held: Iterable[Held]) -> list[Signal]:
    """Signals that were decided and journaled and that the keeper never sent: we died between the two."""
    signals: list[Signal] = []
    for one in held:
        worker = ledger.workers.get(one.serial)
        if worker is None or worker.phase is not Phase.STOPPING or worker.pid is None:
            continue
        stop = ledger.pools[worker.pool].revision(worker.generation).stop.signal
        signal = "KILL" if worker.killed else stop
        if signal not in one.signals:
            signals.append(Signal(serial=one.serial, signal=signal))
    return signals


def take_in_unknown(desk: Desk, held: Iterable[Held], now: float) -> list[Signal]:
    """Living processes that the journal lost; those that no pool wants any more are told to stop."""
    signals: list[Signal] = []
    # Of a rollout that the journal lost, the newest generation is what was wanted.
    for one in sorted(held, key=generation_of, reverse=True):
        if one.serial not in desk.ledger.workers and not take_in(desk, one, now):
            text = f"pid {one.pid} runs for nothing that is configured; stopping it"
            desk.say("worker-unwanted", one.name, text, level="warning", pid=one.pid)
            signals.append(Signal(serial=one.serial, signal="TERM"))
    return signals


def generation_of(one: Held) -> int:
    """What its note says; 0 where that makes no sense."""
    told = one.note.get("generation", "")
    return int(told) if told.isdecimal() else 0


def take_in(desk: Desk, one: Held, now: float) -> bool:
    """A worker that the journal lost: its note says where it belongs; its readiness is asked anew."""
    ledger = desk.ledger
    pool = ledger.pools.get(one.note.get("pool", ""))
    number, generation = one.note.get("slot", ""), generation_of(one)
    if pool is None or not number.isdecimal() or not generation:
        return False
    if not ledger.slots.get(pool.name) and generation > pool.generation:
        # Nothing at all is remembered of the pool: what runs is what was wanted.
        pool = replace(pool, generation=generation, complete=generation, revisions={generation: pool.spec})
        ledger.pools[pool.name] = pool
    elif generation > pool.generation:
        # Of a rollout that the journal lost: it serves until it is replaced, and its number is not given again.
        pool = ledger.pools[pool.name] = replace(pool, generation=generation)
    spec = pool.revision(generation)
    # Nobody says so twice, and the line may have been rotated away; one that had not in its time would not live.
    said = spec.ready.notify or spec.ready.log is not None
    ready = not spec.ready.asks or (said and now - one.started > spec.ready.timeout)
    worker = Worker(
        serial=one.serial,
        pool=pool.name,
        slot=int(number),
        generation=generation,
        address=one.note.get("address") or None,
        log=one.note.get("log", ""),
        phase=Phase.READY if ready else Phase.STARTING,
        exposed=True,
        # Its time to get ready counts from now: it may have been ready for days.
        since=now,
        asked=now,
        ready_at=now if ready else None,
        pid=one.pid,
        started=one.started,
        started_wall=one.started_wall,
    )
    ledger.workers[one.serial] = worker
    ledger.keep(ledger.slot(pool.name, worker.slot))
    desk.say("worker-adopted", worker.slot_name, f"pid {one.pid} taken in again", pool=pool.name, pid=one.pid)
    return True


def resume(desk: Desk, again: bool) -> None:
    """Take up what our predecessor was asked for the cluster as a whole, or close it where it is long over."""
    for operation in [o for o in desk.ledger.operations.values() if o.running]:
        match operation.request:
            case Upgrade(python=python) if python in (None, sys.executable):
                desk.end(operation.id, OperationPhase.DONE, f"the installed engine runs, pid {os.getpid()}")
            case Upgrade(python=python):
                why = f"the engine of {python} did not come up; the one before it goes on"
                desk.end(operation.id, OperationPhase.FAILED, "the engine is the one before", why)
            case Shutdown(keep_workers=False) if again:
                desk.ledger.stopping = True
            case Shutdown():
                desk.end(operation.id, OperationPhase.DONE, "the cluster was down")


def journaled_spec(records: Mapping[str, bytes]) -> ClusterSpec | None:
    """The configuration that was in force, so that a restart of the engine alone does not read the file again."""
    try:
        return msgspec.json.decode(records["spec"], type=ClusterSpec)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None
