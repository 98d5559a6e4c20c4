"""What a fact about a worker makes of the ledger, and the sentences that it is told in."""

import os
import random
import time

from msgspec.structs import replace

from supervisor.core.backoff import after_end, after_excess
from supervisor.core.lifecycle import step
from supervisor.core.rotation import quiet
from supervisor.engine import elsewhere
from supervisor.engine.desk import Desk
from supervisor.host.logs import last_lines
from supervisor.model.deeds import Signal
from supervisor.model.events import Level
from supervisor.model.facts import FellQuiet, Measured, WorkerFact
from supervisor.model.launch import Exited, SpawnFailed
from supervisor.model.phases import Phase, Rotation
from supervisor.model.text import plural
from supervisor.model.workers import End, Slot, Worker


def take(desk: Desk, serial: int, fact: WorkerFact, now: float) -> tuple[Signal, ...]:
    """Apply a fact to the worker it is about; one about a worker that is gone is late, and nothing."""
    ledger = desk.ledger
    worker = ledger.workers.get(serial)
    if worker is None:
        return ()
    spec = ledger.pools[worker.pool].revision(worker.generation)
    outcome = step(worker, fact, spec, now)
    if outcome.worker is worker:
        return outcome.deeds
    after = outcome.worker
    if after.failed and not worker.failed and after.phase is not Phase.GONE:
        # A rollout's verdict does not wait for its end, and its log knows more than its last answer.
        after = replace(after, last_lines=last_lines(after.log, start=after.log_from))
    ledger.workers[serial] = after
    if after.phase is Phase.GONE:
        bury(desk, worker, ending(worker, fact), now)
    elif after.phase is not worker.phase:
        narrate(desk, worker, after)
    elif after.killed and not worker.killed:
        text = f"did not stop within {spec.stop.timeout:g} s of {spec.stop.signal}; killing its whole group"
        desk.say("worker-killed", after.slot_name, text, level="warning", pool=after.pool, pid=after.pid)
    return outcome.deeds


def narrate(desk: Desk, before: Worker, after: Worker) -> None:
    """One sentence for a change of phase."""
    name = after.slot_name
    level: Level = "warning" if after.failed else "info"
    match after.phase:
        case Phase.READY if before.phase is Phase.DRAINING:
            desk.say(
                "drain-abandoned", name, after.reprieved or "", level="warning", pool=after.pool, pid=after.pid
            )
        case Phase.READY:
            seconds = (after.ready_at or 0.0) - (after.started or after.asked)
            text = f"ready after {seconds:.1f} s, generation {after.generation}"
            desk.say("worker-ready", name, text, pool=after.pool, pid=after.pid)
        case Phase.DRAINING:
            text = f"out of rotation, finishing what is in flight: {after.stop_why}"
            desk.say("worker-draining", name, text, level=level, pool=after.pool, pid=after.pid)
        case Phase.STOPPING:
            text = f"stopping: {after.failed or after.stop_why}"
            if before.phase is Phase.DRAINING and after.force and before.drain_deadline is not None:
                backend = desk.ledger.backend_of(before)
                if backend is not None and backend.in_flight:
                    text += f"; drain ran out of time with {backend.in_flight} in flight"
            desk.say("worker-stopping", name, text, level=level, pool=after.pool, pid=after.pid)
        case Phase.STARTING | Phase.GONE:
            pass


def ending(worker: Worker, fact: WorkerFact) -> End:
    """How it ended, in words, with its last lines where its end was not asked for."""
    assert isinstance(fact, Exited | SpawnFailed)
    if isinstance(fact, SpawnFailed):
        return End(wall=time.time(), why=fact.why, generation=worker.generation)
    asked_for = worker.phase in (Phase.STOPPING, Phase.DRAINING) and worker.failed is None
    why = end_words(fact)
    if worker.failed:
        why = f"{worker.failed}; then {why}"
    lived = fact.at - worker.started if worker.started is not None else None
    return End(
        wall=time.time(),
        code=fact.code,
        signal=fact.signal,
        why=why,
        last_lines=() if asked_for else last_lines(worker.log, start=worker.log_from),
        generation=worker.generation,
        expected=asked_for,
        pid=fact.pid,
        lived=lived,
    )


def end_words(fact: Exited) -> str:
    if fact.oom:
        return "killed for lack of memory (OOM)"
    if not fact.known:
        return "ended, status unknown (the keeper that started it is gone)"
    if fact.signal:
        return f"killed by {fact.signal}"
    return "exit code unknown" if fact.code is None else f"exit code {fact.code}"


