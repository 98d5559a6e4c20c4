"""What could go wrong with this cluster though nothing has yet: findings, each with what to do about it."""

import os
from collections.abc import Iterator

from msgspec import Struct

from supervisor.core.crowding import crowded
from supervisor.engine import elsewhere
from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.engine.refusing import room
from supervisor.host.signals import handles
from supervisor.model.backends import Upstream
from supervisor.model.phases import Phase
from supervisor.model.pools import Pool
from supervisor.model.text import plural
from supervisor.model.workers import Worker

KEEP_ALIVE = 5.0
"""Seconds that a server keeps an idle connection by default (Node, gunicorn's 2, uvicorn's 5)."""
NEARLY = 0.9


class Finding(Struct, frozen=True, kw_only=True):
    check: str
    """Stable word for scripts."""
    subject: str
    text: str
    hint: str


def examine(ledger: Ledger, only: str | None = None) -> tuple[Finding, ...]:
    """All findings, or those of one pool. Reads /proc once for each worker, and the disk's size."""
    pools = [
        p for n, p in ledger.pools.items() if not n.startswith(PROXY_POOL) and not p.leaving and only in (None, n)
    ]
    found = [finding for pool in pools for finding in of_pool(ledger, pool)]
    return (*found, *of_disk(ledger, pools))


def of_pool(ledger: Ledger, pool: Pool) -> Iterator[Finding]:
    spec = pool.spec
    for worker in ledger.workers_of(pool.name):
        yield from of_worker(ledger, pool, worker)
    yield from of_slots(ledger, pool)
    if spec.traffic and not spec.ready.asks:
        yield Finding(
            check="no-readiness",
            subject=pool.name,
            text="gets traffic as soon as its program runs: nothing asks whether it is ready",
            hint='ready = { http = "/healthz" }, or tcp = true',
        )
    if (spec.traffic or spec.listen) and spec.stop.timeout < KEEP_ALIVE:
        yield Finding(
            check="short-stop",
            subject=pool.name,
            text=f"KILL follows {spec.stop.signal} after {spec.stop.timeout:g} s: less than an idle client is kept",
            hint="stop = { timeout = … }: above the keep-alive and the longest request",
        )
    most = room(spec)
    if most is not None and most <= pool.desired:
        first, last = spec.ports or (0, 0)
        yield Finding(
            check="tight-ports",
            subject=pool.name,
            text=f"ports {first}-{last} have no room for one worker more than the {pool.desired} wanted",
            hint="ports = …: wider; a rollout needs its surge beside them",
        )
    yield from of_cores(ledger, pool)
    yield from of_proxy(ledger, pool)


def of_worker(ledger: Ledger, pool: Pool, worker: Worker) -> Iterator[Finding]:
    spec = pool.revision(worker.generation)
    if worker.pid is None:
        return
    drained = spec.traffic is not None and spec.listen is None  # nothing is in flight when the signal comes
    if not drained and handles(worker.pid, spec.stop.signal) is False:
        loses = "requests in flight" if spec.listen else "what it is doing"
        yield Finding(
            check="no-stop-handler",
            subject=worker.slot_name,
            text=f"pid {worker.pid} does not handle {spec.stop.signal}: it dies of it at once, and loses {loses}",
            hint=f"handle SIG{spec.stop.signal}, or name another in stop.signal; a shell must `exec` its program",
        )
    sample, limit = ledger.samples.get(worker.serial), nofile(worker.pid)
    if sample and sample.fds and limit and sample.fds > NEARLY * limit:
        yield Finding(
            check="few-descriptors",
            subject=worker.slot_name,
            text=f"{sample.fds} of {limit} descriptors are open",
            hint="limits = { nofile = … }, or close what leaks",
        )
    memory = pool.spec.limits.memory
    if sample and sample.rss_bytes and memory and sample.rss_bytes > NEARLY * memory:
        yield Finding(
            check="near-memory-limit",
            subject=worker.slot_name,
            text=f"{sample.rss_bytes >> 20} MiB of its limit of {memory >> 20} MiB; above it, it is replaced",
            hint="limits = { memory = … }",
        )


