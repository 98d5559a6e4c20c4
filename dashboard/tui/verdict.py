"""What is not well, the worst first: what it is, why, and which keys help; pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rich.cells import cell_len

from dashboard.mirror import BackendView, Mirror, WorkerView, client_rates
from dashboard.tui.ink import Line, cell
from dashboard.tui.say import clock, local, seconds_between
from dashboard.tui.states import HEALTH, OUTCOMES, ROTATION, phase
from dashboard.tui.worker_columns import failing, why
from supervisor.model.phases import Health, Rotation
from supervisor.model.snapshot import ProxyRow, Snapshot, UpstreamRow

MOST = 50
"""Troubles that are told apart; with more, one hardly looks at each."""
SETTLING = 3.0
"""Seconds in which a worker that comes is not asked why it does not serve yet."""
REMEMBERED = 600.0
"""Seconds for which is told that an operation went wrong: who is called at night comes after it."""
ALONE = 0.8
"""Share of the failed requests from which one backend is the one that fails."""

ASKED = 4
"""The rank of what an operator asked for, and of what is only slow to come."""
NOT_OURS = 5
"""The rank of what no worker of ours has to do with."""


_STOPPED = re.compile(r"process (\d+) is stopped")


class Trouble(NamedTuple):
    rank: int
    """The lowest is the worst."""
    key: str
    """The row's key; empty where no row stands for it."""
    where: str
    """The table of the row: workers or backends."""
    said: str
    """`✖ web.2 failed: exit code 1`."""
    token: str
    help: str
    """Keys that help: `S start`."""
    holds: bool = False
    """A rollout goes on by an operator alone."""

    def line(self, room: int) -> Line:
        """In at most `room` cells: the key that goes there, what and why, and the keys that help if they fit."""
        lead: Line = (("! ", "key"),) if self.key else ()
        said = cell(self.said, min(cell_len(self.said), room - len(lead) * 2))
        left = room - len(lead) * 2 - cell_len(said)
        hint: Line = ((f"   {self.help}", "dim"),) if self.help and left >= len(self.help) + 3 else ()
        return (*lead, (said, self.token), *hint)


_WORKERS = {"failed": (1, "l log", "  S start"), "backing-off": (3, "l log  ⏎ its deaths", "")}
"""By phase: the rank, keys that tell more, and keys that change something."""


def troubles(mirror: Mirror, fixed: bool = False) -> list[Trouble]:
    """All of a picture, the worst first, in the order of the rows where they are alike.

    `fixed`: nothing can be changed, so no key that would is named.
    """
    snapshot = mirror.snapshot
    if snapshot is None:
        return []
    found = [
        *_proxies(snapshot),
        *(Trouble(1, "", "", f"▲ {warning}", "warn", "") for warning in snapshot.warnings),
        *_pools(snapshot),
        *_failing(mirror),
        *_rollouts(snapshot, fixed),
        *(one for view in mirror.workers.values() if (one := _worker(view, fixed)) is not None),
        *_ended_badly(snapshot),
        *_backends(mirror),
    ]
    return sorted(found, key=lambda trouble: trouble.rank)[:MOST]


def _proxies(snapshot: Snapshot) -> Iterator[Trouble]:
    for proxy in snapshot.proxies:
        if not proxy.reachable:
            said = f"✖ {proxy.name}: {proxy.why or 'unreachable'}"  # how old its readings are stands at the right
            stopped = _STOPPED.match(proxy.why or "")
            help = f"kill -CONT {stopped[1]}" if stopped else f":logs {proxy.name}" if proxy.front else ""
            yield Trouble(0, "", "", said, "down", help)


def _pools(snapshot: Snapshot) -> Iterator[Trouble]:
    """Those that have a reason of their own not to serve, as a shared socket that is taken."""
    for pool in snapshot.pools:
        if pool.why and pool.desired and not pool.stopped and pool.ready < pool.desired:
            yield Trouble(1, "", "", f"✖ {pool.name}: {pool.why}", "down", "")


def _rollouts(snapshot: Snapshot, fixed: bool) -> Iterator[Trouble]:
    for pool in snapshot.pools:
        rollout = pool.rollout
        if rollout is None or rollout.phase == "running":
            continue
        reason = rollout.why or rollout.waiting_for
        word, holds = f"rollout {rollout.phase}", rollout.phase in ("holding", "paused")
        if rollout.phase == "holding":
            word, reason = "holds", None  # its reason is the number and the key, which stand there anyway
        said = f"▲ {pool.name} {word} at {rollout.replaced} of {rollout.total}" + (f": {reason}" if reason else "")
        steers = not fixed and rollout.phase != "aborting"
        yield Trouble(2, "", "", said, "warn", "V page" + ("  Z go on  A abort" if steers else ""), holds)


