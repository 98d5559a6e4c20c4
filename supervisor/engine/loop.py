"""The engine: one inbox, one owner of the ledger, one turn after another; it waits for nobody.

inbox -> take (ledger) -> turn of each pool touched -> journal -> deeds -> publish
"""

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable

from supervisor.engine import elsewhere, intake, judging, seeing
from supervisor.engine.converging import converge_upstreams
from supervisor.engine.desk import Desk
from supervisor.engine.embedding import refresh
from supervisor.engine.journal import Journal
from supervisor.engine.ledger import Ledger
from supervisor.engine.performing import Performer, note_log_start
from supervisor.engine.trying import Elder
from supervisor.engine.turning import Turn, take_turn
from supervisor.engine.watching import Probes
from supervisor.model.deeds import Signal
from supervisor.model.events import Level
from supervisor.model.facts import (
    Converged,
    ConvergeFailed,
    Measured,
    ProbeMissed,
    ProbePassed,
    ProxyLost,
    ProxySeen,
    UpstreamSeen,
)
from supervisor.model.launch import Exited, KeeperLost, Notified, Spawned, SpawnFailed
from supervisor.model.phases import Phase
from supervisor.model.pools import Pool
from supervisor.model.spec import PoolSpec
from supervisor.model.workers import Worker

DOWN = "down"
UPGRADE = "upgrade"
"""The two ends that were asked for: the cluster's, and ours alone."""
INBOX = 20_000
"""Facts that wait; a turn takes them all, so that it takes a machine at its end to come near it."""
PASSING = (Measured, ProbeMissed, ProxySeen, UpstreamSeen, ProxyLost)
HASTE = 30.0
"""Seconds in which a ready worker's health is looked at quickly; one that is not up by then is in no hurry."""
BOTH_FAMILIES = socket.has_dualstack_ipv6()
"""One socket can ask about IPv4 and IPv6: a stranger may listen on `::1` alone."""
LONGEST_SLEEP = 5.0
"""Seconds after which every pool is looked at anyway: a net under every lost wake-up."""
EARLY = 0.2
"""Seconds by which something may be done too early, so that it need not wait for the readings after the next."""


