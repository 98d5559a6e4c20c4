"""The page of operations: what was asked, by whom, its steps with their times, and how it goes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from dashboard.mirror import Mirror
from dashboard.tui.heading import progress
from dashboard.tui.ink import Line
from dashboard.tui.keys import Key
from dashboard.tui.rollout_page import rollout_cells
from dashboard.tui.say import clock, duration, local, seconds_between
from dashboard.tui.screens.page import PAGE_KEYS, Page, bindings
from dashboard.tui.screens.rollouts import STEERING, steer
from supervisor.model.snapshot import OperationRow, PoolRow, Snapshot

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class OperationsScreen(Page):
    """All of them, or with `id` the one; leaving the page leaves it running."""

    KEYS: ClassVar[tuple[Key, ...]] = (*PAGE_KEYS, *STEERING)
    BINDINGS: ClassVar[list[BindingType]] = bindings(STEERING)

    def __init__(self, top: "TopApp", id: str | None = None) -> None:
        super().__init__(top)
        self.operation = id

    def title_line(self, mirror: Mirror) -> Line:
        if self.operation is None:
            return (" Operations ", "title"), ("  newest first", "dim")
        return (" Operation ", "title"), (f" {self.operation}", "dim"), ("   esc: leave it running", "dim")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        snapshot = mirror.snapshot
        rows = self._rows(snapshot)
        if snapshot is None or not rows:
            return [(("nothing was asked yet", "dim"),)]
        lines: list[Line] = []
        for row in rows:
            lines += [*operation_lines(row, snapshot, mirror.pool(row.pool or "")), ()]
        return lines

    def _rows(self, snapshot: Snapshot | None) -> list[OperationRow]:
        rows = list(reversed(snapshot.operations)) if snapshot else []
        return [row for row in rows if self.operation in (None, row.id)]

    def action_steer(self, action: str) -> None:
        rows = [row for row in self._rows(self.top.mirror.snapshot) if row.phase == "running" and row.pool]
        pools = [row.pool for row in rows if (pool := self.top.mirror.pool(row.pool or "")) and pool.rollout]
        steer(self, self.top, pools[0] if pools else None, action)


def operation_lines(row: OperationRow, snapshot: Snapshot, pool: PoolRow | None) -> list[Line]:
    """One operation: how it stands, the slots of its rollout, every step so far."""
    took = seconds_between(row.asked, row.ended or snapshot.time)
    lines: list[Line] = [
        tuple(progress(row, snapshot)),
        ((f"  {clock(row.asked)}  asked by {row.actor}, {duration(took)}", "dim"), (f"  {row.id}", "dim")),
    ]
    rollout = pool.rollout if pool else None
    if rollout is not None and rollout.operation == row.id:
        waiting = f"{rollout.phase}, waiting for {rollout.waiting_for}" if rollout.waiting_for else rollout.phase
        said = f"  generation {rollout.from_generation} → {rollout.to_generation}, {waiting}"
        lines += [*rollout_cells(rollout.slots), ((said, "text"),)]
    for time, sentence in row.steps:
        lines.append(((f"  {clock(time)}  ", "dim"), (local(sentence), "text")))
    if row.why:
        lines.append(((f"  why: {local(row.why)}", "down" if row.phase == "failed" else "warn"),))
    return lines
