"""Everything that the engine knows, in one place with one owner: the loop. Records in it are frozen."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from supervisor.core.reconcile import Picture
from supervisor.core.rotation import View
from supervisor.core.sharing import shared_addresses, socket_name
from supervisor.engine.known_rows import KnownRows
from supervisor.engine.rates import Rates
from supervisor.model.backends import Backend, Capability, Upstream, Want
from supervisor.model.operations import Operation
from supervisor.model.phases import Rotation
from supervisor.model.pools import Pool
from supervisor.model.readings import HostReading, Sample
from supervisor.model.spec import ClusterSpec, ProxySpec
from supervisor.model.workers import Slot, Worker

OPERATIONS_KEPT = 50
PROXY_POOL = "@"
"""First letter of the hidden pool that runs an embedded proxy: `@lb` runs `lb`."""


@dataclass
class ProxyState:
    """What was last seen of one proxy, and when."""

    spec: ProxySpec
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)
    """When the reading behind each upstream was asked for."""
    version: str | None = None
    epoch: str | None = None
    reachable: bool = False
    answers_since: float = 0.0
    """Since when it has been reachable without a break."""
    why: str | None = "not asked yet"
    capabilities: tuple[Capability, ...] = ()
    limited: str | None = None
    """Why it has fewer than others."""
    settle: float = 0.02
    seen: float | None = None
    seen_wall: float | None = None
    rates: Rates = field(default_factory=Rates)
    converging: set[str] = field(default_factory=set)
    """Upstreams that a task of ours is changing just now."""
    memos: dict[str, "Memo"] = field(default_factory=dict)
    awaited: str | None = None
    """What is under way until an embedded one runs with its configuration."""
    refused: str | None = None
    """Why an embedded one does not run with its configuration, and is not about to."""
    inherited: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Upstream -> address -> requests and errors that the server there had counted for another address."""


class Memo(Struct, frozen=True):
    """How the last converging of an upstream went."""

    want: Want
    at: float
    failed: str | None = None


class Counters(Struct, frozen=True, kw_only=True):
    """Numbers that must never be given twice, journaled."""

    serial: int = 0
    operation: int = 0
    boot: str = ""
    keeper: int = 0
    """Pid of the keeper that the last engine served under …"""
    keeper_ticks: int = 0
    """… and its start: in a container every keeper may be pid 1."""


@dataclass
class Ledger:
    spec: ClusterSpec
    pools: dict[str, Pool] = field(default_factory=dict)
    slots: dict[str, dict[int, Slot]] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    """By serial; those not gone."""
    proxies: dict[str, ProxyState] = field(default_factory=dict)
    asked: dict[tuple[str, str, str], Rotation] = field(default_factory=dict)
    """(proxy, upstream, address) -> the rotation that an operator asked for and still holds."""
    put_back: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """When an operator last put such a backend back, in monotonic seconds. Not kept over a restart:
    a new engine counts from its first reading anyway."""
    operations: dict[str, Operation] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    samples: dict[int, Sample] = field(default_factory=dict)
    host: HostReading | None = None
    own_cpu_percent: float | None = None
    own_rss_bytes: int | None = None
    sockets: dict[str, str | None] = field(default_factory=dict)
    """Shared listening sockets by name: None while the keeper holds it, else why it does not."""
    waits: dict[str, str] = field(default_factory=dict)
    """Slot -> what its replacement waits for; pool -> what its rollout waits for."""
    stopping: bool = False
    revision: int = 0
    rows: KnownRows = field(default_factory=KnownRows)
    """Of the picture before."""

    def workers_of(self, pool: str) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.pool == pool]

    def slot(self, pool: str, number: int) -> Slot:
        found = self.slots.setdefault(pool, {}).get(number)
        return found or Slot(pool=pool, number=number, generation=self.pools[pool].complete)

    def keep(self, slot: Slot) -> None:
        self.slots.setdefault(slot.pool, {})[slot.number] = slot

    def upstream_of(self, pool: Pool) -> Upstream | None:
        traffic = pool.spec.traffic
        if traffic is None or traffic.proxy not in self.proxies:
            return None
        return self.proxies[traffic.proxy].upstreams.get(traffic.upstream)

    def backend_of(self, worker: Worker) -> Backend | None:
        pool = self.pools.get(worker.pool)
        upstream = self.upstream_of(pool) if pool else None
        if upstream is None or worker.address is None:
            return None
        return next((b for b in upstream.backends if b.address == worker.address), None)

    def worker_at(self, address: str) -> Worker | None:
        return next((w for w in self.workers.values() if w.address == address), None)

    def asked_in(self, pool: Pool) -> dict[str, Rotation]:
        traffic = pool.spec.traffic
        return {} if traffic is None else self.asked_at(traffic.proxy, traffic.upstream)

    def asked_at(self, proxy: str, upstream: str) -> dict[str, Rotation]:
        """By address, what operators asked for in one upstream."""
        return {key[2]: rotation for key, rotation in self.asked.items() if key[:2] == (proxy, upstream)}

    def asked_of(self, worker: Worker) -> Rotation | None:
        """What an operator asked for a worker's backend, while that holds: drain or maint."""
        return self.asked_in(self.pools[worker.pool]).get(worker.address or "")

    def picture(self, name: str, now: float) -> Picture:
        """The whole picture of one pool, for the pure part to look at."""
        pool = self.pools[name]
        workers = self.workers_of(name)
        views: dict[int, View] = {}
        if pool.spec.traffic is not None:
            upstream = self.upstream_of(pool)
            state = self.proxies.get(pool.spec.traffic.proxy)
            by_address = {b.address: b for b in upstream.backends} if upstream else {}
            fresh = bool(state and state.reachable)
            since = state.answers_since if state else 0.0
            read = state.read.get(upstream.name, 0.0) if state and upstream else 0.0
            asked = self.asked_in(pool)
            behind = pool.spec.traffic.proxy, pool.spec.traffic.upstream
            views = {
                w.serial: View(
                    fresh,
                    by_address.get(w.address or ""),
                    max(since, self.put_back.get((*behind, w.address or ""), 0.0)) if self.put_back else since,
                    asked.get(w.address or ""),
                    read,
                )
                for w in workers
            }
        stopping = self.stopping and not (name.startswith(PROXY_POOL) and self.others_live())
        listens = shared_addresses(pool, workers)
        held = frozenset(one for one in listens if self.sockets.get(socket_name(name, one), "") is None)
        return Picture(pool, dict(self.slots.get(name, {})), workers, views, now, stopping, held)

    def others_live(self) -> bool:
        """Embedded proxies go last, after the workers that they serve."""
        return any(not worker.pool.startswith(PROXY_POOL) for worker in self.workers.values() if worker.live)

    def durable(self) -> Mapping[str, Mapping[Hashable, Struct]]:
        """What must outlive the engine, by the first part of its key in the journal and by the rest."""
        groups: dict[str, Mapping[Any, Struct]] = {
            "": {"counters": self.counters, "spec": self.spec},
            "pool/": self.pools,
            "worker/": self.workers,
            "operation/": self.operations,
            "asked/": {"/".join(key): Asked(rotation) for key, rotation in self.asked.items()},
        }
        return groups | {f"slot/{pool}.": slots for pool, slots in self.slots.items()}


class Asked(Struct, frozen=True):
    """A rotation that an operator asked for, as the journal writes it."""

    rotation: Rotation
