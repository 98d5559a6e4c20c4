"""The ledger after a restart: what the journal says, held against what the keeper holds."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supervisor.engine.desk import Desk
from supervisor.engine.ledger import Asked, Counters, Ledger
from supervisor.model.launch import Held
from supervisor.model.operations import Operation
from supervisor.model.phases import Phase
from supervisor.model.pools import Pool
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
    """Leave out what refers to a record that was lost; order what was written in another order."""
    for name in ledger.slots.keys() - ledger.pools.keys():
        del ledger.slots[name]
    for serial, worker in list(ledger.workers.items()):
        if worker.pool not in ledger.pools:
            del ledger.workers[serial]
    highest = max(ledger.workers, default=0)
    if highest > ledger.counters.serial:
        ledger.counters = replace(ledger.counters, serial=highest)
    by_number = sorted(ledger.operations.values(), key=lambda o: int(o.id.rpartition("-")[2] or 0))
    ledger.operations = {operation.id: operation for operation in by_number}
    ledger.workers = dict(sorted(ledger.workers.items()))


def forget_boot(ledger: Ledger) -> None:
    """The machine was started anew: monotonic times of before mean nothing, and nobody lives."""
    ledger.workers.clear()
    for slots in ledger.slots.values():
        for number, slot in slots.items():
            slots[number] = replace(slot, deaths=(), delay=0.0, retry_at=None)


def settle_workers(desk: Desk, held: Iterable[Held], told: set[int]) -> list[int]:
    """Match journaled workers with living ones; returns serials whose end nobody can tell.

    `told` are the serials whose exits the keeper tells by itself. A living process that the journal does not
    know is taken in by the note that the keeper kept with it.
    """
    ledger = desk.ledger
    living = {one.serial: one for one in held}
    ended: list[int] = []
    for serial, worker in list(ledger.workers.items()):
        one = living.get(serial)
        if one is not None:
            if worker.pid is None:
                ledger.workers[serial] = replace(
                    worker, pid=one.pid, started=one.started, started_wall=one.started_wall
                )
        elif serial not in told:
            if worker.pid is None:
                del ledger.workers[serial]  # its start was journaled, but never asked for
            else:
                ended.append(serial)
    for serial, one in living.items():
        if serial not in ledger.workers:
            take_in(desk, one)
    return ended


def take_in(desk: Desk, one: Held) -> None:
    """A worker that the journal lost: its note says where it belongs; its readiness is asked anew."""
    ledger = desk.ledger
    pool = ledger.pools.get(one.note.get("pool", ""))
    if pool is None:
        return
    ledger.counters = replace(ledger.counters, serial=max(ledger.counters.serial, one.serial))
    generation = int(one.note.get("generation", pool.complete))
    spec = pool.revision(generation)
    worker = Worker(
        serial=one.serial,
        pool=pool.name,
        slot=int(one.note.get("slot", 0)),
        generation=generation,
        address=one.note.get("address") or None,
        log=one.note.get("log", ""),
        phase=Phase.STARTING if spec.ready.asks else Phase.READY,
        since=one.started,
        asked=one.started,
        pid=one.pid,
        started=one.started,
        started_wall=one.started_wall,
    )
    ledger.workers[one.serial] = worker
    ledger.keep(ledger.slot(pool.name, worker.slot))
    desk.say("worker-adopted", worker.slot_name, f"pid {one.pid} taken in again", pool=pool.name, pid=one.pid)


def journaled_spec(records: Mapping[str, bytes]) -> ClusterSpec | None:
    """The configuration that was in force, so that a restart of the engine alone does not read the file again."""
    try:
        return msgspec.json.decode(records["spec"], type=ClusterSpec)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None
