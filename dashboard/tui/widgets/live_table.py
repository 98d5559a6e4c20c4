"""A table that lives: only visible rows are formatted, only changed lines painted, and the cursor keeps its row."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from textual import events
from textual.color import Color
from textual.geometry import Offset, Region
from textual.strip import Strip

from dashboard.mirror import slot_of
from dashboard.tui.columns import Column, Placed, place
from dashboard.tui.ink import Ink, Line, Whole, cell
from dashboard.tui.room import steady
from dashboard.tui.widgets.lines import Painted

Row = TypeVar("Row")
SETTLED = 1.0
"""Seconds without a key before rows may change places: nothing jumps under the operator's finger."""

Signature = tuple[object, ...]


class LiveTable(Painted, Generic[Row], can_focus=True):
    """Rows by key, in the order given or sorted; cursor and marks belong to keys and not to lines."""

    def __init__(self, ink: Ink, columns: Sequence[Column[Row]], *, empty: str, id: str | None = None) -> None:
        super().__init__(ink, id=id)
        self.columns = tuple(columns)
        self.empty = empty
        """Said where there is no row."""
        self.rows: dict[str, Row] = {}
        self.order: list[str] = []
        self.cursor: str | None = None
        self.marks: set[str] = set()
        self.sort: str | None = None
        self.falling = False
        self.keep: Callable[[Row], bool] | None = None
        self.hidden: frozenset[str] = frozenset()
        """Keys of columns that the operator does not want to see."""
        self.stays = True
        """Whether the cursor goes with its row, and not only stays on its line."""
        self.dimmed = False
        """The whole picture is old."""
        self.on_cursor: Callable[[], None] = lambda: None
        self.on_sort: Callable[[], None] = lambda: None
        self.on_open: Callable[[], None] = lambda: None
        # Called at once and not by a message: a message's repaint would come two frames later.
        self._top = 0
        self._line = 0
        self._placed: list[Placed[Row]] = []
        self._needs: dict[str, int] = {}
        self._signatures: dict[int, Signature] = {}
        self._touched = 0.0
        self._thumb: range | None = None

    # What is shown

    @property
    def height(self) -> int:
        """Lines for rows, below the titles."""
        return max(0, self.size.height - 1)

    @property
    def current(self) -> Row | None:
        """The row under the cursor; None where a filter hides it: nothing is done to what is not seen."""
        if self.cursor is None or self.order[self._line : self._line + 1] != [self.cursor]:
            return None
        return self.rows.get(self.cursor)

    def chosen(self) -> list[Row]:
        """The marked rows in their order, or the one under the cursor."""
        marked = [self.rows[key] for key in self.order if key in self.marks] if self.marks else []
        return marked or ([self.current] if self.current is not None else [])

    def set_rows(self, rows: dict[str, Row]) -> None:
        grown = rows.keys() != self.rows.keys()
        self.rows = rows
        if grown:
            self._fit_columns()
        self.marks &= rows.keys()
        settled = time.monotonic() - self._touched >= SETTLED
        self.rearrange(reorder=settled or self.sort is None)

    def _fit_columns(self) -> None:
        """Measured only when rows come or go, and only where a column may grow: widths stay steady otherwise."""
        flexible = [column for column in self.columns if column.flex]
        needs = {
            column.key: max((len(column.cell(row)[0]) for row in self.rows.values()), default=0)
            for column in flexible
            if column.measured
        }
        # A rollout's `web.0:2` comes and goes: what has grown for it stays.
        needs = self._needs = {key: steady(self._needs.get(key, 0), need) for key, need in needs.items()}
        shown = [column for column in self.columns if column.key not in self.hidden]
        placed = place(shown, self.size.width - 1, needs)
        if placed != self._placed:
            self._placed = placed
            self._signatures = {}

    def rearrange(self, reorder: bool = True) -> None:
        """Filter and sort again, find the cursor again, paint what differs."""
        keep = self.keep
        shown = [key for key, row in self.rows.items() if keep is None or keep(row)]
        if not reorder and self.order:
            known = set(shown)
            stay = [key for key in self.order if key in known]
            before = set(stay)
            shown = stay + [key for key in shown if key not in before]
        else:
            self._sort(shown)
        self.order = shown
        self._find_cursor()
        self.paint_changes()

    def _sort(self, keys: list[str]) -> None:
        column = next((one for one in self.columns if one.key == self.sort), None)
        if column is None or (order := column.order) is None:
            if self.falling:
                keys.reverse()
            return
        values = {key: order(self.rows[key]) for key in keys}
        known = [key for key in keys if values[key] is not None]
        known.sort(key=lambda key: values[key], reverse=self.falling)
        keys[:] = known + [key for key in keys if values[key] is None]

    def _find_cursor(self) -> None:
        before = self.cursor
        if not self.order:
            # Kept though out of sight, so that it is there again when the filter lets it be seen.
            self._line = 0
            return
        if not self.stays:
            self.cursor = self.order[min(self._line, len(self.order) - 1)]
        elif self.cursor not in self.rows or self.cursor not in self.order:
            self.cursor = self._next_best()
        self._line = self.order.index(self.cursor) if self.cursor is not None else 0
        self._scroll()
        if self.cursor != before:
            self.on_cursor()

    def _next_best(self) -> str:
        """The worker that took the place in the same slot, else what now stands in the same line."""
        if self.cursor is not None:
            slot = slot_of(self.cursor)
            for key in reversed(self.order):
                if slot_of(key) == slot:
                    return key
        return self.order[min(self._line, len(self.order) - 1)]

    def _scroll(self) -> None:
        height = max(1, self.height)
        top = min(self._top, max(0, len(self.order) - height))
        self._top = max(0, min(top, self._line) if self._line < top else max(top, self._line - height + 1))

    # Moving

    def touch(self) -> None:
        self._touched = time.monotonic()

    def move(self, lines: int) -> None:
        self.move_to(self._line + lines)

    def move_to(self, line: int) -> None:
        self.touch()
        if not self.order:
            return
        line = max(0, min(line, len(self.order) - 1))
        if self.order[line] == self.cursor:
            return
        self.cursor, self._line = self.order[line], line
        self._scroll()
        self.paint_changes()
        self.on_cursor()

    def select(self, key: str) -> bool:
        """Put the cursor on a row; False where it is not shown."""
        if key not in self.order:
            return False
        self.move_to(self.order.index(key))
        return True

    def follow(self, key: str | None) -> None:
        """The partner of what is chosen elsewhere; nobody is told, and no key has been pressed."""
        if key is not None and key != self.cursor and key in self.rows:
            self.cursor = key
            if key in self.order:
                self._line = self.order.index(key)
                self._scroll()
            self.paint_changes()

    def mark(self) -> None:
        if self.cursor is not None and self.cursor in self.rows:
            self.marks ^= {self.cursor}
            self.move(1)
            self.paint_changes()

    def mark_all(self) -> None:
        shown = set(self.order)
        self.marks = set() if shown <= self.marks else shown
        self.paint_changes()

    def unmark(self) -> None:
        self.marks = set()
        self.paint_changes()

    def hide(self, hidden: Iterable[str]) -> None:
        """Without these columns from now on; the first one names the row and stays."""
        self.hidden = frozenset(hidden) - {self.columns[0].key}
        self._fit_columns()
        self.paint_changes()

    # Sorting

    def sort_by(self, key: str | None, falling: bool | None = None) -> None:
        column = next((one for one in self.columns if one.key == key), None)
        self.sort = key
        self.falling = (column.falling if column else False) if falling is None else falling
        self.rearrange()
        self.move_to(0)  # the order is asked for to see who comes first
        self.on_sort()

    def sort_next(self, step: int) -> None:
        """The next column that is shown and can be sorted by; before the first stands the cluster's own order."""
        keys: list[str | None] = [None, *(one.column.key for one in self._placed if one.column.order)]
        at = keys.index(self.sort) if self.sort in keys else 0
        self.sort_by(keys[(at + step) % len(keys)])

    # Painting

    def on_resize(self) -> None:
        super().on_resize()
        self._fit_columns()
        self._signatures = {}
        self._find_cursor()
        self.paint_changes()

    def on_focus(self) -> None:
        self.paint_changes()

    def on_blur(self) -> None:
        self.paint_changes()

    def paint_changes(self) -> None:
        # Asked once: Textual looks a widget's size up in the whole screen, each time.
        width, height = self.size
        self._thumb = self._find_thumb(height - 1)
        changed = []
        for y in range(height):
            signature = self._signature(y)
            if self._signatures.get(y) != signature:
                self._signatures[y] = signature
                self._strips.pop(y, None)
                changed.append(Region(0, y, width, 1))
        if changed:
            self.refresh(*changed)
        if self.has_focus and self.order:
            # The terminal's own cursor, though it is hidden: screen readers and braille displays follow it.
            self.app.cursor_position = self.region.offset + Offset(0, self._line - self._top + 1)

    def _signature(self, y: int) -> Signature:
        rail = self._rail(y)
        if y == 0:
            return (self.sort, self.falling, tuple(self._placed), rail)
        at = self._top + y - 1
        if at >= len(self.order):
            return (y == 1 and not self.order and self.empty, rail)
        key = self.order[at]
        row = self.rows[key]
        band = self._band(key)
        cells = tuple(placed.column.cell(row) for placed in self._placed)
        return (cells, band, key in self.marks, self.dimmed, rail)

    def _band(self, key: str) -> str:
        if key == self.cursor:
            return "cursor" if self.has_focus else "cursor-idle"
        return "marked" if key in self.marks else ""

    def _find_thumb(self, height: int) -> range | None:
        """The lines of the scroll bar's thumb; None where nothing scrolls."""
        rows = len(self.order)
        if rows <= height or height < 1:
            return None
        start = self._top * height // rows
        return range(start + 1, start + 1 + max(1, height * height // rows) + 1)

    def _rail(self, y: int) -> bool | None:
        """Whether the thumb is in line `y`; None where there is no scroll bar."""
        return None if self._thumb is None or y == 0 else y in self._thumb

    def paint_line(self, y: int, width: int, ground: Color) -> Strip:
        line, band = self.line_at(y)
        rail = self._rail(y)
        body = self.ink.paint(line, width - 1, ground, band)
        end = (("▐", "thumb") if rail else ("▐", "rail")) if rail is not None else (" ", "text")
        return Whole.join([body, self.ink.paint((end,), 1, ground, band if rail is None else "")])

    def line_at(self, y: int) -> tuple[Line, str]:
        if y == 0:
            return self._titles(), ""
        at = self._top + y - 1
        if at >= len(self.order):
            return (((f" {self.empty}", "dim"),) if y == 1 and not self.order else ()), ""
        key = self.order[at]
        row = self.rows[key]
        plain = self.ink.ascii_only
        spans = []
        for column, width in self._placed:
            text, token = column.cell(row)
            spans.append((cell(text, width, column.right, plain) + " ", "dim" if self.dimmed else token))
        if key in self.marks and spans:
            first, token = spans[0]
            spans[0] = (cell("*" + first.rstrip(), len(first) - 1) + " ", "match")
        if spans:
            last, token = spans[-1]
            spans[-1] = (last[:-1], token)  # no gap after it
        return tuple(spans), self._band(key)

    def _titles(self) -> Line:
        spans = []
        for column, width in self._placed:
            sorted_by = column.key == self.sort
            arrow = ("▼" if self.falling else "▲") if sorted_by else ""
            title = cell(column.title[: width - len(arrow)] + arrow, width, column.right, self.ink.ascii_only)
            spans.append((title + " ", "head-sort" if sorted_by else "head"))
        if spans:
            last, token = spans[-1]
            spans[-1] = (last[:-1], token)
        return tuple(spans)

    # The mouse

    def on_click(self, event: events.Click) -> None:
        self.focus()
        if event.y > 0:
            self.move_to(self._top + event.y - 1)
            if event.chain == 2:
                self.on_open()
            return
        x = 0
        for column, width in self._placed:
            if x <= event.x <= x + width and column.order:
                again = column.key == self.sort
                self.sort_by(column.key, not self.falling if again else None)
                return
            x += width + 1

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)
