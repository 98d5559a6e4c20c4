"""Tasks that look at the world and put what they saw into the inbox: proxies, probes, samples, log files.

None of them decides anything, and the loop waits for none of them.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing

from supervisor.engine.ledger import Ledger, ProxyState
from supervisor.engine.trying import AT_LEAST, Elder, tried
from supervisor.host.following import LogMatcher
from supervisor.host.logs import rotate
from supervisor.host.machine import HostReader
from supervisor.host.probing import ask
from supervisor.host.sampling import OwnUsage, Sampler
from supervisor.host.writes import Writes
from supervisor.model.errors import ProxyError
from supervisor.model.facts import Measured, ProbeMissed, ProbePassed, ProxyLost, ProxySeen, UpstreamSeen
from supervisor.model.phases import Phase
from supervisor.model.readings import Sample
from supervisor.model.spec import AliveSpec, PoolSpec, Question, ReadySpec
from supervisor.model.workers import Worker
from supervisor.proxies.contract import Proxy

Tell = Callable[[object], None]
Asked = tuple[int, ReadySpec | AliveSpec, str | None]
"""A worker's serial, the question that is put to it and by which name it is called."""

QUICK = 0.05
"""Seconds between two looks at an upstream while something there is waited for."""
GRACE = 0.25
"""Seconds more than an adapter gives itself: it knows why there is no answer, and we do not."""
ROTATE_EVERY = 2.0


async def watch_proxy(
    state: ProxyState, proxy: Proxy, tell: Tell, urgent: Callable[[], set[str]], nudge: asyncio.Event
) -> None:
    """Read one proxy for ever: all of it every `every` seconds, urgent upstreams in between."""
    name = state.spec.name
    while True:
        begun = time.monotonic()
        answers = False
        try:
            async with asyncio.timeout(state.spec.timeout + GRACE):
                observation = await proxy.observe()
            tell(
                ProxySeen(proxy=name, observation=observation, capabilities=proxy.capabilities, settle=proxy.settle)
            )
            answers = True
        except ProxyError as error:
            tell(ProxyLost(proxy=name, why=str(error)))
        except TimeoutError:
            tell(ProxyLost(proxy=name, why=f"no complete answer within {state.spec.timeout:g} s"))
        except Exception as error:
            # What was read last must not be taken for what is; whoever keeps us going tells the fault itself.
            tell(ProxyLost(proxy=name, why=f"a fault of clusterctl itself: {type(error).__name__}: {error}"))
            raise
        until = begun + state.spec.every
        if answers:
            await pause_until(until, name, state, proxy, tell, urgent, nudge)
        else:
            # Not by asking the ledger, which has not heard of it yet: a refused connection takes no time at all,
            # and trying again at once would let nobody else run.
            await asyncio.sleep(max(QUICK, until - time.monotonic()))


async def pause_until(
    until: float,
    name: str,
    state: ProxyState,
    proxy: Proxy,
    tell: Tell,
    urgent: Callable[[], set[str]],
    nudge: asyncio.Event,
) -> None:
    """Wait for the next full reading; look quickly at what is waited for meanwhile."""
    while (left := until - time.monotonic()) > 0:
        upstreams = urgent() if state.reachable else set()
        if not upstreams:
            nudge.clear()
            try:
                async with asyncio.timeout(left):
                    await nudge.wait()
            except TimeoutError:
                return
            continue
        for upstream in upstreams:
            asked = time.monotonic()
            try:
                async with asyncio.timeout(state.spec.timeout + GRACE):
                    seen = await proxy.look(upstream)
            except (ProxyError, TimeoutError):
                await asyncio.sleep(QUICK)
                return  # the full reading that follows says what is wrong
            tell(UpstreamSeen(proxy=name, upstream=seen, asked=asked, answered=time.monotonic()))
        await asyncio.sleep(min(QUICK, max(0.0, until - time.monotonic())))


async def watch_samples(ledger: Ledger, keeper_pid: int, tell: Tell, every: float = 1.0) -> None:
    """Sample every worker and the host, once a second."""
    sampler, host, own = Sampler(), HostReader(), OwnUsage((os.getpid(), keeper_pid))
    while True:
        now = time.monotonic()
        pids = {w.serial: w.pid for w in ledger.workers.values() if w.pid is not None}
        samples: dict[int, Sample] = {}
        for part in sampler.parts(pids):
            samples |= part
            await asyncio.sleep(0)  # a thousand workers take 10 ms, for which nobody should wait
        cpu, rss = own.read(now)
        tell(Measured(samples=samples, host=host.read(now), own_cpu_percent=cpu, own_rss_bytes=rss))
        await asyncio.sleep(max(0.05, every - (time.monotonic() - now)))


