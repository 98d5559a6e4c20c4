"""A worker's life as one complete table: phase × fact -> rule.

        Spawned, ProbePassed            Dismissed               FellQuiet, time
    STARTING ─────────────► READY ─────────────────► DRAINING ─────────────────► STOPPING ─► GONE
        │                     ▲                          │                          ▲
        │ not ready in time   └──────── time ────────────┘ (not forced: put back)   │
        └───────────────────────────────────────────────────────────────────────────┘
    Exited and SpawnFailed lead to GONE from everywhere.

Rule 1: everything that moves a worker from phase to phase is in this file.
Rule 2: every pair is in TABLE or in IMPOSSIBLE, never both, never neither; a test says so. A fact that is
merely late is ruled `stay`; one that cannot be means a bug in the engine and raises.
Rule 3: deadlines are fields of the worker and are looked at when TimePassed says so, so that no stale timer
exists: a deadline of a phase that is over is cleared with it.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from supervisor.model.deeds import Signal
from supervisor.model.facts import (
    Dismissed,
    FellQuiet,
    ProbeMissed,
    ProbePassed,
    TimePassed,
    WorkerFact,
)
from supervisor.model.launch import Exited, Spawned, SpawnFailed
from supervisor.model.phases import Phase
from supervisor.model.spec import PoolSpec
from supervisor.model.workers import Worker


class Outcome(Struct, frozen=True):
    worker: Worker
    deeds: tuple[Signal, ...] = ()


Rule = Callable[[Worker, WorkerFact, PoolSpec, float], Outcome]


class Impossible(AssertionError):
    """A fact came that cannot come in this phase: the engine is wrong."""


def step(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """What `fact` makes of `worker`. `spec` is that of the worker's own generation. Raises Impossible."""
    rule = TABLE[worker.phase].get(type(fact))
    if rule is None:
        raise Impossible(f"{type(fact).__name__} for {worker.slot_name} (#{worker.serial}) while {worker.phase}")
    return rule(worker, fact, spec, now)


