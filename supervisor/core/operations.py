"""Whether an operation has reached its end: judged by looking at what is, not by counting what was done."""

import re
from typing import assert_never

from msgspec import Struct

from supervisor.core.reconcile import Picture
from supervisor.core.rotation import quiet
from supervisor.model.backends import Backend
from supervisor.model.operations import Operation
from supervisor.model.phases import Health, Rotation
from supervisor.model.pools import RolloutPhase
from supervisor.model.requests import Reload, Restart, Rotate, Scale, Shutdown, Start, Steer, Stop, Upgrade
from supervisor.model.text import last_words, plural
from supervisor.model.workers import Slot

SLOT_NUMBER = re.compile("[0-9]{1,9}")


class Judgement(Struct, frozen=True):
    progress: str
    done: bool = False
    failed: str | None = None


def judge(operation: Operation, picture: Picture) -> Judgement:
    """How far an operation on a pool or on one of its workers has come."""
    request = operation.request
    match request:
        case Scale():
            workers = plural(picture.pool.desired, "worker")
            if request.desired not in (None, picture.pool.desired):
                why = f"{picture.pool.name} is to have {workers} by now: a later request, or the configuration"
                return Judgement("overtaken", failed=why)
            return settled(picture, f"{picture.pool.name} has {workers}")
        case Start():
            number = number_of(request.target)
            if number is not None and number not in picture.slots:
                return Judgement("its slot is gone", failed=f"{request.target} was scaled away")
            return settled(picture, f"{request.target} serves", only=number)
        case Stop():
            return stopped(picture, request.target)
        case Restart():
            return replaced(operation, picture)
        case Steer() if request.action in ("resume", "abort"):
            return steered(request, picture)
        case Steer() | Reload():
            if picture.pool.rollout is not None:
                return rolling(picture)
            before = operation.asked if isinstance(request, Reload) else None
            return settled(picture, f"{picture.pool.name} is as configured", before=before)
        case Rotate() | Shutdown() | Upgrade():
            return Judgement("under way")
        case _:
            assert_never(request)


def number_of(target: str) -> int | None:
    """The slot's number in `web.0`; None for a pool's name."""
    _, dot, number = target.rpartition(".")
    return int(number) if dot and SLOT_NUMBER.fullmatch(number) else None


def steered(request: Steer, picture: Picture) -> Judgement:
    """A resumed rollout is followed to its end, or until it holds again; an aborted one until all is put back."""
    rollout, last = picture.pool.rollout, picture.pool.last_rollout or "it has ended"
    if rollout is None and request.action == "abort":
        return Judgement(last, done=True)
    if rollout is None:
        return Judgement("turned back", failed=last) if picture.pool.turned_back else Judgement(last, done=True)
    if request.action == "resume" and rollout.phase in (RolloutPhase.PAUSED, RolloutPhase.HOLDING):
        return Judgement(f"{rollout.phase} again: {rollout.why}", done=True)
    return rolling(picture)


def rolling(picture: Picture) -> Judgement:
    rollout = picture.pool.rollout
    assert rollout is not None
    numbers = range(picture.pool.desired)
    new = sum(
        any(w.generation == rollout.to_generation and picture.serves(w) for w in picture.of_slot(n))
        for n in numbers
    )
    return Judgement(f"{new} of {picture.pool.desired} serve generation {rollout.to_generation}")


def long_failed(slot: Slot, before: float | None) -> bool:
    """Given up before that moment."""
    return before is not None and slot.failed is not None and bool(slot.deaths) and slot.deaths[-1] < before