async def watch_logs(ledger: Ledger, pause: Callable[[float], Awaitable[None]]) -> None:
    """Rotate the workers' files by size, away from the loop."""
    while True:
        await pause(ROTATE_EVERY)
        for worker in list(ledger.workers.values()):
            pool = ledger.pools.get(worker.pool)
            if pool is None or not worker.log:
                continue
            try:
                if os.stat(worker.log).st_size > pool.spec.log.max_bytes:
                    await asyncio.to_thread(rotate, worker.log, pool.spec.log)
            except OSError:
                continue  # gone, or the disk is full: the worker goes on, and so do we


class Probes:
    """One task a worker and question: readiness while it starts, liveness while it is ready."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._tasks: dict[Asked, asyncio.Task[None]] = {}
        self._elders_of: Callable[[Worker], list[Elder] | None] = lambda worker: None

    def align(
        self,
        workers: Iterable[Worker],
        spec_of: Callable[[Worker], PoolSpec],
        elders_of: Callable[[Worker], list[Elder] | None] = lambda worker: None,
    ) -> None:
        """Start the tasks that these workers need, and end those that nobody needs any more.

        `elders_of` gives the old workers of one whose generation has not been complete yet, which has more to
        answer; of any other, None.
        """
        self._elders_of = elders_of
        needed: set[Asked] = set()
        key: Asked
        for worker in workers:
            spec = spec_of(worker)
            if worker.pid is None:
                continue
            if worker.phase is Phase.STARTING and spec.ready.asks and not spec.ready.notify:
                key, begin = (worker.serial, spec.ready, spec.probe_host), self._ready
            elif worker.phase is Phase.READY and spec.alive.asks and not spec.alive.notify:
                key, begin = (worker.serial, spec.alive, spec.probe_host), self._alive
            else:
                continue
            needed.add(key)
            task = self._tasks.get(key)
            if task is None or (task.done() and not task.cancelled() and task.exception() is not None):
                self._tasks[key] = asyncio.create_task(begin(worker, spec))
        for key in self._tasks.keys() - needed:
            self._tasks.pop(key).cancel()

    async def _ready(self, worker: Worker, spec: PoolSpec) -> None:
        question: ReadySpec = spec.ready
        if question.log:
            await self._logged(worker, question.log)
        said = ""
        bad_since: float | None = None
        while True:
            begun = time.monotonic()
            bad = False
            if question.log:
                ok, why = True, f"a line matches {question.log!r}"
            else:
                ok, why = await put(question, worker, spec, max(1.0, question.every))
            if ok and (elders := self._elders_of(worker)) is not None:
                ok, more, bad = await tried(worker, spec, elders)
                why = more or why
            if ok:
                self._tell(ProbePassed(serial=worker.serial, why=why))
                return
            if bad and bad_since is None:
                bad_since = begun
            if bad and bad_since is not None and begun >= bad_since + max(AT_LEAST, spec.rollout.watch):
                self._tell(ProbeMissed(serial=worker.serial, why=why, final=True))
                return
            if why != said:
                said = why
                self._tell(ProbeMissed(serial=worker.serial, why=why))
            await asyncio.sleep(max(0.02, question.every - (time.monotonic() - begun)))

    async def _logged(self, worker: Worker, pattern: str) -> None:
        """Until a line of the worker's matches."""
        matcher = LogMatcher(worker.log, pattern, worker.log_from)
        with closing(Writes()) as writes:
            writes.watch((worker.log,))
            if not matcher.feed():
                self._tell(ProbeMissed(serial=worker.serial, why=f"no line matches {pattern!r} yet"))
            while not matcher.feed():
                await writes.wait()
                writes.watch((worker.log,))

    async def _alive(self, worker: Worker, spec: PoolSpec) -> None:
        question: AliveSpec = spec.alive
        missed = False
        await asyncio.sleep(question.every * random.random())  # spread many workers' probes over the interval
        while True:
            begun = time.monotonic()
            ok, why = await put(question, worker, spec, question.timeout)
            if not ok and why.startswith("another worker answered"):
                ok = True  # on a shared socket that is chance, and says nothing about this one
            if not ok or missed:
                fact = ProbePassed if ok else ProbeMissed
                self._tell(fact(serial=worker.serial, why=why))
            missed = not ok
            await asyncio.sleep(max(0.05, question.every - (time.monotonic() - begun)))

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()


async def put(question: Question, worker: Worker, spec: PoolSpec, timeout: float) -> tuple[bool, str]:
    """One question to one worker."""
    assert worker.pid is not None
    shared = spec.listen is not None
    answer = await ask(
        question, worker.address or "", worker.pid, shared=shared, timeout=timeout, host=spec.probe_host
    )
    return answer.ok, answer.why
