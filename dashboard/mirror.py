"""What the screen holds of a cluster: the last picture, its pairs of worker and backend, and a little history."""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboard.say import MISSING
from supervisor.model.events import Event
from supervisor.model.phases import Health, Rotation
from supervisor.model.snapshot import BackendRow, PoolRow, ProxyRow, Snapshot, UpstreamRow, WorkerRow

LONGEST = 120
"""Readings kept for each graph."""
EVENTS = 500
TURNS = 20
"""Changes of health or rotation kept for each backend."""

Series = array  # of C floats; nan where a reading was unknown
_NONE: "Series[float]" = array("f")


class History(NamedTuple):
    cpu: "Series[float]" = _NONE
    memory: "Series[float]" = _NONE
    rate: "Series[float]" = _NONE


_EMPTY = History()


class Served(NamedTuple):
    """History of one backend."""

    rate: "Series[float]" = _NONE
    errors: "Series[float]" = _NONE
    response: "Series[float]" = _NONE
    """Milliseconds."""


_UNSEEN = Served()


class Turn(NamedTuple):
    """A backend's health or rotation as it was first seen at a time, with the proxy's own word for it."""

    time: str
    health: Health
    rotation: Rotation
    reason: str | None


class WorkerView(NamedTuple):
    """One row of the table of workers: the worker with its pool and the backend that it fills."""

    key: str
    worker: WorkerRow
    pool: PoolRow
    backend: BackendRow | None
    proxy: ProxyRow | None
    history: History


class BackendView(NamedTuple):
    """One row of the table of backends, with the worker of ours that fills it."""

    key: str
    """PROXY/UPSTREAM/BACKEND."""
    backend: BackendRow
    upstream: UpstreamRow
    proxy: ProxyRow
    worker: WorkerRow | None
    history: Served
    turns: tuple[Turn, ...] = ()
    """Oldest first; the last one holds now."""


class Missing(Struct, frozen=True, kw_only=True):
    """Nobody answers since `since` (monotonic seconds)."""

    since: float
    why: str


class Mirror(Struct, frozen=True, kw_only=True):
    snapshot: Snapshot | None = None
    received: float = 0.0
    """Monotonic seconds at which the snapshot came."""
    workers: dict[str, WorkerView] = {}
    backends: dict[str, BackendView] = {}
    events: tuple[Event, ...] = ()
    away: Missing | None = None
    total: History = History()
    """Host CPU, host memory used, and requests a second over all pools."""

    def pool(self, name: str) -> PoolRow | None:
        pools = self.snapshot.pools if self.snapshot else ()
        return next((pool for pool in pools if pool.name == name), None)


def worker_key(worker: WorkerRow) -> str:
    """A worker has its serial, which never comes again; an empty slot has its name."""
    return worker.id if worker.serial is None else f"{worker.id}#{worker.serial}"


def slot_of(key: str) -> str:
    return key.rsplit("#", 1)[0]


def serves(backend: BackendRow) -> bool:
    """It gets new requests, as far as the proxy tells: in rotation, and not known to be down."""
    return backend.rotation is Rotation.READY and backend.health in (Health.UP, Health.UNKNOWN)


def apply(mirror: Mirror, news: Snapshot | Event | Missing, now: float) -> Mirror:
    """The mirror after one piece of news; the one given stays as it is."""
    match news:
        case Snapshot():
            return _with_snapshot(mirror, news, now)
        case Event():
            before = mirror.events[-EVENTS:]
            if before and news.number != before[-1].number + 1:
                before = (*before, missing(news))
            return replace(mirror, events=(*before, news)[-EVENTS:])
        case Missing():
            return replace(mirror, away=news)


def missing(after: Event) -> Event:
    """Stands for those that should have come before this one."""
    return Event(
        number=after.number - 1,
        time=after.time,
        kind="events-missing",
        level="warning",
        subject="cluster",
        text=MISSING,
    )


