"""The next step of a rollout, from what is seen: which slots to turn to the new generation, or back.

A rollout is one small record; its progress is read off slots and workers, so that it goes on after a restart
of the engine by looking. It only turns slots: reconciling replaces their workers, one rule for all.

    running ──► holding (canaries out) ──resume──► running ──► done
       │ ▲
     pause/resume                     first failure, or abort ──► aborting ──► aborted
"""

from msgspec import Struct
from msgspec.structs import replace

from supervisor.core.reconcile import Picture
from supervisor.core.verdict import Score, spoils
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.pools import Rollout, RolloutPhase
from supervisor.model.text import last_words
from supervisor.model.workers import End, Slot, Worker

FOREVER = float("inf")
DEATHS_WAITED = 2
"""Deaths of an old worker that was put back, after which an abort does not wait for it."""


class Advance(Struct, frozen=True):
    """What becomes of the rollout: its record, the slots to turn, and its end if this is it."""

    rollout: Rollout
    turn: dict[int, int] = {}
    """Slot -> the generation that it is to want."""
    ended: str | None = None
    """`done` or `aborted`."""
    wake: float | None = None
    waiting: str | None = None
    proven: tuple[int, ...] = ()
    """Slots that are replaced, and whose new worker has been believed."""


def advance(picture: Picture) -> Advance:
    """One step of the pool's rollout, which must be there."""
    rollout = picture.pool.rollout
    assert rollout is not None
    if rollout.phase is RolloutPhase.ABORTING:
        return retreat(picture, rollout)
    if why := failure(picture, rollout):
        return retreat(picture, replace(rollout, phase=RolloutPhase.ABORTING, why=why))
    numbers = wanted_numbers(picture)
    turned = [n for n in numbers if picture.slots[n].generation == rollout.to_generation]
    pending = {n: what for n in turned if (what := unfinished(picture, rollout, n)) is not None}
    step = forward(picture, rollout, numbers, turned, pending)
    return replace(step, proven=tuple(n for n in turned if n not in pending))


def forward(
    picture: Picture,
    rollout: Rollout,
    numbers: list[int],
    turned: list[int],
    pending: dict[int, tuple[str, float | None]],
) -> Advance:
    """One step ahead, where nothing speaks against it."""
    if not pending and len(turned) == len(numbers):
        return Advance(rollout, ended="done", turn=rest(picture, rollout.to_generation))
    waits = "; ".join(f"{picture.pool.name}.{n}: {what[0]}" for n, what in pending.items()) or None
    wake = min((what[1] for what in pending.values() if what[1] is not None), default=None)
    if rollout.phase is not RolloutPhase.RUNNING:
        return Advance(rollout, waiting=waits, wake=wake)
    canary = picture.pool.spec.rollout.canary
    held = canary and not rollout.released and len(turned) >= canary
    if held and pending:
        return Advance(rollout, waiting=waits, wake=wake)
    if held:
        why = f"so far the canary alone; `clusterctl rollout resume {picture.pool.name}` goes on"
        return Advance(replace(rollout, phase=RolloutPhase.HOLDING, why=why))
    return turn_more(picture, rollout, numbers, turned, pending, waits, wake)


def turn_more(
    picture: Picture,
    rollout: Rollout,
    numbers: list[int],
    turned: list[int],
    pending: dict[int, tuple[str, float | None]],
    waits: str | None,
    wake: float | None,
) -> Advance:
    """Turn as many slots as may be replaced at the same time, keeping the pause between them."""
    policy = picture.pool.spec.rollout
    # Slots that were given up have nobody to lose, and others may wait for them to serve again.
    lost = [n for n in numbers if n not in turned and picture.slots[n].failed and not picture.of_slot(n)]
    if policy.batch:
        room = 0 if pending else policy.batch
    else:
        room = max(1, policy.surge + policy.unavailable) - len(pending)
    if policy.canary and not rollout.released:
        room = min(room, policy.canary - len(turned))
        lost = []
    if room <= 0:
        return Advance(rollout, turn=dict.fromkeys(lost, rollout.to_generation), waiting=waits, wake=wake)
    if turned and not pending and policy.pause:
        since = rollout.settled_at if rollout.settled_at is not None else picture.now
        if picture.now < since + policy.pause:
            paused = replace(rollout, settled_at=since)
            return Advance(paused, wake=since + policy.pause, waiting="the pause between slots to pass")
    following = [n for n in numbers if n not in turned]
    following.sort(key=lambda n: any(picture.serves(w) for w in picture.of_slot(n)))
    turn = dict.fromkeys([*following[:room], *lost], rollout.to_generation)
    return Advance(replace(rollout, settled_at=None) if turn else rollout, turn=turn, waiting=waits, wake=wake)


