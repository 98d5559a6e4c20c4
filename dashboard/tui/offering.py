"""Which keys of the footer matter now: those that would change nothing are left out, those that help come first."""

from collections.abc import Sequence

from dashboard.mirror import BackendView, WorkerView
from dashboard.tui.intents import DOWN, toggled
from dashboard.tui.keys import Key
from supervisor.model.phases import Rotation
from supervisor.model.snapshot import PoolRow

_ROTATED = {
    Rotation.READY: "change('ready')",
    Rotation.DRAIN: "change('drain')",
    Rotation.MAINT: "change('maint')",
}


def able(backends: Sequence[BackendView]) -> frozenset[str] | None:
    """What the proxies of all of these can do; None where there is no backend."""
    each = [frozenset(view.proxy.capabilities) for view in backends]
    return frozenset.intersection(*each) if each else None


def offered(
    keys: Sequence[Key], workers: Sequence[WorkerView], backends: Sequence[BackendView], pool: PoolRow | None
) -> list[Key]:
    """Of these keys, for what is chosen: the urgent ones right after the help."""
    moot, urgent = set(), set()
    rotations = {view.backend.asked_rotation or view.backend.rotation for view in backends}
    if len(rotations) == 1:
        moot.add(_ROTATED[rotations.pop()])
    if workers and all(view.worker.phase in DOWN for view in workers):
        urgent.add("change('start')")
        moot |= {"change('restart')", "change('stop')"}
    elif not any(view.worker.phase in DOWN for view in workers) and not (pool and pool.stopped):
        moot.add("change('start')")
    if pool is not None and pool.rollout is not None:
        urgent |= {"rollout", "change('pause')", "change('abort')"}
        moot.add("change('rolling')")
    if "change('ready')" not in moot and backends:
        urgent.add("change('ready')")
    left = [key for key in keys if key.action not in moot and (key.rank < 99 or key.action in urgent)]
    if pool is not None and pool.rollout is not None and toggled(pool) == "resume":
        left = [key._replace(label="Go on") if key.action == "change('pause')" else key for key in left]
    return sorted(left, key=lambda key: (key.rank > 0, key.action not in urgent))
