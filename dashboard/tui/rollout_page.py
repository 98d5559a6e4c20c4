"""The page of a rollout as lines: slots that fill, the new beside the old, what it waits for, every step."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dashboard.history import History, Series, Served
from dashboard.mirror import Mirror, WorkerView, serves
from dashboard.tui.facts import folded, section
from dashboard.tui.heading import progress
from dashboard.tui.ink import Line, Span
from dashboard.tui.say import clock, count, duration, local, number, seconds_between, size
from dashboard.tui.states import SLOTS
from supervisor.model.snapshot import OperationRow, PoolRow, RolloutRow, Snapshot

RECENT = 30
"""Readings over which the two generations are compared."""
MUCH = 1.5
"""Times the old ones' figure from which the new ones' is worth a colour."""


def rollout_page(
    mirror: Mirror, snapshot: Snapshot, pool: PoolRow, operation: OperationRow | None, width: int
) -> list[Line]:
    lines: list[Line] = []
    if operation is not None:
        took = seconds_between(operation.asked, operation.ended or snapshot.time)
        lines.append(tuple(progress(operation, snapshot)))
        asked = f"  {clock(operation.asked)}  asked by {operation.actor}, {duration(took)}  {operation.id}"
        lines.append(((asked, "dim"),))
        if operation.why:
            why = f"  why: {local(operation.why)}", "down" if operation.phase == "failed" else "warn"
            lines += folded((why,), width, 7)
    if pool.rollout is not None:
        lines += [(), *standing(pool.rollout), (), *compared(mirror, pool, pool.rollout)]
    elif operation is not None and operation.phase == "running":
        lines += [(), (("the engine is about to begin", "text"),)]
    else:
        said = f"no rollout of {pool.name} is under way; generation {pool.generation} serves"
        lines += [(), ((said, "text"),)]
        if pool.last_rollout and operation is None:
            lines += folded(((f"the last one: {local(pool.last_rollout)}", "dim"),), width, 2)
    said_steps: list[Line] = []
    # By time alone, and stable: what has the same moment stays in the order in which it was told.
    for time, step in reversed(sorted(steps(snapshot, pool, operation), key=lambda step: step[0].rstrip("Z"))):
        said_steps += folded(((f"  {clock(time)}  ", "dim"), (local(step), "text")), width, 12)
    return [*lines, (), *section("steps, newest first", said_steps or [(("  none yet", "dim"),)])]


def steps(snapshot: Snapshot, pool: PoolRow, operation: OperationRow | None) -> list[tuple[str, str]]:
    """Of the operation that began the rollout, and of those that held it, let it go on or turned it back."""
    if operation is None:
        return []
    steering = [
        step
        for row in snapshot.operations
        if row.pool == pool.name and row.verb.startswith("rollout ") and row.asked > operation.asked
        if operation.ended is None or row.asked <= operation.ended
        for step in row.steps
    ]
    return [*operation.steps, *steering]


def standing(rollout: RolloutRow) -> list[Line]:
    """Where it is: one cell a slot, what each kind means, and what it waits for."""
    waits = rollout.waiting_for or ("nothing" if rollout.phase == "running" else f"you: it is {rollout.phase}")
    return [
        (
            ("generation ", "dim"),
            (f"{rollout.from_generation} → {rollout.to_generation}", "strong"),
            (f"   {rollout.replaced} of {rollout.total} replaced   ", "text"),
            (rollout.phase, "text" if rollout.phase == "running" else "warn"),
        ),
        (("waits for  ", "dim"), (waits, "text")),
        (),
        *rollout_cells(rollout.slots, 60),
        legend(rollout.slots),
    ]


def rollout_cells(slots: Sequence[str], each: int = 60) -> list[Line]:
    """Cells that fill as slots are replaced, `each` to a line."""
    lines: list[Line] = []
    for start in range(0, len(slots), each):
        looks = [SLOTS.get(word, SLOTS["old"]) for word in slots[start : start + each]]
        lines.append((("  ", "text"), *((look.glyph + " ", look.token) for look in looks)))
    return lines


def legend(slots: Sequence[str]) -> Line:
    counts = Counter(slots)
    spans: list[Span] = [("  ", "text")]
    for word in ("new", "replacing", "failed", "old"):
        if counts[word]:
            look = SLOTS[word]
            spans.append((f"{look.glyph} {counts[word]} {look.word}   ", look.token))
    return tuple(spans)


class Figure(NamedTuple):
    name: str
    of: Callable[[Sequence[WorkerView]], float | None]
    said: Callable[[float | None], str]
    worse: float | None = None
    """So many times the old ones' figure is worse; None: no figure of worth."""