def wanted_numbers(picture: Picture) -> list[int]:
    return [n for n in range(picture.pool.desired) if n in picture.slots and not picture.slots[n].stopped]


def rest(picture: Picture, generation: int) -> dict[int, int]:
    """Slots that the rollout did not touch, stopped ones, so that they come back in the right generation."""
    return {n: generation for n, slot in picture.slots.items() if slot.generation != generation}


def unfinished(picture: Picture, rollout: Rollout, number: int) -> tuple[str, float | None] | None:
    """What a turned slot still waits for, and until when; None when it is replaced and believed."""
    workers = picture.of_slot(number)
    old = [w for w in workers if w.generation != rollout.to_generation]
    new = [w for w in workers if w.generation == rollout.to_generation and w.phase is Phase.READY]
    if ended_well(picture.slots[number], rollout):
        return (f"its old worker, {old[0].phase}, to be gone", None) if old else None
    if not new:
        starting = any(w.generation == rollout.to_generation for w in workers)
        return ("its new worker to get ready" if starting else "its old worker to leave"), None
    if not any(picture.stands(w) for w in new):
        begun = [max(w.ready_at or 0.0, v.since) for w in new if (v := picture.views.get(w.serial)) and v.fresh]
        until = max(begun) + limit_of(picture, rollout) if begun else None
        return "its new worker to be up at the proxy", until
    since = max(stood_since(picture, w) for w in new)
    if picture.now < since + picture.pool.spec.rollout.watch:
        return "its new worker to prove itself", since + picture.pool.spec.rollout.watch
    if old:
        return f"its old worker, {old[0].phase}, to be gone", None
    return None


def stood_since(picture: Picture, worker: Worker) -> float:
    """Since when it serves; one that an operator keeps out of rotation is judged by its own readiness."""
    if worker.serving_since is not None:
        return worker.serving_since
    return worker.since if picture.stands(worker) else picture.now


def ended_well(slot: Slot, rollout: Rollout) -> bool:
    """A job of the new generation that has done its work, where the policy says that this is its end."""
    end = last_end(slot, rollout)
    return slot.finished and end is not None and end.code == 0


def last_end(slot: Slot, rollout: Rollout) -> End | None:
    """How the last worker of the new generation ended in this slot."""
    return next((end for end in reversed(slot.ends) if end.generation == rollout.to_generation), None)


def limit_of(picture: Picture, rollout: Rollout) -> float:
    """Seconds that a ready worker has to be up at the proxy: as long as it has to get ready."""
    return picture.pool.revision(rollout.to_generation).ready.timeout


def failure(picture: Picture, rollout: Rollout) -> str | None:
    """Why the new generation is not to be trusted, in words; None while nothing speaks against it."""
    for number, slot in sorted(picture.slots.items()):
        if slot.generation != rollout.to_generation or number >= picture.pool.desired:
            continue
        if why := slot_failure(picture, rollout, slot):
            return f"{slot.name}: {why}"
    return None


