"""Everything observed, consistent, immutable, numbered: the shape of `status --json` and GET /v1/snapshot.

The keys are the public contract (CONTRACT.md): times RFC 3339, durations seconds, sizes bytes, rates per
second; what is not known is None, never 0.

Rows hold no row that leads back to them, so that the collector need not look at them (`gc=False`): there may be
thousands, new ones each second.
"""

from msgspec import Struct

from supervisor.model.phases import Health, Rotation


class HostRow(Struct, frozen=True, kw_only=True, gc=False):
    cpus: int
    cpu_percent: float | None
    """Of all cores together: 0 to 100."""
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    load: tuple[float, float, float] | None


class EngineRow(Struct, frozen=True, kw_only=True, gc=False):
    pid: int
    keeper_pid: int
    version: str
    started: str
    cpu_percent: float | None
    """Of one core; engine and keeper together."""
    rss_bytes: int | None
    """Engine and keeper together."""
    config: str | None = None
    """Path of the configuration file in force."""


class ExitRow(Struct, frozen=True, kw_only=True, gc=False):
    """How a worker ended."""

    time: str
    code: int | None
    signal: str | None
    """Name without SIG."""
    why: str
    """In words: `exit code 1`, `killed by SEGV`, `out of memory`, `status unknown`."""
    last_lines: tuple[str, ...] = ()
    expected: bool = False
    """It had been asked to go: nothing to worry about."""
    ran: bool = True
    """Its program ran; False: it could not even be started (no such program, no free port)."""


class WorkerRow(Struct, frozen=True, kw_only=True, gc=False):
    """One live worker, or a slot with none: then `pid` is None and `phase` is the slot's."""

    id: str
    """The slot, `web.0`; while a slot is being replaced two rows carry it, told apart by `serial`."""
    serial: int | None
    pid: int | None
    phase: str
    generation: int
    address: str | None
    started: str | None
    uptime_seconds: float | None
    restarts: int
    last_exit: ExitRow | None
    cpu_percent: float | None
    """Of one core, over the worker and its descendants."""
    rss_bytes: int | None
    fds: int | None
    threads: int | None
    processes: int | None
    """The worker and its descendants, counted."""
    requests_per_second: float | None
    requests_source: str | None
    """Name of the proxy that the rate comes from."""
    backend: str | None
    """PROXY/UPSTREAM/BACKEND that the worker fills."""
    why: str | None
    """Why it is in this phase, where that is not plain."""
    sampled_seconds_ago: float | None = None


class RolloutRow(Struct, frozen=True, kw_only=True, gc=False):
    operation: str
    from_generation: int
    to_generation: int
    phase: str
    """running, holding, paused, aborting."""
    replaced: int
    total: int
    started: str
    waiting_for: str | None
    why: str | None = None
    """Why it is paused, holding or aborting."""
    slots: tuple[str, ...] = ()
    """A word for each slot in order: old, replacing, new, failed."""


class PoolRow(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    desired: int
    ready: int
    """Workers that serve: ready by our probe and, behind a proxy, up and in rotation."""
    generation: int
    rollout: RolloutRow | None
    cpu_percent: float | None
    rss_bytes: int | None
    requests_per_second: float | None
    workers: tuple[WorkerRow, ...]
    stopped: bool = False
    why: str | None = None
    last_rollout: str | None = None
    """How the last rollout ended, in one sentence."""
    operation: str | None = None
    """Id of the operation that holds the pool."""
    warnings: tuple[str, ...] = ()


class BackendRow(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    address: str
    worker: str | None
    """Slot of the worker of ours that fills it, else None."""
    health: Health
    health_reason: str | None
    rotation: Rotation
    weight: int | None
    in_flight: int | None
    queued: int | None
    requests_total: int | None
    requests_per_second: float | None
    errors_per_second: float | None
    response_ms: float | None
    asked_rotation: Rotation | None = None
    """What an operator asked for and still holds, else None."""
    counters: dict[str, str] = {}


class UpstreamRow(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    balance: str | None
    backends: tuple[BackendRow, ...]
    pool: str | None = None
    queued: int | None = None
    requests_per_second: float | None = None
    """All that come, those too that no backend is given."""
    errors_per_second: float | None = None
    """Those that clients see fail, those too that the proxy answers itself."""


class ProxyRow(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    kind: str
    version: str | None
    reachable: bool
    seen: str | None
    """Time of the last complete reading."""
    seen_seconds_ago: float | None
    why: str | None
    """Why it cannot be reached."""
    capabilities: tuple[str, ...]
    limited: str | None = None
    """Why it has not all of them."""
    upstreams: tuple[UpstreamRow, ...]
    front: str | None = None
    """Where the embedded proxy serves, `http://127.0.0.1:8080`."""


class OperationRow(Struct, frozen=True, kw_only=True, gc=False):
    id: str
    verb: str
    """The whole verb as it would be typed: `scale web=4`."""
    target: str
    pool: str | None
    actor: str
    asked: str
    ended: str | None
    phase: str
    """running, done, failed, aborted."""
    progress: str
    why: str | None
    steps: tuple[tuple[str, str], ...] = ()
    """Time and sentence of each step so far."""


class Snapshot(Struct, frozen=True, kw_only=True):
    revision: int
    time: str
    cluster: str
    host: HostRow
    engine: EngineRow
    pools: tuple[PoolRow, ...]
    proxies: tuple[ProxyRow, ...]
    operations: tuple[OperationRow, ...] = ()
    """Those running, and the last few that ended."""
    warnings: tuple[str, ...] = ()
