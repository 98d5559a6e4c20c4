"""Snapshots for tests: one of every row there is, as the API sends them."""

import json
from typing import Any

import msgspec

from supervisor.model.phases import Health, Rotation
from supervisor.model.snapshot import (
    BackendRow,
    EngineRow,
    ExitRow,
    HostRow,
    OperationRow,
    PoolRow,
    ProxyRow,
    Snapshot,
    UpstreamRow,
    WorkerRow,
)

NOW = "2026-01-02T03:04:05.678Z"


def worker(id: str = "web.0", **more: Any) -> WorkerRow:
    fields: dict[str, Any] = {
        "id": id, "serial": 7, "pid": 4242, "phase": "ready", "generation": 3, "address": "127.0.0.1:9001",
        "started": NOW, "uptime_seconds": 3725.0, "restarts": 2, "last_exit": None, "cpu_percent": 12.34,
        "rss_bytes": 48 * 1024 * 1024, "fds": 12, "threads": 3, "processes": 1, "requests_per_second": 40.0,
        "requests_source": "lb", "backend": f"lb/web/{id}", "why": None,
    }  # fmt: skip
    return WorkerRow(**(fields | more))


def backend(name: str = "web.0", **more: Any) -> BackendRow:
    fields: dict[str, Any] = {
        "name": name, "address": "127.0.0.1:9001", "worker": name, "health": Health.UP,
        "health_reason": "L7OK 200", "rotation": Rotation.READY, "weight": 1, "in_flight": 2, "queued": 0,
        "requests_total": 1234, "requests_per_second": 40.0, "errors_per_second": 0.0, "response_ms": 3.1,
    }  # fmt: skip
    return BackendRow(**(fields | more))


def picture(workers: tuple[WorkerRow, ...] = (), revision: int = 1, **more: Any) -> Snapshot:
    found = workers or (worker(), worker("web.1", pid=None, phase="failed", why="exit code 1", cpu_percent=None))
    pool = PoolRow(
        name="web", desired=4, ready=1, generation=3, rollout=None, cpu_percent=12.3, rss_bytes=None,
        requests_per_second=40.0, workers=found,
    )  # fmt: skip
    proxy = ProxyRow(
        name="lb", kind="haproxy", version="2.8.25", reachable=True, seen=NOW, seen_seconds_ago=0.2, why=None,
        capabilities=("drain", "maint"), front="http://127.0.0.1:8080",
        upstreams=(UpstreamRow(name="web", balance="roundrobin", backends=(backend(),)),),
    )  # fmt: skip
    host = HostRow(
        cpus=2, cpu_percent=31.0, memory_total_bytes=8 << 30, memory_available_bytes=None, load=None
    )  # fmt: skip
    engine = EngineRow(
        pid=10, keeper_pid=9, version="0.1.0", started=NOW, cpu_percent=0.4, rss_bytes=40 << 20
    )  # fmt: skip
    fields: dict[str, Any] = {
        "revision": revision, "time": NOW, "cluster": "shop",
        "host": host, "engine": engine,
        "pools": (pool,), "proxies": (proxy,),
    }  # fmt: skip
    return Snapshot(**(fields | more))


def last_exit(why: str) -> ExitRow:
    return ExitRow(time=NOW, code=1, signal=None, why=why)


def plain(value: Snapshot | OperationRow) -> dict[str, Any]:
    """As JSON gives it back."""
    data: dict[str, Any] = json.loads(msgspec.json.encode(value))
    return data
