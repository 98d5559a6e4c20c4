"""What the screen holds of a cluster: the last picture, its pairs of worker and backend, and a little history."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboard.history import Coming, History, Served, after
from dashboard.say import MISSING
from supervisor.model.events import Event
from supervisor.model.phases import Health, Rotation
from supervisor.model.snapshot import BackendRow, PoolRow, ProxyRow, Snapshot, UpstreamRow, WorkerRow

EVENTS = 500
TURNS = 20
"""Changes of health or rotation kept for each backend."""


class Turn(NamedTuple):
    """A backend's health or rotation as it was first seen at a time, with the proxy's own word for it."""

    time: str
    health: Health
    rotation: Rotation
    reason: str | None


class WorkerView(Struct, frozen=True, gc=False):
    """One row of the table of workers: the worker with its pool and the backend that it fills.

    As the rows of a snapshot, no reason for the collector to look: there are a thousand new ones each second.
    """

    key: str
    worker: WorkerRow
    pool: PoolRow
    backend: BackendRow | None
    proxy: ProxyRow | None
    history: History


class BackendView(Struct, frozen=True, gc=False):
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
    known = mirror.workers
    coming = Coming(lambda: (view.history for view in known.values()))
    served = {upstream.pool for proxy in snapshot.proxies for upstream in proxy.upstreams}
    # Pools with traffic first: what is done most, from draining on, can be done to them.
    for pool in sorted(snapshot.pools, key=lambda pool: pool.name not in served):
        for worker in pool.workers:
            key = worker_key(worker)
            before = known.get(key)
            fills = backends.get(worker.backend) if worker.backend else None
            workers[key] = WorkerView(
                key,
                worker,
                pool,
                fills.backend if fills else None,
                fills.proxy if fills else None,
                coming.take(
                    History,
                    before.history if before else None,
                    worker.cpu_percent,
                    worker.rss_bytes,
                    worker.requests_per_second,
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
    seen = after(_tracks(past.workers), _tracks(mirror.workers))
    workers = {key: replace(view, history=seen[key]) for key, view in mirror.workers.items()}
    served = after(_served(past.backends), _served(mirror.backends))
    backends: dict[str, BackendView] = {}
    for key, view in mirror.backends.items():
        turns = view.turns
        if (then := past.backends.get(key)) is not None:
            earlier = then.turns
            if earlier and turns and earlier[-1][1:3] == turns[0][1:3]:
                turns = (*earlier[:-1], turns[0]._replace(time=earlier[-1].time), *turns[1:])
            else:
                turns = (*earlier, *turns)
        backends[key] = replace(view, history=served[key], turns=turns[-TURNS:])
    total = after({"": past.total}, {"": mirror.total})[""]
    return replace(mirror, workers=workers, backends=backends, total=total)


def _tracks(views: dict[str, WorkerView]) -> dict[str, History]:
    return {key: view.history for key, view in views.items()}


def _served(views: dict[str, BackendView]) -> dict[str, Served]:
    return {key: view.history for key, view in views.items()}


def _backends(before: dict[str, BackendView], snapshot: Snapshot) -> dict[str, BackendView]:
    fillers = {worker.backend: worker for pool in snapshot.pools for worker in pool.workers if worker.backend}
    coming = Coming(lambda: (view.history for view in before.values()))
    backends: dict[str, BackendView] = {}
    for proxy in snapshot.proxies:
        for upstream in proxy.upstreams:
            path = f"{proxy.name}/{upstream.name}/"
            for backend in upstream.backends:
                key = path + backend.name
                known = before.get(key)
                history = coming.take(
                    Served,
                    known.history if known else None,
                    backend.requests_per_second,
                    backend.errors_per_second,
                    backend.response_ms,
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
    before = total if len(total) else None
    return Coming(lambda: (total,)).take(History, before, host.cpu_percent, used, total_rate(snapshot))


def total_rate(snapshot: Snapshot) -> float | None:
    """Requests a second over all upstreams; None where no proxy knows."""
    return known_sum(client_rates(upstream)[0] for proxy in snapshot.proxies for upstream in proxy.upstreams)


def client_rates(upstream: UpstreamRow) -> tuple[float | None, float | None]:
    """Requests a second that come for an upstream, and that fail.

    Its own figures count what no backend was given, too; the backends' know of answers that broke off. Of a section
    that no pool fills (a page of statistics), only what backends get counts.
    """
    rows = upstream.backends
    requests = known_sum(row.requests_per_second for row in rows)
    errors = known_sum(row.errors_per_second for row in rows)
    if upstream.pool is None:
        return requests, errors
    return _larger(upstream.requests_per_second, requests), _larger(upstream.errors_per_second, errors)


def _larger(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)


def known_sum(values: Iterable[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