def of_slots(ledger: Ledger, pool: Pool) -> Iterator[Finding]:
    for slot in ledger.slots.get(pool.name, {}).values():
        if slot.failed and slot.ends and slot.ends[-1].code == 0:
            yield Finding(
                check="ends-by-itself",
                subject=slot.name,
                text="was given up though its program ends with exit code 0: it does not stay",
                hint="a program that goes into the background must be told not to (nginx: -g 'daemon off;'); "
                'a job that is to end: restart = { policy = "on-failure" }',
            )


def nofile(pid: int) -> int | None:
    """The soft limit of open files of a process (proc_pid_limits(5))."""
    try:
        with open(f"/proc/{pid}/limits", encoding="ascii") as lines:
            line = next(line for line in lines if line.startswith("Max open files"))
        return int(line.split()[3])
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def of_cores(ledger: Ledger, pool: Pool) -> Iterator[Finding]:
    samples = [ledger.samples.get(worker.serial) for worker in ledger.workers_of(pool.name)]
    cpus = ledger.host.cpus if ledger.host else None
    busy = crowded((sample.cpu_percent for sample in samples if sample), cpus) if cpus else None
    if busy:
        yield Finding(
            check="more-than-cores",
            subject=pool.name,
            text=f"{busy} workers are bound by the processor, and there are {plural(cpus or 0, 'core')}",
            hint="fewer workers would answer as many requests, each sooner",
        )


def of_proxy(ledger: Ledger, pool: Pool) -> Iterator[Finding]:
    traffic = pool.spec.traffic
    state = ledger.proxies.get(traffic.proxy) if traffic else None
    if traffic is None or state is None:
        return
    subject = f"{traffic.proxy}/{traffic.upstream}"
    if not state.reachable:
        yield Finding(
            check="proxy-unreachable",
            subject=traffic.proxy,
            text=f"cannot be reached: {state.why}; {pool.name} can neither be drained nor grow behind it",
            hint="its socket, and whether it runs",
        )
        return
    if traffic.upstream not in state.upstreams:
        yield Finding(
            check="no-upstream",
            subject=subject,
            text=f"{traffic.proxy} has no upstream of that name, so {pool.name} gets no requests",
            hint=f"there are: {', '.join(sorted(state.upstreams)) or 'none'}",
        )
    for name, upstream in state.upstreams.items():
        yield from of_listing(ledger, pool, f"{traffic.proxy}/{name}", upstream)
    lacking = [word for word in ("drain", "in_flight", "add") if word not in state.capabilities]
    if lacking:
        yield Finding(
            check="proxy-cannot",
            subject=traffic.proxy,
            text=f"{state.spec.kind} {state.version or ''} cannot {', '.join(lacking)}".replace("  ", " ")
            + (f": {state.limited}" if state.limited else ""),
            hint="without drain and in_flight a restart waits out drain_timeout; without add, list every port",
        )


def of_listing(ledger: Ledger, pool: Pool, section: str, upstream: Upstream) -> Iterator[Finding]:
    """A section that lists some of a pool's addresses, and not all that its workers have."""
    traffic = pool.spec.traffic
    if traffic is None or pool not in elsewhere.guests(ledger, traffic.proxy, upstream):
        return
    listed = {backend.address for backend in upstream.backends}
    missing = [w for w in ledger.workers_of(pool.name) if w.phase is Phase.READY and w.address not in listed]
    if missing:
        names = ", ".join(f"{w.slot_name} ({w.address})" for w in missing[:3]) + (" …" if missing[3:] else "")
        yield Finding(
            check="not-listed",
            subject=section,
            text=f"lists workers of {pool.name}, and not {names}: nothing that arrives there reaches them",
            hint=f"list every port of {pool.name} there: servers are added to {traffic.upstream} alone",
        )


def of_disk(ledger: Ledger, pools: list[Pool]) -> Iterator[Finding]:
    try:
        disk = os.statvfs(ledger.spec.state_dir)
    except OSError:
        return
    free = disk.f_bavail * disk.f_frsize
    most = sum(p.spec.log.max_bytes * (p.spec.log.keep + 1) * p.desired for p in pools)
    used = sum(size_of(worker.log) for pool in pools for worker in ledger.workers_of(pool.name))
    if free < max(0, most - used):
        yield Finding(
            check="full-disk",
            subject=ledger.spec.state_dir,
            text=f"{free >> 20} MiB are free, and the workers' logs may grow to {most >> 20} MiB",
            hint="log = { max_size = …, keep = … }, or room",
        )


def size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
