"""The page of a pool's rollout, with the keys to hold it, to let it go on, and to turn it back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from dashboard.mirror import Mirror
from dashboard.tui import intents
from dashboard.tui.ink import Line
from dashboard.tui.intents import Intent, Refusal
from dashboard.tui.keys import Key
from dashboard.tui.rollout_page import rollout_page
from dashboard.tui.screens.confirm import ConfirmScreen
from dashboard.tui.screens.page import PAGE_KEYS, Page, bindings
from supervisor.model.snapshot import OperationRow, PoolRow, Snapshot

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

STEERING: tuple[Key, ...] = (
    Key(
        "Z",
        "steer('pause')",
        "Pause",
        "hold the rollout after this slot, or let it go on",
        "Page",
        changes=True,
        rank=1,
    ),
    Key("A", "steer('abort')", "Abort", "turn the rollout back", "Page", changes=True, rank=2),
)
"""The same keys as on the main screen, and as there they ask first."""


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
        """What has ended can be neither held nor turned back; what is held can be let go on."""
        pool = self.top.mirror.pool(self.pool)
        if pool is None or pool.rollout is None:
            return [key for key in super().keys_now() if key not in STEERING]
        held = intents.toggled(pool) == "resume"
        return [key._replace(label="Go on") if held and key == STEERING[0] else key for key in super().keys_now()]

    def title_line(self, mirror: Mirror) -> Line:
        return (" rollout of ", "dim"), (self.pool, "title"), ("   esc: leave it running", "dim")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        snapshot, pool = mirror.snapshot, mirror.pool(self.pool)
        if snapshot is None or pool is None:
            return [((f"{self.pool} is gone", "warn"),), *self.body.lines[1:]]
        if pool.rollout is not None:
            self.operation = pool.rollout.operation
        return rollout_page(mirror, snapshot, pool, self._row(snapshot, pool), width)

    def _row(self, snapshot: Snapshot, pool: PoolRow) -> OperationRow | None:
        """The operation that it belongs to, or that of the last rollout of this pool, however that ended."""
        id = self.operation or (pool.last_rollout or "").partition(" ")[0]
        return next((row for row in snapshot.operations if row.id == id), None)

    def action_steer(self, action: str) -> None:
        steer(self, self.top, self.pool, action)


def steer(page: Page, top: "TopApp", pool: str | None, action: str) -> None:
    """Asked first, as every change is."""
    if not top.only_now():
        return
    row = top.mirror.pool(pool) if pool else None
    if row is None or row.rollout is None:
        return top.say("no rollout is under way here", "warning")
    intent = intents.steer(top.mirror, row, intents.toggled(row) if action == "pause" else action)
    if isinstance(intent, Refusal):
        return top.say(intent.why, "warning")

    def go(agreed: Intent | None) -> None:
        if agreed is not None:
            page.run_worker(top.operator.perform(agreed))

    page.app.push_screen(ConfirmScreen(top, intent), go)