def settled(picture: Picture, done: str, only: int | None = None, before: float | None = None) -> Judgement:
    """Every wanted slot has one serving worker of the right generation, and nobody else is there.

    `before`: slots given up before that moment are nobody's fault who asked for something since.
    """
    pool = picture.pool
    numbers = list(range(pool.desired)) if only is None else [only]
    given_up = [n for n in numbers if n in picture.slots and long_failed(picture.slots[n], before)]
    if given_up:
        done += "; given up before: " + ", ".join(f"{pool.name}.{n}" for n in given_up)
        numbers = [n for n in numbers if n not in given_up]
    for slot in [picture.slots[n] for n in numbers if n in picture.slots]:
        if slot.failed:
            return Judgement(f"{slot.name} failed", failed=f"{slot.name}: {slot.failed}{said(slot)}")
    if pool.stopped:
        return Judgement(f"{done}; the pool is stopped", done=True)
    wanted = [n for n in numbers if not (n in picture.slots and idle(picture.slots[n]))]
    by_slot = picture.by_slot()
    filled = [by_slot[n] for n in wanted if n in by_slot]
    serving = sum(any(picture.stands(w) for w in workers) for workers in filled)
    # In a slot that was given up the worker before may go on: only its successors died.
    may_be = len(filled) + sum(n in by_slot for n in given_up)
    extra = len(picture.workers) - may_be if only is None else 0
    if serving == len(wanted) and extra <= 0:
        return Judgement(done, done=True)
    leaving = f", {extra} leaving" if extra > 0 else ""
    return Judgement(f"{serving} of {len(wanted)} serve{leaving}")


def idle(slot: Slot) -> bool:
    return slot.stopped or slot.finished


def stopped(picture: Picture, target: str) -> Judgement:
    number = number_of(target)
    left = [w for w in picture.workers if number is None or w.slot == number]
    if not left:
        return Judgement(f"{target} is stopped", done=True)
    return Judgement(still_leaving([w.slot_name for w in left]))


def still_leaving(names: list[str]) -> str:
    """How many, and the first few by name."""
    return f"{len(names)} still leaving: {', '.join(sorted(names)[:5])}" + (" …" if len(names) > 5 else "")


def replaced(operation: Operation, picture: Picture) -> Judgement:
    """Restart of one worker; a pool's restart is a rollout, which ends itself."""
    number = number_of(operation.target)
    if number is None:
        rollout = picture.pool.rollout
        if rollout is None or rollout.operation != operation.id:
            return Judgement("overtaken", failed=f"another rollout of {operation.target} took its place")
        return rolling(picture)
    workers = picture.of_slot(number)
    slot = picture.slots.get(number)
    if slot is None:
        return Judgement("its slot is gone", failed=f"{operation.target} was scaled away")
    old = [w for w in workers if w.serial in operation.serials]
    for worker in old:
        if worker.reprieved:
            return Judgement(worker.reprieved, failed=worker.reprieved)
        if worker.condemned is None and worker.stop_why is None:
            return Judgement("called off", failed="its restart was called off")
    recent = [t for t in slot.deaths if t >= operation.asked]
    if old and recent and slot.ends:
        why = f"its new worker failed: {slot.ends[-1].why}{said(slot)}"
        return Judgement("the old one keeps serving", failed=why)
    if slot.failed:
        return Judgement("given up", failed=f"{slot.failed}{said(slot)}")
    if not old and any(picture.stands(w) for w in workers):
        kept = "" if any(picture.serves(w) for w in workers) else ", and stays out of rotation as an operator asked"
        return Judgement(f"{operation.target} is replaced{kept}", done=True)
    if not old and not workers:
        return Judgement("its new worker is to start")
    phases = ", ".join(f"{'old' if w in old else 'new'} one {w.phase}" for w in workers)
    return Judgement(phases)


def said(slot: Slot) -> str:
    return last_words(slot.ends[-1].last_lines) if slot.ends else ""


def rotated(request: Rotate, backend: Backend | None) -> Judgement:
    """A backend's rotation: done when the proxy shows it and, out of rotation, nothing is in flight."""
    if backend is None:
        return Judgement("gone", failed=f"{request.target} is no longer there")
    if backend.rotation is not request.rotation:
        return Judgement(f"waiting for the proxy to show {request.rotation}")
    if request.rotation is Rotation.READY:
        if backend.health in (Health.UP, Health.UNKNOWN):
            return Judgement(f"{request.target} is in rotation", done=True)
        return Judgement(f"in rotation; the proxy says {backend.health} ({backend.health_reason})")
    if quiet(backend):
        return Judgement(f"{request.target} is in {request.rotation}, nothing in flight", done=True)
    flight = "unknown" if backend.in_flight is None else str(backend.in_flight)
    return Judgement(f"in {request.rotation}, {flight} in flight")