def slot_failure(picture: Picture, rollout: Rollout, slot: Slot) -> str | None:
    workers = picture.of_slot(slot.number)
    for worker in workers:
        if worker.generation == rollout.to_generation and worker.failed:
            return f"{worker.failed}{last_words(worker.last_lines)}"
        if worker.generation != rollout.to_generation and worker.reprieved:
            return worker.reprieved
    if slot.failed:
        return slot.failed
    # Turning a slot wipes its slate: what is on it now is the new generation's. A worker that served long
    # enough to be believed may die once, as any worker may; not twice, and not before.
    believed = unfinished(picture, rollout, slot.number) is None
    finished = slot.finished and not ended_well(slot, rollout)
    end = last_end(slot, rollout)
    if (finished or len(slot.deaths) >= 1 + (slot.proven or believed)) and end is not None:
        return f"{end.why}{last_words(end.last_lines)}"
    for worker in workers:
        if worker.generation != rollout.to_generation or believed:
            continue
        if why := errs(picture, worker) or fell(picture, rollout, worker):
            return why
    return None


def fell(picture: Picture, rollout: Rollout, worker: Worker) -> str | None:
    """Ready by our probe, but the proxy that answers says otherwise: after it served, or for too long."""
    view = picture.views.get(worker.serial)
    if view is None or not view.fresh or worker.phase is not Phase.READY or picture.stands(worker):
        return None
    backend = view.backend
    # A server that the proxy knew before the worker came may be down from then, until its checks say otherwise.
    if worker.met and backend and backend.rotation is Rotation.READY and backend.health is Health.DOWN:
        reason = f" ({backend.health_reason})" if backend.health_reason else ""
        return f"its health is down at the proxy{reason}"
    limit = limit_of(picture, rollout)
    if worker.ready_at is not None and picture.now >= max(worker.ready_at, view.since) + limit:
        return f"ready, but not up at the proxy within {limit:g} s"
    return None


def errs(picture: Picture, worker: Worker) -> str | None:
    new = score(picture, worker)
    if new is None:
        return None
    others = [w for w in picture.workers if w.generation != worker.generation]
    return spoils(new, [s for w in others if (s := score(picture, w)) is not None])


def score(picture: Picture, worker: Worker) -> Score | None:
    """What the proxy counted since the worker began to serve."""
    view = picture.views.get(worker.serial)
    if view is None or view.backend is None or worker.baseline is None:
        return None
    backend = view.backend
    requests = (backend.requests_total or 0) - worker.baseline[0]
    errors = (backend.errors_total or 0) - worker.baseline[1]
    return Score(max(0, requests), max(0, errors), backend.response_ms)


def retreat(picture: Picture, rollout: Rollout) -> Advance:
    """Turn every slot back; it is over when no worker of the new generation is left and the old ones serve.

    Old ones that cannot serve, for whatever reason, are waited for no longer than any worker is.
    """
    turn = rest(picture, rollout.from_generation)
    new = [w for w in picture.workers if w.generation == rollout.to_generation]
    waits = [until for n in wanted_numbers(picture) if (until := missing(picture, rollout, n)) is not None]
    if turn or new or waits:
        what = (
            ", ".join(sorted(w.slot_name for w in new)) + " to leave" if new else "the old workers to serve again"
        )
        wake = min((until for until in waits if until < FOREVER), default=None)
        return Advance(rollout, turn=turn, waiting=what, wake=wake)
    return Advance(rollout, ended="aborted")


def missing(picture: Picture, rollout: Rollout, number: int) -> float | None:
    """Until when a slot that was turned back is waited for; None: it serves, or nothing is to be hoped for."""
    pool, slot, workers = picture.pool, picture.slots[number], picture.of_slot(number)
    if pool.stopped or pool.leaving or picture.stopping or picture.lacks_socket(rollout.from_generation):
        return None
    if slot.failed or slot.finished or len(slot.deaths) >= DEATHS_WAITED or any(map(picture.stands, workers)):
        return None
    ready = [w.since for w in workers if w.phase is Phase.READY]
    if not ready:
        return FOREVER  # it starts, or is about to: that ends in readiness or in a death
    until = min(ready) + pool.revision(rollout.from_generation).ready.timeout
    return until if picture.now < until else None