def compared(mirror: Mirror, pool: PoolRow, rollout: RolloutRow) -> list[Line]:
    """The new workers (the canary, at first) beside the old ones: each figure is one worker's, on average."""
    live = [view for view in mirror.workers.values() if view.pool.name == pool.name and view.worker.pid is not None]
    new = [view for view in live if view.worker.generation == rollout.to_generation]
    old = [view for view in live if view.worker.generation != rollout.to_generation]
    dead = deaths(mirror, rollout)
    backends = mirror.backends

    def served(path: str) -> Served:
        return backends[path].history.last(RECENT)

    def seen(view: WorkerView) -> History:
        return view.history.last(RECENT)

    def of_backend(views: Sequence[WorkerView], pick: "Callable[[str], Series[float]]") -> float | None:
        paths = (view.worker.backend for view in views if view.worker.backend in backends)
        return mean(value for path in paths if path for value in pick(path))

    def own(views: Sequence[WorkerView], pick: "Callable[[WorkerView], Series[float]]") -> float | None:
        return mean(value for view in views for value in pick(view))

    figures = (
        Figure("workers", len, whole),
        Figure("of them serving", serving, whole),
        Figure("deaths", lambda v: sum(dead[slot] for slot in {one.worker.id for one in v}), whole, 1.0),
        Figure("errors/s", lambda v: of_backend(v, lambda path: served(path).errors), number, 1.0),
        Figure("response ms", lambda v: of_backend(v, lambda path: served(path).response), number, MUCH),
        Figure("requests/s", lambda v: own(v, lambda one: seen(one).rate), number),
        Figure("cpu %", lambda v: own(v, lambda one: seen(one).cpu), number, MUCH),
        Figure("memory", lambda v: own(v, lambda one: seen(one).memory), size, MUCH),
    )
    titles = f"new @{rollout.to_generation}", f"old @{rollout.from_generation}"
    lines: list[Line] = [((f"{'':<17}{titles[0]:>12}{titles[1]:>12}", "head"),)]
    for figure in figures:
        ours, theirs = figure.of(new), figure.of(old)
        lines.append(
            (
                (f"  {figure.name:<15}", "dim"),
                (f"{figure.said(ours):>12}", worth(ours, theirs, figure.worse)),
                (f"{figure.said(theirs):>12}", "text"),
            )
        )
    return [*lines, ((f"  one worker's, on average over the last {RECENT} readings", "dim"),)]


def serving(views: Sequence[WorkerView]) -> int:
    return sum(view.backend is not None and serves(view.backend) for view in views)


def deaths(mirror: Mirror, rollout: RolloutRow) -> Counter[str]:
    """Unwanted ends in each slot since the rollout began; a worker's own count is its slot's, from long before."""
    return Counter(
        event.subject
        for event in mirror.events
        if event.kind == "worker-exited" and event.level != "info" and event.time >= rollout.started
    )


def worth(ours: float | None, theirs: float | None, worse: float | None) -> str:
    """The token of the new ones' figure: what is clearly worse than the old ones' stands out."""
    if worse is None or ours is None or theirs is None or ours <= theirs * worse:
        return "strong"
    return "down" if worse == 1.0 else "warn"


def whole(value: float | None) -> str:
    return count(None if value is None else int(value))


def mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else None
