"""Finding rows on the main screen: the filter as one types, the order, and the row that most needs a look."""

from typing import TYPE_CHECKING, Any

from textual import events
from textual.screen import Screen
from textual.widgets import Input

from dashboard.mirror import BackendView, WorkerView
from dashboard.tui import filters
from dashboard.tui.keys import Where
from dashboard.tui.screens.choose import ChooseScreen
from dashboard.tui.verdict import Trouble
from dashboard.tui.widgets.box import Box
from dashboard.tui.widgets.footer import KeyLine
from dashboard.tui.widgets.live_table import LiveTable

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class Finding(Screen[None]):
    """The box for the filter, and the keys for the order; the screen built on it shows the outcome."""

    top: "TopApp"
    worker_table: LiveTable[WorkerView]
    backend_table: LiveTable[BackendView]
    foot: KeyLine

    troubles: list[Trouble]
    _led_to: str = ""
    """The row that was gone to last: only from there one goes on to the next."""
    filter: str = ""
    _filtered: Where = "workers"
    """The table that had the focus before the box."""
    _recalled: int = 0
    """Which of the filters kept stands in the box."""
    box: Box

    @property
    def where(self) -> Where:
        raise NotImplementedError

    @property
    def table(self) -> LiveTable[Any]:
        raise NotImplementedError

    def show_titles(self) -> None:
        raise NotImplementedError

    def moved(self) -> None:
        raise NotImplementedError

    def clear_marks(self) -> None:
        raise NotImplementedError

    def focus_table(self, where: Where) -> None:
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While the filter is typed, keys are letters, from the first one on."""
        return action == "back" or not self.box.typing

    def on_key(self, event: events.Key) -> None:
        if self.box.typing and event.key in ("up", "down"):
            self._recall(-1 if event.key == "up" else 1)

    def action_filter(self) -> None:
        self._recalled = len(self.top.keeping.kept.filters)
        self._filtered = self.where
        self.box.open(self.filter)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.set_filter(event.value)

    def _recall(self, step: int) -> None:
        """Filters of before, as a shell gives its lines."""
        before = self.top.keeping.kept.filters
        self._recalled = max(0, min(self._recalled + step, len(before)))
        self.box.value = before[self._recalled] if self._recalled < len(before) else ""
        self.box.cursor_position = len(self.box.value)

    def take_filter(self, text: str) -> None:
        self.set_filter(text)
        self.tell_filter()
        self.top.keeping.remember_filter(self.filter)
        self._close_filter()

    def set_filter(self, text: str) -> None:
        self.filter = text.strip()
        self.worker_table.keep = filters.workers(self.filter)
        self.backend_table.keep = filters.backends(self.filter)
        self.worker_table.rearrange()
        self.backend_table.rearrange()
        self.show_titles()
        self.moved()

    def tell_filter(self) -> None:
        """A word that is none is named; while it is typed, it is only not finished."""
        if trouble := filters.trouble(self.filter):
            self.top.say(trouble, "warning")

    def _close_filter(self) -> None:
        self.box.display = False
        self.focus_table(self._filtered)

    def action_back(self) -> None:
        """One step back: the box, then the filter, then the marks, then the other pane."""
        if self.box.typing:
            self.set_filter("")
            self._close_filter()
        elif self.filter:
            self.set_filter("")
        elif self.worker_table.marks or self.backend_table.marks:
            self.clear_marks()
            self.moved()
        elif self.where == "backends":
            self.focus_table("workers")

    def action_worst(self) -> None:
        """To the row that most needs a look; again: to the next."""
        rows = [trouble for trouble in self.troubles if trouble.key]
        here = self.table.cursor if self.table.cursor == self._led_to else None
        at = next((n for n, one in enumerate(rows) if one.key == here), -1) + 1
        if not rows:
            no_row = f"{self.troubles[0].said}: no row stands for it" if self.troubles else ""
            return self.top.say(no_row or "nothing here needs a look")
        there = rows[at % len(rows)]
        table = self.backend_table if there.where == "backends" else self.worker_table
        if there.key not in table.order:
            return self.top.say(f"{there.said}: not shown by the filter")
        # First the table, then its row: the cursor of the other table goes with that of this one.
        self.focus_table("backends" if there.where == "backends" else "workers")
        table.select(there.key)
        self._led_to = there.key

    def action_sort(self, step: int) -> None:
        self.table.sort_next(step)

    def action_sort_by(self, key: str) -> None:
        table = self.table
        if any(column.key == key and column.order for column in table.columns):
            table.sort_by(key)

    def action_invert(self) -> None:
        self.table.sort_by(self.table.sort, not self.table.falling)

    def action_sort_menu(self) -> None:
        choices = [
            (column.key, f"{column.title:<10} {column.key}") for column in self.table.columns if column.order
        ]
        table = self.table
        screen = ChooseScreen(self.top, "Sort by", [("", "the cluster's own order"), *choices], table.sort or "")
        self.app.push_screen(screen, lambda key: table.sort_by(key or None) if key is not None else None)
