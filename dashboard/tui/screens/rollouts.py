"""The page of a pool's rollout, with the keys to hold it, to let it go on, and to turn it back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from dashboard.mirror import Mirror
from dashboard.tui import intents
from dashboard.tui.ink import Line
from dashboard.tui.intents import Refusal
from dashboard.tui.keys import Key
from dashboard.tui.rollout_page import rollout_page
from dashboard.tui.screens.page import PAGE_KEYS, Page, bindings
from supervisor.model.snapshot import OperationRow, Snapshot

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

STEERING: tuple[Key, ...] = (
    Key("p", "steer('pause')", "Pause", "hold the rollout after this slot", "Page", changes=True, rank=1),
    Key("r", "steer('resume')", "Resume", "go on", "Page", changes=True, rank=2),
    Key("a", "steer('abort')", "Abort", "turn the rollout back", "Page", changes=True, rank=3),
)


class RolloutScreen(Page):
    """The one under way, and when it has ended how it ended; leaving the page leaves it running."""

    KEYS: ClassVar[tuple[Key, ...]] = (
        *PAGE_KEYS,
        *STEERING,
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(STEERING)

    def __init__(self, top: "TopApp", pool: str, operation: str | None = None) -> None:
        super().__init__(top)
        self.pool = pool
        self.operation = operation

    def keys_now(self) -> list[Key]:
        """What has ended can be neither held nor turned back; what runs need not be let go on."""
        pool = self.top.mirror.pool(self.pool)
        phase = pool.rollout.phase if pool and pool.rollout else None
        moot = {None: STEERING, "running": STEERING[1:2], "paused": STEERING[:1]}.get(phase, ())
        return [key for key in super().keys_now() if key not in moot]

    def title_line(self, mirror: Mirror) -> Line:
        return (" rollout of ", "dim"), (self.pool, "title"), ("   esc: leave it running", "dim")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        snapshot, pool = mirror.snapshot, mirror.pool(self.pool)
        if snapshot is None or pool is None:
            return [((f"{self.pool} is gone", "warn"),), *self.body.lines[1:]]
        if pool.rollout is not None:
            self.operation = pool.rollout.operation
        return rollout_page(mirror, snapshot, pool, self._row(snapshot))

    def _row(self, snapshot: Snapshot) -> OperationRow | None:
        """The operation that it belongs to, or the last one that was a rollout of this pool."""
        rows = [row for row in snapshot.operations if row.id == self.operation]
        if not rows and self.operation is None:
            verbs = (f"restart {self.pool}", f"rollout undo {self.pool}")
            rows = [row for row in snapshot.operations if row.pool == self.pool and row.verb in verbs]
        return rows[-1] if rows else None

    def action_steer(self, action: str) -> None:
        steer(self, self.top, self.pool, action)


def steer(page: Page, top: "TopApp", pool: str | None, action: str) -> None:
    """At once: to hold is harmless, and to turn back is what the key is there for when it is urgent."""
    if not top.only_now():
        return
    row = top.mirror.pool(pool) if pool else None
    intent = (
        intents.steer(top.mirror, row, action) if row and row.rollout else Refusal("no rollout is under way here")
    )
    if isinstance(intent, Refusal):
        top.say(intent.why, "warning")
    else:
        page.run_worker(top.operator.perform(intent))
