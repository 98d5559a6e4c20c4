"""What is not well, the worst first: what it is, why, and which keys help; pure."""

from typing import NamedTuple

from rich.cells import cell_len

from dashboard.mirror import Mirror
from dashboard.tui.ink import Line, cell
from dashboard.tui.states import HEALTH, phase
from dashboard.tui.worker_columns import why
from supervisor.model.phases import Health, Rotation

MOST = 50
"""Troubles that are told apart; with more, one hardly looks at each."""


NOT_OURS = 4
"""The rank of what no worker of ours has to do with."""


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
    found: list[Trouble] = []
    for proxy in snapshot.proxies:
        if not proxy.reachable:
            said = f"✖ {proxy.name}: {proxy.why or 'unreachable'}"  # how old its readings are stands at the right
            help = f":logs {proxy.name}" if proxy.front else ""
            found.append(Trouble(0, "", "", said, "down", help))
    for pool in snapshot.pools:
        if pool.rollout is not None and pool.rollout.phase != "running":
            rollout = pool.rollout
            reason = rollout.why or rollout.waiting_for
            word, holds = f"rollout {rollout.phase}", rollout.phase in ("holding", "paused")
            if rollout.phase == "holding":
                word, reason = "holds", None  # its reason is the number and the key, which stand there anyway
            said = f"▲ {pool.name} {word} at {rollout.replaced} of {rollout.total}" + (
                f": {reason}" if reason else ""
            )
            steers = not fixed and rollout.phase != "aborting"
            help = "V page" + ("  Z go on  A abort" if steers else "")
            found.append(Trouble(2, "", "", said, "warn", help, holds))
    for key, view in mirror.workers.items():
        ranked = _WORKERS.get(view.worker.phase)
        if ranked is not None:
            look, reason = phase(view.worker.phase), why(view)
            said = f"{look.glyph} {view.worker.id} {look.word}" + (f": {reason}" if reason else "")
            help = ranked[1] + ("" if fixed else ranked[2])
            found.append(Trouble(ranked[0], key, "workers", said, look.token, help))
    found += _backends(mirror)
    return sorted(found[:MOST], key=lambda trouble: trouble.rank)


def _backends(mirror: Mirror) -> list[Trouble]:
    """Those that are down though nothing of ours explains it: a worker that serves, or none of ours."""
    found = []
    for key, view in mirror.backends.items():
        backend = view.backend
        explained = view.worker is not None and view.worker.phase != "ready"
        if backend.health is Health.DOWN and backend.rotation is Rotation.READY and not explained:
            look = HEALTH[backend.health]
            said = f"{look.glyph} {key} down: {backend.health_reason or 'its check fails'}"
            found.append(
                Trouble(
                    2 if view.worker else NOT_OURS, key, "backends", said, "down" if view.worker else "warn", ""
                )
            )
    return found