def stay(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    return Outcome(worker)


def enter(worker: Worker, phase: Phase, now: float) -> Worker:
    return replace(worker, phase=phase, since=now, zeros=0, zero_since=None)


def run(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """The program runs; with nothing to ask, that is all there is to being ready."""
    assert isinstance(fact, Spawned)
    worker = replace(worker, pid=fact.pid, started=fact.started, started_wall=fact.started_wall)
    return Outcome(worker) if spec.ready.asks else serve(worker, fact, spec, now)


def serve(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    return Outcome(replace(enter(worker, Phase.READY, now), ready_at=now, why=None, misses=0, met=False))


def wonder(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """Not ready yet, and why; or not to be waited for."""
    assert isinstance(fact, ProbeMissed)
    worker = replace(worker, why=fact.why)
    if not fact.final:
        return Outcome(worker)
    return halt(replace(worker, failed=fact.why, stop_why=fact.why), fact, spec, now)


def expire(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """A worker that did not get ready in time has failed; it is never assumed to be ready."""
    if now - begun(worker) < spec.ready.timeout:
        return Outcome(worker)
    last = f"; last answer: {worker.why}" if worker.why else ""
    failed = f"not ready within {spec.ready.timeout:g} s{last}"
    if worker.pid is None:
        failed = f"not started within {spec.ready.timeout:g} s: its log, directory or program does not answer"
    return dismiss_unready(
        replace(worker, failed=failed), Dismissed(serial=worker.serial, why=failed, force=True), spec, now
    )


def thrive(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    return Outcome(replace(worker, misses=0, why=None) if worker.misses else worker)


def sicken(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """A liveness miss; after enough in a row the worker is drained, and stopped whatever is in flight."""
    assert isinstance(fact, ProbeMissed)
    worker = replace(worker, misses=worker.misses + 1, why=fact.why)
    if worker.misses < spec.alive.failures:
        return Outcome(worker)
    failed = f"{worker.misses} liveness probes failed in a row; last answer: {fact.why}"
    return leave(replace(worker, failed=failed), Dismissed(serial=worker.serial, why=failed, force=True), spec, now)


def leave(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """Out of rotation first, where there is traffic; else the stop signal at once."""
    assert isinstance(fact, Dismissed)
    worker = replace(worker, stop_why=fact.why, force=fact.force, reprieved=None)
    timeout = drain_seconds(worker, spec)
    if timeout is None:
        return halt(worker, fact, spec, now)
    return Outcome(replace(enter(worker, Phase.DRAINING, now), drain_deadline=now + timeout))


def drain_seconds(worker: Worker, spec: PoolSpec) -> float | None:
    """How long to drain; None where no proxy can keep requests from this one worker (a shared socket)."""
    if spec.traffic is None or spec.listen is not None or worker.address is None:
        return None
    return spec.traffic.drain_timeout


def insist(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """Dismissed again while draining: only a stronger will changes anything."""
    assert isinstance(fact, Dismissed)
    return Outcome(replace(worker, force=True, stop_why=fact.why) if fact.force and not worker.force else worker)


def overdue(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """The drain ran out of time: stop all the same where that was said, else put the worker back."""
    if worker.drain_deadline is None or now < worker.drain_deadline:
        return Outcome(worker)
    if worker.force:
        return halt(worker, fact, spec, now)
    timeout = spec.traffic.drain_timeout if spec.traffic else 0.0
    why = f"still in flight after {timeout:g} s of draining; put back"
    back = replace(enter(worker, Phase.READY, now), drain_deadline=None, stop_why=None, condemned=None)
    return Outcome(replace(back, reprieved=why))


def halt(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """The stop signal to the whole group; without a pid yet, it follows when the pid is known."""
    worker = replace(enter(worker, Phase.STOPPING, now), drain_deadline=None, stop_deadline=now + spec.stop.timeout)
    if worker.pid is None:
        return Outcome(worker)
    return Outcome(worker, (Signal(serial=worker.serial, signal=spec.stop.signal),))


def dismiss_unready(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """At once, for it never had traffic; unless that is not known."""
    assert isinstance(fact, Dismissed)
    if worker.exposed:
        return leave(worker, fact, spec, now)
    return halt(replace(worker, stop_why=fact.why), fact, spec, now)


def catch(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """Its start was still under way when it was told to stop: now the signal can be sent."""
    assert isinstance(fact, Spawned)
    worker = replace(worker, pid=fact.pid, started=fact.started, started_wall=fact.started_wall)
    return Outcome(worker, (Signal(serial=worker.serial, signal=spec.stop.signal),))


def kill(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    """Also one whose start hangs, on a dead file server perhaps: the keeper has its pid, though nobody told us."""
    if worker.killed or worker.stop_deadline is None or now < worker.stop_deadline:
        return Outcome(worker)
    return Outcome(replace(worker, killed=True), (Signal(serial=worker.serial, signal="KILL"),))


def bury(worker: Worker, fact: WorkerFact, spec: PoolSpec, now: float) -> Outcome:
    if isinstance(fact, SpawnFailed):
        worker = replace(worker, failed=fact.why)
    return Outcome(
        replace(enter(worker, Phase.GONE, now), drain_deadline=None, stop_deadline=None, serving_since=None)
    )


TABLE: dict[Phase, dict[type[WorkerFact], Rule]] = {
    Phase.STARTING: {
        Spawned: run,
        SpawnFailed: bury,
        Exited: bury,
        ProbePassed: serve,
        ProbeMissed: wonder,
        Dismissed: dismiss_unready,
        TimePassed: expire,
    },
    Phase.READY: {
        Exited: bury,
        ProbePassed: thrive,
        ProbeMissed: sicken,
        Dismissed: leave,
        FellQuiet: stay,
        TimePassed: stay,
    },
    Phase.DRAINING: {
        Exited: bury,
        ProbePassed: stay,
        ProbeMissed: stay,
        Dismissed: insist,
        FellQuiet: halt,
        TimePassed: overdue,
    },
    Phase.STOPPING: {
        Spawned: catch,
        SpawnFailed: bury,
        Exited: bury,
        ProbePassed: stay,
        ProbeMissed: stay,
        Dismissed: stay,
        FellQuiet: stay,
        TimePassed: kill,
    },
    Phase.GONE: {
        Exited: stay,
        ProbePassed: stay,
        ProbeMissed: stay,
        Dismissed: stay,
        FellQuiet: stay,
        TimePassed: stay,
    },
}

IMPOSSIBLE: frozenset[tuple[Phase, type[WorkerFact]]] = frozenset(
    {
        (Phase.STARTING, FellQuiet),  # nothing is counted for a worker that was never in rotation
        (Phase.READY, Spawned),
        (Phase.READY, SpawnFailed),
        (Phase.DRAINING, Spawned),
        (Phase.DRAINING, SpawnFailed),
        (Phase.GONE, Spawned),
        (Phase.GONE, SpawnFailed),
    }
)


def begun(worker: Worker) -> float:
    """Since when it has had time to get ready; one that was taken in again begins anew, however old it is."""
    return max(worker.started if worker.started is not None else worker.asked, worker.since)


def deadline(worker: Worker, spec: PoolSpec) -> float | None:
    """When TimePassed would next mean something to this worker; None: never."""
    match worker.phase:
        case Phase.STARTING:
            return begun(worker) + spec.ready.timeout
        case Phase.DRAINING:
            return worker.drain_deadline
        case Phase.STOPPING:
            return None if worker.killed else worker.stop_deadline
        case Phase.READY | Phase.GONE:
            return None