def _worker(view: WorkerView, fixed: bool) -> Trouble | None:
    worker, look, reason = view.worker, phase(view.worker.phase), why(view)
    if (ranked := _WORKERS.get(worker.phase)) is not None:
        said = f"{look.glyph} {worker.id} {look.word}" + (f": {reason}" if reason else "")
        help = ranked[1] + ("" if fixed else ranked[2])
        return Trouble(ranked[0], view.key, "workers", said, look.token, help)
    if not worker.why or view.pool.operation is not None or (worker.uptime_seconds or 0.0) < SETTLING:
        return None  # of an operation, its own line tells how far it is
    if worker.phase == "starting":
        return Trouble(
            ASKED, view.key, "workers", f"{look.glyph} {worker.id} {look.word}: {reason}", look.token, "l log"
        )
    if worker.phase != "ready" or (view.proxy is not None and not view.proxy.reachable):
        return None  # that its proxy cannot be reached is told once
    if view.backend is not None and view.backend.rotation is not Rotation.READY:
        turned = ROTATION[view.backend.rotation]
        said = f"{turned.glyph} {worker.id} {reason}"
        return Trouble(ASKED, view.key, "workers", said, turned.token, "" if fixed else "u undrain")
    return Trouble(3, view.key, "workers", f"▲ {worker.id} {reason}", "warn", "l log  ⏎ page")


def _ended_badly(snapshot: Snapshot) -> Iterator[Trouble]:
    """The newest operation of each pool, if it did not come about: nothing else shows that minutes later."""
    newest = {row.pool: row for row in snapshot.operations if row.ended is not None and row.phase != "running"}
    for row in newest.values():
        if row.phase == "done" or (seconds_between(row.ended, snapshot.time) or 0.0) > REMEMBERED:
            continue
        look = OUTCOMES.get(row.phase, OUTCOMES["failed"])
        said = f"{look.glyph} {row.verb} {row.phase} at {clock(row.ended)}: {local(row.why or row.progress)}"
        yield Trouble(ASKED, "", "", said, look.token, "o steps")


def _failing(mirror: Mirror) -> Iterator[Trouble]:
    """Upstreams whose clients get errors: one backend alone, or the section as a whole."""
    snapshot = mirror.snapshot
    for proxy in snapshot.proxies if snapshot is not None and snapshot.proxies else ():
        for upstream in proxy.upstreams if proxy.reachable else ():
            yield from _failing_at(mirror, proxy, upstream)


def _failing_at(mirror: Mirror, proxy: ProxyRow, upstream: UpstreamRow) -> Iterator[Trouble]:
    rows, path = upstream.backends, f"{proxy.name}/{upstream.name}"
    rate, errors = client_rates(upstream)
    if not errors:
        return
    told = sum(row.errors_per_second or 0.0 for row in rows)
    if told < errors - ALONE * errors:
        # No backend was asked: none is there, or all let wait for too long.
        if said := failing(errors, rate):
            yield Trouble(2, "", "", f"✖ {path}: {said}, answered by {proxy.name} itself", "down", "")
        return
    most = max(rows, key=lambda row: row.errors_per_second or 0.0)
    view = mirror.backends[f"{path}/{most.name}"]
    busy = sum(bool(row.requests_per_second) for row in rows)
    alone = busy > 1 and (most.errors_per_second or 0.0) >= ALONE * errors
    where = (view.worker.id if view.worker else view.key) if alone else path
    mine = failing(most.errors_per_second, most.requests_per_second)
    said = (mine if alone else None) or failing(errors, rate)
    if said is None:
        return
    key, table = _row_of(mirror, view)
    yield Trouble(2, key, table, f"✖ {where}: {said}", "down", "l log  b pair")


def _row_of(mirror: Mirror, backend: BackendView) -> tuple[str, str]:
    """The worker's row where it is one of ours: its log says more than the proxy can."""
    ours = next((key for key, view in mirror.workers.items() if view.worker.backend == backend.key), None)
    return (backend.key, "backends") if ours is None else (ours, "workers")


def _backends(mirror: Mirror) -> Iterator[Trouble]:
    """Those that are down though nothing of ours explains it: a worker that serves, or none of ours."""
    for key, view in mirror.backends.items():
        backend = view.backend
        explained = view.worker is not None and view.worker.phase != "ready"
        if backend.health is Health.DOWN and backend.rotation is Rotation.READY and not explained:
            look = HEALTH[backend.health]
            said = f"{look.glyph} {key} down: {backend.health_reason or 'its check fails'}"
            rank, token = (2, "down") if view.worker else (NOT_OURS, "warn")
            yield Trouble(rank, key, "backends", said, token, "")
