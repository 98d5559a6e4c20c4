"""The ledger as a snapshot: every row of `status --json`, with None where nothing is known."""

from supervisor.core.crowding import crowded
from supervisor.engine.desk import rfc3339
from supervisor.engine.known_rows import KnownBackend, KnownWorker
from supervisor.engine.ledger import PROXY_POOL, Ledger, ProxyState
from supervisor.engine.rates import WHOLE
from supervisor.engine.reasons import pool_why, worker_why
from supervisor.model.backends import Backend, Upstream
from supervisor.model.operations import Operation
from supervisor.model.phases import Rotation
from supervisor.model.pools import Pool
from supervisor.model.readings import Sample
from supervisor.model.snapshot import (
    BackendRow,
    ExitRow,
    HostRow,
    OperationRow,
    PoolRow,
    ProxyRow,
    RolloutRow,
    UpstreamRow,
    WorkerRow,
)
from supervisor.model.spec import TrafficSpec
from supervisor.model.text import plural
from supervisor.model.workers import End, Slot, Worker
from supervisor.proxies.embedded import complaints


def moment(wall: float | None) -> str | None:
    return None if wall is None else rfc3339(wall)


def host_row(ledger: Ledger) -> HostRow:
    host = ledger.host
    if host is None:
        return HostRow(cpus=1, cpu_percent=None, memory_total_bytes=None, memory_available_bytes=None, load=None)
    return HostRow(
        cpus=host.cpus,
        cpu_percent=round_or_none(host.cpu_percent, 1),
        memory_total_bytes=host.memory_total_bytes,
        memory_available_bytes=host.memory_available_bytes,
        load=host.load,
    )


