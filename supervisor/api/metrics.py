"""The snapshot in Prometheus' text format. What is not known has no sample."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from supervisor.model.phases import Health
from supervisor.model.snapshot import BackendRow, PoolRow, ProxyRow, Snapshot, WorkerRow
from supervisor.model.text import clean

CONTENT_TYPE = CONTENT_TYPE_LATEST

_R = TypeVar("_R")
Figure = tuple[str, str, Callable[[_R], float | None]]
"""Name without `clusterctl_` and kind; help; how it is read from a row. `_total` makes a counter."""

_POOL: Sequence[Figure[PoolRow]] = (
    ("pool_desired_workers", "Workers wanted.", lambda pool: pool.desired),
    ("pool_ready_workers", "Workers that serve.", lambda pool: pool.ready),
    ("pool_generation", "Generation of the pool's spec.", lambda pool: pool.generation),
    ("pool_rollout", "1 while a rollout is under way.", lambda pool: float(pool.rollout is not None)),
)
_PROXY: Sequence[Figure[ProxyRow]] = (
    ("proxy_reachable", "1 if the last reading of the proxy succeeded.", lambda proxy: proxy.reachable),
    ("proxy_seen_seconds_ago", "Age of the last complete reading.", lambda proxy: proxy.seen_seconds_ago),
)
_BACKEND: Sequence[Figure[BackendRow]] = (
    ("backend_up", "1 if the proxy's checks call it up.", lambda b: _up(b.health)),
    ("backend_weight", "Weight at the proxy.", lambda b: b.weight),
    ("backend_in_flight", "Requests being served.", lambda b: b.in_flight),
    ("backend_queued", "Requests waiting for this backend.", lambda b: b.queued),
    ("backend_requests_total", "Requests so far, as the proxy counts them.", lambda b: b.requests_total),
    ("backend_requests_per_second", "Rate over the last seconds.", lambda b: b.requests_per_second),
    ("backend_errors_per_second", "Rate of failures and 5xx answers.", lambda b: b.errors_per_second),
    ("backend_response_seconds", "Average response time.", lambda b: _thousandth(b.response_ms)),
)
# While a slot is replaced two workers share its name: these are sums over both.
_WORKER: Sequence[Figure[WorkerRow]] = (
    ("worker_cpu_percent", "CPU of one core, descendants included; of the slot.", lambda w: w.cpu_percent),
    ("worker_rss_bytes", "Resident memory, descendants included; of the slot.", lambda w: w.rss_bytes),
    ("worker_fds", "Open files of the slot.", lambda w: w.fds),
    ("worker_threads", "Threads of the slot.", lambda w: w.threads),
    ("worker_requests_per_second", "Rate of its backend.", lambda w: w.requests_per_second),
)


def exposition(snapshot: Snapshot) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Picture(snapshot))
    return generate_latest(registry)


class _Picture(Collector):
    """prometheus-client's word for something that yields families when it is scraped."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        # Registering must not collect: the picture is collected once, when it is written.
        return ()

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot
        yield from _whole(snapshot)
        yield from _families(_POOL, ("pool",), [((pool.name,), pool) for pool in snapshot.pools])
        yield from _workers(snapshot)
        yield from _families(_PROXY, ("proxy",), [((proxy.name,), proxy) for proxy in snapshot.proxies])
        yield from _backends(snapshot)


def _whole(snapshot: Snapshot) -> Iterator[Metric]:
    host, engine = snapshot.host, snapshot.engine
    info = GaugeMetricFamily("clusterctl_info", "What runs here.", labels=("cluster", "version"))
    info.add_metric((snapshot.cluster, engine.version), 1)
    yield info
    figures = (
        ("host_cpus", "Processors of the host.", host.cpus),
        ("host_cpu_percent", "Of all cores together.", host.cpu_percent),
        ("host_memory_total_bytes", "Memory of the host.", host.memory_total_bytes),
        ("host_memory_available_bytes", "Memory that can be had.", host.memory_available_bytes),
        ("host_load1", "Load average over one minute.", host.load[0] if host.load else None),
        ("engine_cpu_percent", "Of one core; engine and keeper together.", engine.cpu_percent),
        ("engine_rss_bytes", "Engine and keeper together.", engine.rss_bytes),
        ("operations_running", "Operations under way.", sum(o.phase == "running" for o in snapshot.operations)),
        ("warnings", "Warnings that stand.", len(snapshot.warnings)),
    )
    for name, text, value in figures:
        family = GaugeMetricFamily(f"clusterctl_{name}", text)
        if value is not None:
            family.add_metric((), value)
            yield family


def _families(
    figures: Sequence[Figure[_R]], names: Sequence[str], rows: Sequence[tuple[Sequence[str], _R]]
) -> Iterator[Metric]:
    for name, text, read in figures:
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(f"clusterctl_{name}", text, labels=names)
        summed: dict[tuple[str, ...], float] = {}
        for labels, row in rows:
            value = read(row)
            if value is not None:
                key = tuple(clean(label, 200) for label in labels)
                summed[key] = summed.get(key, 0) + value
        for key, total in summed.items():
            family.add_metric(key, total)
        yield family


def _workers(snapshot: Snapshot) -> Iterator[Metric]:
    rows = [((pool.name, worker.id), worker) for pool in snapshot.pools for worker in pool.workers]
    yield from _families(_WORKER, ("pool", "worker"), rows)
    restarts = CounterMetricFamily(
        "clusterctl_worker_restarts_total", "Restarts of the slot.", labels=("pool", "worker")
    )
    phases = GaugeMetricFamily("clusterctl_workers", "Workers and slots by phase.", labels=("pool", "phase"))
    counted: dict[tuple[str, str], int] = {}
    restarted: dict[tuple[str, str], int] = {}
    for key, worker in rows:
        restarted[key] = max(restarted.get(key, 0), worker.restarts)
        place = (key[0], worker.phase)
        counted[place] = counted.get(place, 0) + 1
    for key, restart_count in restarted.items():
        restarts.add_metric(key, restart_count)
    for place, count in counted.items():
        phases.add_metric(place, count)
    yield restarts
    yield phases


def _backends(snapshot: Snapshot) -> Iterator[Metric]:
    rows = [
        ((proxy.name, upstream.name, backend.name), backend)
        for proxy in snapshot.proxies
        for upstream in proxy.upstreams
        for backend in upstream.backends
    ]
    names = ("proxy", "upstream", "backend")
    yield from _families(_BACKEND, names, rows)
    rotation = GaugeMetricFamily(
        "clusterctl_backend_rotation", "1 for the rotation that it has.", labels=(*names, "rotation")
    )
    for labels, backend in rows:
        rotation.add_metric((*(clean(label, 200) for label in labels), backend.rotation.value), 1)
    yield rotation


def _up(health: Health) -> float | None:
    return None if health is Health.UNKNOWN else float(health is Health.UP)


def _thousandth(value: float | None) -> float | None:
    return None if value is None else value / 1000