def _with_snapshot(mirror: Mirror, snapshot: Snapshot, now: float) -> Mirror:
    backends = _backends(mirror.backends, snapshot)
    workers: dict[str, WorkerView] = {}
    served = {upstream.pool for proxy in snapshot.proxies for upstream in proxy.upstreams}
    # Pools with traffic first: what is done most, from draining on, can be done to them.
    for pool in sorted(snapshot.pools, key=lambda pool: pool.name not in served):
        for worker in pool.workers:
            key = worker_key(worker)
            before = mirror.workers.get(key)
            cpu, memory, rate = before.history if before else _EMPTY
            fills = backends.get(worker.backend) if worker.backend else None
            workers[key] = WorkerView(
                key,
                worker,
                pool,
                fills.backend if fills else None,
                fills.proxy if fills else None,
                History(
                    _longer(cpu, worker.cpu_percent),
                    _longer(memory, worker.rss_bytes),
                    _longer(rate, worker.requests_per_second),
                ),
            )
    return Mirror(
        snapshot=snapshot,
        received=now,
        workers=workers,
        backends=backends,
        events=mirror.events,
        total=_totals(mirror.total, snapshot),
    )


def with_past(mirror: Mirror, past: Mirror) -> Mirror:
    """The same with a longer memory: what `past` saw comes before what the mirror saw itself."""
    workers = {
        key: view._replace(history=History(*_joined(past.workers[key].history, view.history)))
        if key in past.workers
        else view
        for key, view in mirror.workers.items()
    }
    backends: dict[str, BackendView] = {}
    for key, seen in mirror.backends.items():
        if (then := past.backends.get(key)) is not None:
            earlier = then.turns
            if earlier and seen.turns and earlier[-1][1:3] == seen.turns[0][1:3]:
                earlier = (*earlier[:-1], seen.turns[0]._replace(time=earlier[-1].time))[-TURNS:]
                turns = (*earlier, *seen.turns[1:])
            else:
                turns = (*earlier, *seen.turns)
            seen = seen._replace(history=Served(*_joined(then.history, seen.history)), turns=turns[-TURNS:])
        backends[key] = seen
    total = History(*_joined(past.total, mirror.total))
    return replace(mirror, workers=workers, backends=backends, total=total)


def _joined(before: "tuple[Series[float], ...]", after: "tuple[Series[float], ...]") -> "Iterator[Series[float]]":
    return ((one + other)[-LONGEST:] for one, other in zip(before, after, strict=True))


def _backends(before: dict[str, BackendView], snapshot: Snapshot) -> dict[str, BackendView]:
    fillers = {worker.backend: worker for pool in snapshot.pools for worker in pool.workers if worker.backend}
    backends: dict[str, BackendView] = {}
    for proxy in snapshot.proxies:
        for upstream in proxy.upstreams:
            path = f"{proxy.name}/{upstream.name}/"
            for backend in upstream.backends:
                key = path + backend.name
                known = before.get(key)
                rate, errors, response = known.history if known else _UNSEEN
                history = Served(
                    _longer(rate, backend.requests_per_second),
                    _longer(errors, backend.errors_per_second),
                    _longer(response, backend.response_ms),
                )
                turns = _turns(known.turns if known else (), backend, proxy.seen or snapshot.time)
                backends[key] = BackendView(key, backend, upstream, proxy, fillers.get(key), history, turns)
    return backends


def _turns(turns: tuple[Turn, ...], backend: BackendRow, time: str) -> tuple[Turn, ...]:
    last = turns[-1] if turns else None
    if last is not None and last.health is backend.health and last.rotation is backend.rotation:
        return turns
    return (*turns[-(TURNS - 1) :], Turn(time, backend.health, backend.rotation, backend.health_reason))


def _totals(total: History, snapshot: Snapshot) -> History:
    host = snapshot.host
    used = None
    if host.memory_total_bytes is not None and host.memory_available_bytes is not None:
        used = host.memory_total_bytes - host.memory_available_bytes
    return History(
        _longer(total.cpu, host.cpu_percent), _longer(total.memory, used), _longer(total.rate, total_rate(snapshot))
    )


def total_rate(snapshot: Snapshot) -> float | None:
    """Requests a second over all backends; None where no proxy knows."""
    rates = [
        backend.requests_per_second
        for proxy in snapshot.proxies
        for upstream in proxy.upstreams
        for backend in upstream.backends
        if backend.requests_per_second is not None
    ]
    return sum(rates) if rates else None


def _longer(series: "Series[float]", value: float | None) -> "Series[float]":
    # A slice is a copy: the mirror before keeps its own. Floats of 4 bytes: 1,000 workers stay under 2 MB.
    longer = series[-(LONGEST - 1) :]
    longer.append(float("nan") if value is None else value)
    return longer