def round_or_none(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def exit_row(end: End) -> ExitRow:
    return ExitRow(
        time=rfc3339(end.wall),
        code=end.code,
        signal=end.signal,
        why=end.why,
        last_lines=end.last_lines,
        expected=end.expected,
        ran=end.pid is not None,
    )


def worker_rows(
    ledger: Ledger, pool: Pool, workers: list[Worker], upstream: Upstream | None, now: float
) -> list[WorkerRow]:
    """A row for each of these, in their order. Nearly all are as they were but for a few numbers."""
    spec, traffic = pool.spec, pool.spec.traffic
    state = ledger.proxies.get(traffic.proxy) if traffic else None
    calm = not ledger.waits and (state is None or state.reachable)
    backends = {b.address: b for b in upstream.backends} if upstream else {}
    slots, samples, known_rows = ledger.slots.get(pool.name, {}), ledger.samples, ledger.rows.workers
    rows: list[WorkerRow] = []
    for worker in workers:
        backend = backends.get(worker.address or "")
        name, rate = None, None
        if state is not None and traffic is not None and backend is not None:
            name = backend.name
            if spec.listen is None:
                rate = state.rates.rounded((traffic.upstream, name))[0]
        known, sample = known_rows.get(worker.serial), samples.get(worker.serial)
        if (
            calm
            and sample is not None
            and known is not None
            and known.worker is worker
            and known.slot is slots.get(worker.slot)
            and known.spec is spec
            and known.backend == name
        ):
            rows.append(known.with_numbers(sample, rate, traffic.proxy if traffic else None, now))
            continue
        slot = ledger.slot(worker.pool, worker.slot)
        row = worker_row(
            worker, slot, sample, traffic, rate, backend, worker_why(ledger, pool, worker, backend), now
        )
        rows.append(row)
        if row.why is None:
            known_rows[worker.serial] = KnownWorker(worker, slot, spec, name, row)
    return rows


def worker_row(
    worker: Worker,
    slot: Slot,
    sample: Sample | None,
    traffic: TrafficSpec | None,
    rate: float | None,
    backend: Backend | None,
    why: str | None,
    now: float,
) -> WorkerRow:
    return WorkerRow(
        id=worker.slot_name,
        serial=worker.serial,
        pid=worker.pid,
        phase=worker.phase.value,
        generation=worker.generation,
        address=worker.address,
        started=moment(worker.started_wall),
        uptime_seconds=round(now - worker.started, 1) if worker.started is not None else None,
        restarts=slot.restarts,
        last_exit=exit_row(slot.ends[-1]) if slot.ends else None,
        cpu_percent=round_or_none(sample.cpu_percent, 1) if sample else None,
        rss_bytes=sample.rss_bytes if sample else None,
        fds=sample.fds if sample else None,
        threads=sample.threads if sample else None,
        processes=sample.processes if sample else None,
        requests_per_second=rate,
        requests_source=traffic.proxy if traffic and rate is not None else None,
        backend=f"{traffic.proxy}/{traffic.upstream}/{backend.name}" if traffic and backend else None,
        why=why,
        sampled_seconds_ago=round(now - sample.at, 1) if sample else None,
    )


def slot_row(slot: Slot, pool: Pool, now: float, stopping: bool) -> WorkerRow:
    """A wanted slot that nobody fills."""
    if stopping:
        phase, why = "stopped", "the cluster is going down"
    elif slot.failed:
        reason = slot.ends[-1].why if slot.ends else slot.failed
        phase, why = "failed", slot.failed.replace(reason, f"{reason}{last_line(slot)}", 1)
    elif slot.stopped or pool.stopped:
        phase, why = "stopped", "stopped by an operator"
    elif slot.finished:
        phase, why = "stopped", f"ended, and is not to be restarted: {slot.ends[-1].why if slot.ends else ''}"
    elif slot.retry_at is not None:
        left = max(0.0, slot.retry_at - now)
        # The reason first: what is cut off where room is short must not be that.
        reason = f"{slot.ends[-1].why}{last_line(slot)}; " if slot.ends else ""
        phase, why = "backing-off", f"{reason}again in {left:.1f} s after {plural(len(slot.deaths), 'death')}"
    else:
        phase, why = "starting", "about to start"
    return WorkerRow(
        id=slot.name,
        serial=None,
        pid=None,
        phase=phase,
        generation=slot.generation,
        address=None,
        started=None,
        uptime_seconds=None,
        restarts=slot.restarts,
        last_exit=exit_row(slot.ends[-1]) if slot.ends else None,
        cpu_percent=None,
        rss_bytes=None,
        fds=None,
        threads=None,
        processes=None,
        requests_per_second=None,
        requests_source=None,
        backend=None,
        why=why,
    )


def last_line(slot: Slot) -> str:
    return f": {slot.ends[-1].last_lines[-1]}" if slot.ends and slot.ends[-1].last_lines else ""


def pool_row(ledger: Ledger, pool: Pool, now: float) -> PoolRow:
    workers = ledger.workers_of(pool.name)
    workers.sort(key=lambda worker: (worker.slot, worker.serial))
    upstream = ledger.upstream_of(pool)
    rows = worker_rows(ledger, pool, workers, upstream, now)
    filled = {worker.slot for worker in workers}
    slots = ledger.slots.get(pool.name, {})
    vacant = [n for n in slots if n < pool.desired and n not in filled]
    if vacant:
        rows += [slot_row(slots[n], pool, now, ledger.stopping) for n in vacant]
        rows.sort(key=lambda row: (int(row.id.rpartition(".")[2]), row.serial or 0))
    holder = next((o for o in ledger.operations.values() if o.running and o.pool == pool.name), None)
    return PoolRow(
        name=pool.name,
        desired=pool.desired,
        ready=sum(worker.serving_since is not None for worker in workers),
        generation=pool.complete,
        rollout=rollout_row(ledger, pool),
        cpu_percent=total([row.cpu_percent for row in rows], 1),
        rss_bytes=whole([row.rss_bytes for row in rows]),
        requests_per_second=total([row.requests_per_second for row in rows], 2),
        workers=tuple(rows),
        stopped=pool.stopped,
        why=pool_why(ledger, pool),
        last_rollout=pool.last_rollout,
        operation=holder.id if holder else None,
        warnings=warnings(ledger, pool, rows),
    )


def total(values: list[float | None], digits: int) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), digits) if known else None


