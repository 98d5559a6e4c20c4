"""A cluster that is not there: living pictures, operations, crashes, hostile names, and no process."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.answers import NoAnswer, Refused
from dashboard.link import Away
from dashboard.log_places import Places
from supervisor.model.events import Event
from supervisor.model.phases import Health, Rotation
from supervisor.model.snapshot import (
    BackendRow,
    EngineRow,
    ExitRow,
    HostRow,
    OperationRow,
    PoolRow,
    ProxyRow,
    RolloutRow,
    Snapshot,
    UpstreamRow,
    WorkerRow,
)

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
HOSTILE = (
    "[red]web[/red]",
    "web-1[/foo]",
    "[@click=app.leave]w[/]",
    "x\x1b]0;owned\x07y",
    "\x1b[2Jw",
    "a\x9b31mb",
    "line\nfeed\r\ttab",
    "\u202egnp.exe",
    "工作者工作者工作者",
    "w" * 10_000,
    "e\u0301\u200dz",
    "\x00",
    "back\\slash[",
)


class Simulated:
    """A Source. What was asked of it is in `asked`; `step` moves its time by one second."""

    section: tuple[float, float] | None = None
    """Requests and errors a second of the section web as a whole."""
    waiting: int | None = None
    """Requests that wait for whichever backend of it is free first."""
    warnings: tuple[str, ...] = ()
    unreachable = "no answer in 2 s"
    """Why the proxy cannot be reached, where it cannot."""
    pool_reason: str | None = None
    """Why the pool web as a whole does not serve."""

    def __init__(
        self,
        web: int = 3,
        jobs: int = 2,
        *,
        seed: int = 1,
        names: tuple[str, ...] = (),
        every: float | None = None,
        capabilities: tuple[str, ...] = ("drain", "maint", "weight", "add", "remove", "in_flight"),
    ) -> None:
        self.random = random.Random(seed)
        self.counts = {"web": web, "jobs": jobs}
        self.names = names
        self.every = every
        """Seconds between pictures by itself; None: only when a test says `step`."""
        self.capabilities = capabilities
        self.asked: list[tuple[str, str, dict[str, object], bool]] = []
        self.rotation: dict[str, Rotation] = {}
        self.phases: dict[str, str] = {}
        self.serials: dict[str, int] = {}
        self.restarts: dict[str, int] = {}
        self.gone: set[str] = set()
        self.operations: list[OperationRow] = []
        self.happened: list[Event] = []
        self.refusal: Refused | NoAnswer | None = None
        self.wants_yes = ""
        """Why the engine does nothing without an explicit yes; also asked for a plan, unless `plans` is off."""
        self.plans = True
        self.last_rollout: str | None = None
        self.rollout: RolloutRow | None = None
        """Of the pool web; slots that are not old run its generation."""
        self.leaks: dict[str, int] = {}
        """Slot -> bytes that it grows by in each second."""
        self.errors: dict[str, float] = {}
        """Slot -> errors a second of its backend."""
        self.down: set[str] = set()
        """Slots whose worker is ready and whose backend is down all the same."""
        self.reachable = True
        self.reasons: dict[str, str] = {}
        """Slot -> why the worker is as it is, by the engine."""
        self.second = 0
        self.kept: list[Snapshot] = []
        """What an engine would remember: every picture that a test has let come."""
        self._next_serial = 1
        self._news: asyncio.Queue[Snapshot | Away] = asyncio.Queue()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self.log_lines: dict[str, list[str]] = {}

    # Source

    async def watch(self, interval: float = 1.0) -> AsyncIterator[Snapshot | Away]:
        yield self.picture()
        while True:
            if self.every is None:
                yield await self._news.get()
            else:
                await asyncio.sleep(self.every)
                self.second += 1
                yield self.picture()

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        while True:
            yield await self._events.get()

    async def past_times(self) -> list[str]:
        return [picture.time for picture in self.kept]

    async def past(self, at: str, count: int) -> list[Snapshot]:
        return [picture for picture in self.kept if picture.time <= at][-count:]

    async def ask(
        self, method: str, path: str, body: dict[str, object] | None = None, dry_run: bool = False
    ) -> OperationRow | tuple[str, ...]:
        self.asked.append((method, path, body or {}, dry_run))
        if self.refusal is not None:
            raise self.refusal
        if self.wants_yes and not (body or {}).get("yes") and (self.plans or not dry_run):
            raise Refused(409, "needs_yes", self.wants_yes)
        if dry_run:
            return (f"would do {method} {path}", "would wait until nothing is in flight")
        number = len(self.operations) + 1
        row = OperationRow(
            id=f"op-{number}",
            verb=f"{method.lower()} {path.split('/')[-1]}",
            target=path,
            pool="web",
            actor="uid 0 (root)",
            asked=self.stamp(),
            ended=None,
            phase="running",
            progress="draining web.0: 2 in flight",
            why=None,
            steps=((self.stamp(), "asked"),),
        )
        self.operations.append(row)
        if "rotation" in (body or {}):
            self.rotation["/".join(path.split("/")[3:])] = Rotation(str((body or {})["rotation"]))
        if "desired" in (body or {}):
            self.counts[path.split("/")[3]] = int(str((body or {})["desired"]))
        return row

    async def log(
        self, target: str, lines: int = 200, follow: bool = False, places: Places | None = None
    ) -> AsyncIterator[str]:
        for line in self.log_lines.get(target, [f"INFO {target} says line {n}" for n in range(12)])[-lines:]:
            yield line
        if follow:
            await asyncio.Event().wait()

    async def worker(self, id: str) -> dict[str, Any]:
        """As the engine answers, with an environment whose secrets it has taken out."""
        if all(id != worker.id for pool in self.picture().pools for worker in pool.workers):
            raise Refused(404, "unknown", f"no such worker: {id!r}")
        ends = [
            {"time": self.stamp(), "code": 1, "signal": None, "why": why, "last_lines": ["boom", "\x1b[31mbad"]}
            for why in ("exit code 1", "killed by SEGV", "out of memory")[: self.restarts.get(id, 0)]
        ]
        return {
            "id": id,
            "workers": [],
            "command": ["node", "server.js", "--name", "the shop"],
            "cwd": "/srv/shop",
            "env": {"NODE_ENV": "production", "API_TOKEN": "…"},
            "limits": {"memory": 512 << 20, "nofile": 4096},
            "ready": {"http": "/healthz", "every": 0.25, "timeout": 30.0},
            "alive": {"tcp": True, "every": 10.0, "failures": 3},
            "stop": {"signal": "TERM", "timeout": 10.0},
            "logs": {id: f"/srv/shop/state/logs/{id}.log"},
            "ends": ends,
            "deaths_in_window": len(ends),
        }

    # What a test does to it

    def roll(self, *slots: str, phase: str = "running", waiting_for: str | None = None) -> None:
        """A rollout of web stands so: a word for each slot."""
        self.rollout = RolloutRow(
            operation="op-1",
            from_generation=1,
            to_generation=2,
            phase=phase,
            replaced=slots.count("new"),
            total=len(slots),
            started=START.isoformat(),
            waiting_for=waiting_for,
            slots=slots,
        )

    def step(self, seconds: int = 1) -> None:
        """Time goes on and a new picture comes."""
        self.second += seconds
        self.kept.append(self.picture())
        self._news.put_nowait(self.kept[-1])

    def leave(self, why: str = "nobody listens on /tmp/x.sock") -> None:
        self._news.put_nowait(Away(since=time.monotonic() - 4, why=why))

    def crash(self, slot: str, why: str = "killed by SEGV") -> None:
        self.serials.pop(slot, None)
        self.restarts[slot] = self.restarts.get(slot, 0) + 1
        self.say("error", slot, f"{slot} {why}")

    def say(self, level: str, subject: str, text: str) -> None:
        event = Event(
            number=len(self.happened) + 1,
            time=self.stamp(),
            kind="worker-exited",
            level=level,  # type: ignore[arg-type]
            subject=subject,
            text=text,
        )
        self.happened.append(event)
        self._events.put_nowait(event)

    def end(self, id: str, phase: str = "done", why: str | None = None) -> None:
        self.operations = [
            row
            if row.id != id
            else OperationRow(
                id=row.id, verb=row.verb, target=row.target, pool=row.pool, actor=row.actor, asked=row.asked,
                ended=self.stamp(), phase=phase, progress="it is so", why=why, steps=row.steps,
            )
            for row in self.operations
        ]  # fmt: skip

    # The picture

    def stamp(self) -> str:
        return (START + timedelta(seconds=self.second)).isoformat()

    def name_of(self, pool: str, slot: int) -> str:
        return self.names[slot % len(self.names)] if self.names and pool == "web" else f"{pool}.{slot}"

    def picture(self) -> Snapshot:
        pools = tuple(self._pool(name) for name in self.counts)
        return Snapshot(
            revision=self.second + 1,
            time=self.stamp(),
            cluster="demo",
            host=HostRow(
                cpus=2,
                cpu_percent=30 + 20 * math.sin(self.second / 9),
                memory_total_bytes=8 << 30,
                memory_available_bytes=5 << 30,
                load=(0.5, 0.4, 0.3),
            ),
            engine=EngineRow(
                pid=811,
                keeper_pid=810,
                version="0.1.0",
                started=START.isoformat(),
                cpu_percent=0.4,
                rss_bytes=40 << 20,
            ),
            pools=pools,
            proxies=(self._proxy(pools[0]),),
            operations=tuple(self.operations),
            warnings=self.warnings,
        )

    def _pool(self, name: str) -> PoolRow:
        workers = tuple(self._worker(name, slot) for slot in range(self.counts[name]))
        workers = tuple(one for one in workers if one.id not in self.gone)
        rates = [w.requests_per_second for w in workers if w.requests_per_second is not None]
        return PoolRow(
            name=name,
            desired=self.counts[name],
            ready=sum(w.phase == "ready" for w in workers),
            generation=1,
            rollout=self.rollout if name == "web" else None,
            last_rollout=self.last_rollout if name == "web" else None,
            cpu_percent=sum(w.cpu_percent or 0 for w in workers),
            rss_bytes=sum(w.rss_bytes or 0 for w in workers),
            requests_per_second=sum(rates) if rates else None,
            workers=workers,
            why=self.pool_reason if name == "web" else None,
            warnings=(f"{self.counts[name]} CPU-bound workers > 2 cores",) if self.counts[name] > 6 else (),
        )

    def _worker(self, pool: str, slot: int) -> WorkerRow:
        name = self.name_of(pool, slot)
        phase = self.phases.get(name, "ready")
        live = phase not in ("backing-off", "failed", "stopped")
        if live and name not in self.serials:
            self.serials[name] = self._next_serial
            self._next_serial += 1
        behind = pool == "web"
        restarts = self.restarts.get(name, 0)
        last = ExitRow(
            time=self.stamp(), code=1, signal=None, why="exit code 1", last_lines=("boom", "\x1b[31mbad")
        )
        return WorkerRow(
            id=name,
            serial=self.serials[name] if live else None,
            pid=20_000 + slot if live else None,
            phase=phase,
            generation=self._generation(pool, slot),
            address=f"127.0.0.1:{9001 + slot}" if behind else None,
            started=START.isoformat() if live else None,
            uptime_seconds=float(self.second) if live else None,
            restarts=restarts,
            last_exit=last if restarts or not live else None,
            cpu_percent=self._wave(slot, 50) if live else None,
            rss_bytes=(int(self._wave(slot, 200)) << 20) + self.second * self.leaks.get(name, 0) if live else None,
            fds=12 if live else None,
            threads=3 if live else None,
            processes=1 if live else None,
            requests_per_second=self._wave(slot, 80) if behind and live else None,
            requests_source="lb" if behind else None,
            backend=f"lb/web/{name}" if behind else None,
            why=self.reasons.get(name) if live else "exit code 1; again in 4 s",
            sampled_seconds_ago=0.4 if live else None,
        )

    def _generation(self, pool: str, slot: int) -> int:
        if self.rollout is None or pool != "web" or slot >= len(self.rollout.slots):
            return 1
        return 1 if self.rollout.slots[slot] == "old" else 2

    def _wave(self, slot: int, middle: float) -> float:
        return max(0.0, middle * (1 + 0.6 * math.sin(slot * 1.7 + self.second / 6)) + self.random.uniform(-5, 5))

    def _proxy(self, pool: PoolRow) -> ProxyRow:
        backends = [self._backend(worker) for worker in pool.workers]
        other = BackendRow(
            name="legacy", address="10.0.0.9:80", worker=None, health=Health.DOWN, health_reason="L4CON in 0 ms",
            rotation=Rotation.READY, weight=1, in_flight=0, queued=0, requests_total=5, requests_per_second=0.0,
            errors_per_second=0.0, response_ms=None, counters={"stot": "5", "econ": "2"},
        )  # fmt: skip
        return ProxyRow(
            name="lb",
            kind="haproxy",
            version="2.8.25",
            reachable=self.reachable,
            seen=self.stamp(),
            seen_seconds_ago=0.5 if self.reachable else 21.0,
            why=None if self.reachable else self.unreachable,
            capabilities=self.capabilities,
            upstreams=(self._section((*backends, other)),),
            front="http://127.0.0.1:8080",
        )

    def _section(self, backends: tuple[BackendRow, ...]) -> UpstreamRow:
        rates = self.section or (None, None)
        return UpstreamRow(
            name="web", balance="roundrobin", backends=backends, pool="web", queued=self.waiting,
            requests_per_second=rates[0], errors_per_second=rates[1],
        )  # fmt: skip

    def _backend(self, worker: WorkerRow) -> BackendRow:
        rotation = self.rotation.get(f"lb/web/{worker.id}", Rotation.READY)
        up = worker.phase == "ready" and worker.id not in self.down
        reason = "L7OK 200" if up else "L7TOUT" if worker.id in self.down else "L4CON refused"
        return BackendRow(
            name=worker.id, address=worker.address or "", worker=worker.id,
            health=Health.UP if up else Health.DOWN, health_reason=reason,
            rotation=rotation, weight=1, in_flight=2 if rotation is Rotation.READY and up else 0, queued=0,
            requests_total=1234, requests_per_second=worker.requests_per_second,
            errors_per_second=self.errors.get(worker.id, 0.0),
            response_ms=3.1, counters={"stot": "1234"},
        )  # fmt: skip