class Engine:
    """Facts come in by `tell`, from tasks and from the keeper; `run` takes them until the cluster is down."""

    def __init__(self, desk: Desk, journal: Journal) -> None:
        self.desk = desk
        self.ledger: Ledger = desk.ledger
        self.journal = journal
        self.performer: Performer | None = None
        self.probes = Probes(self.tell)
        self.changed = asyncio.Event()
        """Set, and made anew, whenever the snapshot may have changed."""
        self._inbox: deque[object] = deque()
        self._news = asyncio.Event()
        self._dirty: set[str] = set()
        self._wakes: dict[str, float] = {}
        self._look_at_all = 0.0
        self._nudges: dict[str, asyncio.Event] = {}
        self._buried: list[int] = []
        """Exits to acknowledge once they are journaled."""
        self._ended: str | None = None
        self._fresh = False
        self._sampled = asyncio.Event()
        """Set, and made anew, whenever the workers were sampled."""
        self.on_readings: Callable[[], None] = lambda: None
        """Called when new readings are in the ledger and what they asked for is done."""

    def tell(self, fact: object) -> None:
        """Put a fact into the inbox; never blocks, never refuses.

        When it is full, readings are dropped, for the next ones say the same; what happened once is always kept,
        and there are only so many workers for it to happen to.
        """
        if len(self._inbox) >= INBOX and isinstance(fact, PASSING):
            return
        self._inbox.append(fact)
        self._news.set()

    def touch(self, *pools: str) -> None:
        """Have these pools looked at in the next turn; none named: all."""
        self._dirty.update(pools or self.ledger.pools)
        self._news.set()

    def finish(self, why: str) -> None:
        self._ended = why
        self._news.set()

    async def run(self) -> str:
        """Turn after turn until something ends the engine; returns why it ended."""
        assert self.performer is not None
        self.touch()
        while self._ended is None:
            self._news.clear()
            signals = self.take_inbox()
            self.turn(signals)
            if self._fresh:
                self._fresh = False
                self.on_readings()
            self.performer.link.alive()
            if self._inbox or self._ended is not None:
                await asyncio.sleep(0)
                continue
            due = min(self._wakes.values(), default=float("inf")) - time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, min(due, LONGEST_SLEEP))):
                    await self._news.wait()
        return self._ended

    def take_inbox(self) -> list[Signal]:
        signals: list[Signal] = []
        now = time.monotonic()
        while self._inbox:
            signals += self.take(self._inbox.popleft(), now)
        return signals

    def take(self, fact: object, now: float) -> list[Signal]:
        """One fact into the ledger; marks the pools that it may concern."""
        self.ledger.revision += 1
        match fact:
            case Spawned() | SpawnFailed() | Exited() | ProbePassed() | ProbeMissed():
                return self.take_worker_fact(fact, now)
            case Notified():
                return self.take_notice(fact, now)
            case Measured():
                self._fresh = True
                self._dirty |= intake.measure(self.desk, fact)
                self._sampled.set()
                self._sampled = asyncio.Event()
            case ProxySeen():
                self._fresh = True
                return self.mark(*seeing.proxy_seen(self.desk, fact, now))
            case UpstreamSeen():
                return self.mark(*seeing.upstream_seen(self.desk, fact, now))
            case ProxyLost():
                self._dirty |= seeing.proxy_lost(self.desk, fact)
            case Converged() | ConvergeFailed():
                self._dirty |= seeing.converged(self.desk, fact, now)
                self.nudge(fact.proxy)
            case KeeperLost():
                self.finish(f"the keeper is gone: {fact.why}")
            case Callback():
                fact.run(self)
            case _:
                raise AssertionError(f"no rule for {type(fact).__name__}")
        return []

    def mark(self, signals: list[Signal], touched: set[str]) -> list[Signal]:
        self._dirty |= touched
        return signals

    def take_worker_fact(
        self, fact: Spawned | SpawnFailed | Exited | ProbePassed | ProbeMissed, now: float
    ) -> list[Signal]:
        worker = self.ledger.workers.get(fact.serial)
        if worker is not None:
            self._dirty.add(worker.pool)
        if isinstance(fact, Spawned) and worker is not None:
            where = f", {worker.address}" if worker.address else ""
            text = f"started, pid {fact.pid}, generation {worker.generation}{where}"
            level: Level = "info"
            if fact.unlogged:
                text, level = f"{text}; its output is lost: {fact.unlogged}", "warning"
            self.desk.say("worker-started", worker.slot_name, text, level=level, pool=worker.pool, pid=fact.pid)
        if isinstance(fact, Spawned) and worker is None:
            # It hung on its way to exec for so long that we gave it up: nobody knows it any more.
            return [Signal(serial=fact.serial, signal="KILL")]
        signals = list(intake.take(self.desk, fact.serial, fact, now))
        if isinstance(fact, Exited):
            self._buried.append(fact.number)
            if self.ledger.stopping:
                # The last of one pool may be what an embedded proxy's pool waits for.
                self.touch()
        return signals

    def take_notice(self, fact: Notified, now: float) -> list[Signal]:
        """READY=1 of a worker that is asked by sd_notify; other words are kept for nobody yet."""
        worker = self.ledger.workers.get(fact.serial)
        if worker is None or fact.fields.get("READY") != "1":
            return []
        spec = self.ledger.pools[worker.pool].revision(worker.generation)
        if not spec.ready.notify or worker.phase is not Phase.STARTING:
            return []
        return self.take_worker_fact(ProbePassed(serial=worker.serial, why="READY=1"), now)

    def turn(self, signals: list[Signal]) -> None:
        """Look at every pool that is touched or due; journal; then do what was decided."""
        now = time.monotonic()
        if now >= self._look_at_all:
            self._look_at_all = now + LONGEST_SLEEP
            self._dirty.update(self.ledger.pools)
        due = {name for name, wake in self._wakes.items() if wake <= now}
        pools = sorted((self._dirty | due) & self.ledger.pools.keys())
        self._dirty.clear()
        turn = Turn(now=now, wall=time.time(), free=port_is_free, signals=signals)
        for name in pools:
            turn.wakes = []
            take_turn(self.desk, turn, name)
            self._wakes[name] = min(turn.wakes, default=float("inf"))
        wakes = converge_upstreams(self.ledger, turn.changes, now, set(pools))
        for name in pools:
            self._wakes[name] = min(self._wakes[name], *wakes, float("inf"))
        for name in self._wakes.keys() - self.ledger.pools.keys():
            del self._wakes[name]
        if judging.judge_all(self.desk, now):
            self.touch()
        self.perform(turn)
        if pools:
            self.probes.align(self.asked_workers(), self.spec_of, self.elders_of)
        if judging.all_down(self.ledger):
            self.finish(DOWN)
        self.publish()

    def perform(self, turn: Turn) -> None:
        """Journal first: what was started must be known before it runs."""
        performer = self.performer
        assert performer is not None
        for worker in turn.births:
            if worker.serial in self.ledger.workers:
                self.ledger.workers[worker.serial] = note_log_start(worker)
        self.save()
        for signal in turn.signals:
            performer.signal(signal)
        for worker in turn.births:
            if worker.serial in self.ledger.workers:
                performer.spawn(worker)
        # After the births: the keeper has time for the dead when the living are started.
        if self.journal.failing is None:
            for number in self._buried:
                performer.link.ack(number)
            self._buried.clear()
        for change in turn.changes:
            performer.converge(change)
            state = self.ledger.proxies[change.proxy]
            if state.spec.embedded:
                refresh(self.ledger, state.spec)
        for name in self._nudges:
            if self.urgent(name):
                self.nudge(name)

    def save(self, anew: bool = False) -> None:
        """What changed into the journal; a disk that takes nothing stops nothing but our memory."""
        before = self.journal.failing
        _ = (self.journal.begin if anew else self.journal.write)(self.ledger.durable())
        failing = self.journal.failing
        if failing is not None and before is None:
            until = "its keeper alone remembers this" if self.journal.held else "nobody remembers this"
            text = f"{failing}; the cluster goes on, but until it can be written {until}"
            self.desk.say("journal-failing", "cluster", text, level="error")
        elif failing is None and before is not None:
            self.desk.say("journal-written", "cluster", "the journal is written again, with all that it missed")

    def asked_workers(self) -> list[Worker]:
        """Those of pools that ask any question at all."""
        asking = {
            name
            for name, pool in self.ledger.pools.items()
            if any(spec.ready.asks or spec.alive.asks for spec in (pool.spec, *pool.revisions.values()))
        }
        return [worker for worker in self.ledger.workers.values() if worker.pool in asking] if asking else []

    def spec_of(self, worker: Worker) -> PoolSpec:
        return self.ledger.pools[worker.pool].revision(worker.generation)

    def elders_of(self, worker: Worker) -> list[Elder] | None:
        """The ready workers of other generations, while a rollout tries this one's; else None."""
        rollout = self.ledger.pools[worker.pool].rollout
        if rollout is None or worker.generation != rollout.to_generation:
            return None
        return [
            (other, self.spec_of(other))
            for other in self.ledger.workers_of(worker.pool)
            if other.generation != worker.generation and other.phase is Phase.READY and other.pid is not None
        ]

    def publish(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """About so many seconds, and then until the next sample, for which we are awake anyway.

        An idle engine is thus woken once a second, whatever else it looks at now and then.
        """
        begun = time.monotonic()
        while (left := begun + seconds - time.monotonic()) > EARLY:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left + LONGEST_SLEEP):  # samples may fail; other things go on
                    await self._sampled.wait()

    def nudge_of(self, proxy: str) -> asyncio.Event:
        return self._nudges.setdefault(proxy, asyncio.Event())

    def nudge(self, proxy: str) -> None:
        """Have a proxy looked at before its time."""
        self.nudge_of(proxy).set()

    def urgent(self, proxy: str) -> set[str]:
        """Upstreams of a proxy in which something is waited for, so that they are looked at quickly."""
        found: set[str] = set()
        state = self.ledger.proxies.get(proxy)
        for pool in self.ledger.pools.values():
            traffic = pool.spec.traffic
            if (
                traffic is None
                or traffic.proxy != proxy
                or state is None
                or traffic.upstream not in state.upstreams
            ):
                continue
            waiting = any(
                w.phase is Phase.DRAINING
                or (w.phase is Phase.READY and w.serving_since is None and time.monotonic() - w.since < HASTE)
                for w in self.ledger.workers_of(pool.name)
                if (traffic.proxy, traffic.upstream, w.address or "") not in self.ledger.asked
                or w.phase is Phase.DRAINING
            )
            if waiting or (pool.rollout is not None and self.watched(pool)):
                found.add(traffic.upstream)
                found |= {
                    name
                    for name, upstream in state.upstreams.items()
                    if pool in elsewhere.guests(self.ledger, proxy, upstream)
                }
        return found | judging.rotating(self.ledger, proxy)

    def watched(self, pool: Pool) -> bool:
        """Whether a new generation's worker is in its first seconds: each of its errors is a lost request."""
        assert pool.rollout is not None
        until = time.monotonic() - pool.spec.rollout.watch
        return any(
            w.generation == pool.rollout.to_generation and w.serving_since is not None and w.serving_since > until
            for w in self.ledger.workers_of(pool.name)
        )


class Callback:
    """A change of the ledger that must happen between two turns: an operator's request, a new configuration."""

    def __init__(self, act: Callable[[Engine], None]) -> None:
        self.run = act


def port_is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine, as far as binding it can tell."""
    family, host = (socket.AF_INET6, "::") if BOTH_FAMILIES else (socket.AF_INET, "")
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if BOTH_FAMILIES:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