def whole(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def warnings(ledger: Ledger, pool: Pool, rows: list[WorkerRow]) -> tuple[str, ...]:
    """More workers that keep a core busy than there are cores."""
    cpus = ledger.host.cpus if ledger.host else None
    busy = crowded((row.cpu_percent for row in rows), cpus) if cpus else None
    return (f"{busy} CPU-bound workers on {plural(cpus or 0, 'core')}",) if busy else ()


def rollout_row(ledger: Ledger, pool: Pool) -> RolloutRow | None:
    rollout = pool.rollout
    if rollout is None:
        return None
    slots = ledger.slots.get(pool.name, {})
    words: list[str] = []
    by_slot: dict[int, list[Worker]] = {}
    for worker in ledger.workers_of(pool.name):
        by_slot.setdefault(worker.slot, []).append(worker)
    for number in range(pool.desired):
        workers = by_slot.get(number, [])
        slot = slots.get(number)
        new = [w for w in workers if w.generation == rollout.to_generation]
        if slot is None or slot.generation != rollout.to_generation:
            words.append("failed" if slot and slot.failed else "replacing" if new else "old")
        else:
            alone = len(workers) == 1 and bool(new) and new[0].serving_since is not None
            words.append("new" if alone else "replacing")
    return RolloutRow(
        operation=rollout.operation,
        from_generation=rollout.from_generation,
        to_generation=rollout.to_generation,
        phase=rollout.phase.value,
        replaced=words.count("new"),
        total=pool.desired,
        started=rfc3339(rollout.started_wall),
        waiting_for=ledger.waits.get(pool.name),
        why=rollout.why,
        slots=tuple(words),
    )


def proxy_row(ledger: Ledger, state: ProxyState, now: float) -> ProxyRow:
    hidden = ledger.slots.get(f"{PROXY_POOL}{state.spec.name}", {}).get(0)
    why = state.why
    if why and hidden is not None and hidden.ends and not ledger.workers_of(hidden.pool):
        end = hidden.ends[-1]
        said = complaints("\n".join(end.last_lines))
        why = f"HAProxy ended: {said or end.why}"
    front = None
    if state.spec.bind is not None:
        front = f"{'https' if state.spec.tls else 'http'}://{state.spec.bind}"
    return ProxyRow(
        name=state.spec.name,
        kind=state.spec.kind,
        version=state.version,
        reachable=state.reachable,
        seen=moment(state.seen_wall),
        seen_seconds_ago=round(now - state.seen, 1) if state.seen is not None else None,
        why=why,
        capabilities=tuple(state.capabilities),
        limited=state.limited,
        upstreams=tuple(upstream_row(ledger, state, upstream) for upstream in state.upstreams.values()),
        front=front,
    )


def upstream_row(ledger: Ledger, state: ProxyState, upstream: Upstream) -> UpstreamRow:
    proxy = state.spec.name
    owners = {w.address: w.slot_name for w in ledger.workers.values() if w.address is not None}
    here = (proxy, upstream.name)
    pools = [p.name for p in ledger.pools.values() if (t := p.spec.traffic) and (t.proxy, t.upstream) == here]
    before = ledger.rows.backends.get(here, {})
    after: list[KnownBackend] = []
    for backend in upstream.backends:
        requests, errors = state.rates.rounded((upstream.name, backend.name))
        owner = owners.get(backend.address)
        asked = ledger.asked.get((proxy, upstream.name, backend.address)) if ledger.asked else None
        known = before.get(backend.name)
        if known is None or not known.same(backend, owner, requests, errors, asked):
            known = KnownBackend(backend, backend_row(backend, owner, requests, errors, asked))
        after.append(known)
    ledger.rows.backends[here] = {known.backend.name: known for known in after}
    requests, errors = state.rates.rounded((upstream.name, WHOLE))
    return UpstreamRow(
        name=upstream.name,
        balance=upstream.balance,
        backends=tuple(known.row for known in after),
        pool=pools[0] if pools else None,
        queued=upstream.queued,
        requests_per_second=requests,
        errors_per_second=errors,
    )


def backend_row(
    backend: Backend, owner: str | None, requests: float | None, errors: float | None, asked: Rotation | None
) -> BackendRow:
    return BackendRow(
        name=backend.name,
        address=backend.address,
        worker=owner,
        health=backend.health,
        health_reason=backend.health_reason,
        rotation=backend.rotation,
        weight=backend.weight,
        in_flight=backend.in_flight,
        queued=backend.queued,
        requests_total=backend.requests_total,
        requests_per_second=requests,
        errors_per_second=errors,
        response_ms=backend.response_ms,
        asked_rotation=asked,
        counters=backend.counters,
    )


def operation_row(operation: Operation) -> OperationRow:
    return OperationRow(
        id=operation.id,
        verb=operation.verb,
        target=operation.target,
        pool=operation.pool,
        actor=operation.request.actor,
        asked=rfc3339(operation.asked_wall),
        ended=moment(operation.ended_wall),
        phase=operation.phase.value,
        progress=operation.progress,
        why=operation.why,
        steps=tuple((rfc3339(step.wall), step.text) for step in operation.steps),
    )