def bury(desk: Desk, worker: Worker, end: End, now: float) -> None:
    """Take a worker out of the ledger, and let its slot draw the consequence."""
    ledger = desk.ledger
    ledger.workers.pop(worker.serial, None)
    ledger.samples.pop(worker.serial, None)
    slot = ledger.slot(worker.pool, worker.slot)
    beside = [w for w in ledger.workers_of(worker.pool) if w.slot == worker.slot]
    if not end.expected and any(w.generation != worker.generation for w in beside):
        # Another of this slot goes on, and must not be taken for the one that died.
        end = replace(end, why=f"{end.why} (generation {worker.generation})")
    if worker.address is not None and not any(w.address == worker.address for w in ledger.workers.values()):
        if not beside:
            slot = replace(slot, kept_out=ledger.asked_of(worker))
        for key in [key for key in (*ledger.asked, *ledger.put_back) if key[2] == worker.address]:
            ledger.asked.pop(key, None)
            ledger.put_back.pop(key, None)
    after = after_end(slot, worker, end, ledger.pools[worker.pool].spec.restart, now, random.random())
    ledger.keep(after)
    asked_for = worker.phase in (Phase.STOPPING, Phase.DRAINING) and worker.failed is None
    level: Level = "info" if asked_for or after.finished else "warning"
    lines = f"; last line: {end.last_lines[-1]}" if end.last_lines else ""
    text = f"{end.why} after {end.lived:.1f} s{lines}" if end.lived is not None else end.why
    if beside and level == "warning":
        # Its lines stand in a file of its own, beside those of the one that goes on serving.
        text += f"; `clusterctl logs {log_name(worker)}` has its output"
    kind = "worker-exited" if worker.pid is not None else "worker-not-started"
    desk.say(kind, worker.slot_name, text, level=level, pool=worker.pool, pid=worker.pid)
    tell_slot(desk, slot, after, now)


def log_name(worker: Worker) -> str:
    """As `logs` takes it: `web.0+0` is the first of the slot's files, `web.0` that of whoever fills it."""
    name = os.path.basename(worker.log).removesuffix(".log")
    return name if "+" in name else f"{name}+0"


def tell_slot(desk: Desk, before: Slot, after: Slot, now: float) -> None:
    if after.failed and not before.failed:
        text = f"failed, given up: {after.failed}; `clusterctl start {after.name}` tries again"
        desk.say("slot-failed", after.name, text, level="error", pool=after.pool)
    elif after.retry_at is not None and after.retry_at != before.retry_at:
        text = f"backing off {after.retry_at - now:.1f} s after {plural(len(after.deaths), 'death')}"
        desk.say("slot-backing-off", after.name, text, level="warning", pool=after.pool)


def measure(desk: Desk, fact: Measured) -> set[str]:
    """Keep the readings; condemn workers above their memory limit. Returns the pools to look at."""
    ledger = desk.ledger
    ledger.samples.update({serial: s for serial, s in fact.samples.items() if serial in ledger.workers})
    ledger.host = fact.host or ledger.host
    ledger.own_cpu_percent = fact.own_cpu_percent
    ledger.own_rss_bytes = fact.own_rss_bytes
    touched: set[str] = set()
    for serial, sample in fact.samples.items():
        worker = ledger.workers.get(serial)
        if worker is None or worker.phase is not Phase.READY or worker.condemned or sample.rss_bytes is None:
            continue
        limit = ledger.pools[worker.pool].spec.limits.memory
        if limit is None or sample.rss_bytes <= limit:
            continue
        why = f"memory {sample.rss_bytes >> 20} MiB is over its limit of {limit >> 20} MiB"
        ledger.workers[serial] = replace(worker, condemned=why)
        slot, policy = ledger.slot(worker.pool, worker.slot), ledger.pools[worker.pool].spec.restart
        ledger.keep(after_excess(slot, worker, policy, sample.at, random.random()))
        desk.say("memory-limit", worker.slot_name, f"{why}; replacing it", level="warning", pool=worker.pool)
        touched.add(worker.pool)
    return touched


def count_quiet(desk: Desk, proxy: str, upstream: str, asked: float, now: float) -> tuple[list[Signal], set[str]]:
    """Draining workers of one upstream after a new reading of it: who has nothing in flight, twice."""
    ledger = desk.ledger
    state = ledger.proxies[proxy]
    signals: list[Signal] = []
    touched: set[str] = set()
    for pool in ledger.pools.values():
        traffic = pool.spec.traffic
        if traffic is None or (traffic.proxy, traffic.upstream) != (proxy, upstream):
            continue
        for worker in ledger.workers_of(pool.name):
            # A reading begun before the worker was to leave, or while we are changing the upstream, proves nothing.
            if worker.phase is not Phase.DRAINING or asked <= worker.since or upstream in state.converging:
                continue
            if upstream in state.memos and asked <= state.memos[upstream].at:
                continue
            backend = ledger.backend_of(worker)
            # In `drain`, where an operator may have put it before, sticky clients still come.
            in_rotation = backend is not None and backend.rotation is not Rotation.MAINT
            if not quiet(backend) or in_rotation or elsewhere.holds(ledger, worker):
                ledger.workers[worker.serial] = replace(worker, zeros=0, zero_since=None)
                continue
            since = asked if worker.zero_since is None else worker.zero_since
            worker = replace(worker, zeros=worker.zeros + 1, zero_since=since)
            ledger.workers[worker.serial] = worker
            if worker.zeros >= 2 and asked - since >= state.settle:
                signals += take(desk, worker.serial, FellQuiet(serial=worker.serial), now)
                touched.add(pool.name)
    return signals, touched
