"""Restart policy: what a worker's end means for its slot, and how long to wait before the next one.

The first end of a worker that had been ready is answered at once; after that the wait doubles from
`backoff` to `backoff_max` with ±20 % jitter, so that many slots do not come back in step. A worker that had
been ready for `reset_after` seconds wipes the slate. `give_up` ends within the window, and the slot is failed;
our own waits do not count, or a program that crashes at once would be tried for ever: ten starts that wait 0.5,
1, 2 … 30 s between them never fall into one minute.
"""

from msgspec.structs import replace

from supervisor.model.phases import Phase
from supervisor.model.spec import RestartSpec
from supervisor.model.workers import End, Slot, Worker

JITTER = 0.2
ENDS_KEPT = 5


def after_end(slot: Slot, worker: Worker, end: End, policy: RestartSpec, now: float, dice: float) -> Slot:
    """The slot after `worker` ended. `worker` is as it was before its end; `dice` is uniform in [0, 1)."""
    slot = replace(slot, ends=(*slot.ends, end)[-ENDS_KEPT:])
    asked_for = worker.phase in (Phase.STOPPING, Phase.DRAINING) and worker.failed is None
    if asked_for:
        return replace(slot, restarts=slot.restarts + 1 if worker.condemned else slot.restarts)
    if worker.generation != slot.generation:
        # The slot wants another generation by now: what it has on its slate is that one's alone.
        return replace(slot, restarts=slot.restarts + 1)
    if worker.failed is None and ends_it(policy, end):
        return replace(slot, finished=True)
    if worker.ready_at is not None and now - worker.ready_at >= policy.reset_after:
        slot = replace(slot, deaths=(), delay=0.0)
    ran = (min(now, t + slot.delay) for t in slot.deaths)
    deaths = (*(t for t in ran if now - t < policy.give_up_window), now)
    slot = replace(slot, deaths=deaths, restarts=slot.restarts + 1)
    if len(deaths) >= policy.give_up:
        why = f"{end.why}; {len(deaths)} deaths within {policy.give_up_window:g} s, waits not counted"
        return replace(slot, failed=why, retry_at=None, delay=0.0)
    at_once = slot.delay == 0.0 and len(deaths) == 1 and worker.ready_at is not None
    if at_once:
        return replace(slot, retry_at=None)
    return wait_longer(slot, policy, now, dice)


def wait_longer(slot: Slot, policy: RestartSpec, now: float, dice: float) -> Slot:
    """The slot with twice the wait of before."""
    delay = min(policy.backoff_max, slot.delay * 2 if slot.delay else policy.backoff)
    return replace(slot, delay=delay, retry_at=now + delay * (1 - JITTER + 2 * JITTER * dice))


def after_excess(slot: Slot, worker: Worker, policy: RestartSpec, now: float, dice: float) -> Slot:
    """The slot when a serving worker is to be replaced for what it became: at once after a good time, else later.

    A program that is over its limit from the start would else be replaced without a pause, for ever.
    """
    if worker.ready_at is not None and now - worker.ready_at >= policy.reset_after:
        return replace(slot, delay=0.0, retry_at=None)
    return wait_longer(slot, policy, now, dice)


def ends_it(policy: RestartSpec, end: End) -> bool:
    """Whether the policy takes this end, which nobody asked for, as the worker's proper end."""
    return policy.policy == "never" or (policy.policy == "on-failure" and end.code == 0)


def forgive(slot: Slot) -> Slot:
    """A clean slate: an operator asked, or there is a new version to try."""
    return replace(slot, failed=None, finished=False, deaths=(), delay=0.0, retry_at=None)
