"""A log as it grows: a ring of harmless lines, following, searching, wrapping, painting only what is seen."""

import re
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from textual import events

from dashboard.tui.ink import Ink, Line, head
from dashboard.tui.widgets.lines import Painted
from supervisor.model.text import clean

KEPT = 5_000
_BAD = re.compile(r"\b(?:error|critical|fatal|panic|traceback|exception)\b", re.IGNORECASE)
_ODD = re.compile(r"\bwarn(?:ing)?\b", re.IGNORECASE)
_QUIET = re.compile(r"\b(?:debug|trace)\b", re.IGNORECASE)


def level(line: str) -> str:
    """The token of a line, by the level that it seems to name in its first hundred characters."""
    start = line[:100]
    if _BAD.search(start):
        return "down"
    if _ODD.search(start):
        return "warn"
    return "dim" if _QUIET.search(start) else "text"


class Row(NamedTuple):
    text: str
    token: str
    line: str
    """The whole line, of which `text` is a part where lines are wrapped."""
    first: bool = True
    """It is the first part of its line."""


class LogView(Painted, can_focus=True):
    """`ring` holds lines as they came; `rows` what of them is shown, broken where they are wrapped.

    While it follows, the newest row is the chosen one, and no band tells it.
    """

    def __init__(self, ink: Ink, *, id: str | None = None) -> None:
        super().__init__(ink, id=id)
        self.ring: deque[str] = deque(maxlen=KEPT)
        self.rows: deque[Row] = deque(maxlen=KEPT)
        self.follow = True
        self.wrap = False
        self.only = False
        """Show no line but those that hold what is sought."""
        self.sought = ""
        self.left = 0
        """Cells scrolled away at the left."""
        self.picked: Callable[[], None] = lambda: None
        """Called when a line was chosen with the mouse."""
        self._top = 0
        self._at = 0
        """Index of the chosen row, where it does not follow."""

    @property
    def last_top(self) -> int:
        return max(0, len(self.rows) - self.size.height)

    @property
    def top(self) -> int:
        return self.last_top if self.follow else min(self._top, self.last_top)

    @property
    def at(self) -> int:
        last = max(0, len(self.rows) - 1)
        return last if self.follow else min(self._at, last)

    @property
    def chosen(self) -> str | None:
        """The whole of the chosen line."""
        return self.rows[self.at].line if self.rows else None

    def add(self, lines: list[str]) -> None:
        """Lines from outside; what overflows the ring leaves at the top."""
        harmless = [clean(line) for line in lines]
        self.ring.extend(harmless)
        self._lay_out(harmless)
        self.repaint()

    def _lay_out(self, lines: list[str]) -> None:
        width = self.size.width
        before, added = len(self.rows), 0
        for line in lines:
            if self.only and self.sought not in line.lower():
                continue
            token = level(line)
            parts = broken(line, width) if self.wrap and width else [line]
            self.rows.extend(Row(part, token, line, not at) for at, part in enumerate(parts))
            added += len(parts)
        gone = max(0, before + added - KEPT)
        self._top, self._at = max(0, self._top - gone), max(0, self._at - gone)

    def _again(self) -> None:
        """All rows from the ring; the chosen line stays chosen where it is shown, and about where it stood."""
        share = self.at / len(self.rows) if self.rows else 1.0
        line, above = self.chosen, self.at - self.top
        self.rows.clear()
        self._lay_out(list(self.ring))
        near = round(share * len(self.rows))
        found = [n for n, row in enumerate(self.rows) if row.first and row.line == line]
        self._at = min(found, key=lambda n: abs(n - near), default=near)
        self._top = max(0, self._at - above)
        self.repaint()

    def choose(self, at: int) -> None:
        """This row, moved into sight; it follows no more."""
        at = max(0, min(at, len(self.rows) - 1))
        top = min(max(self.top, at - max(1, self.size.height) + 1), at)
        self.follow, self._at, self._top = False, at, top
        self.repaint()

    def move(self, lines: int) -> None:
        """The chosen row; below the last one, it follows."""
        if lines > 0 and self.at + lines >= len(self.rows):
            self._follow()
        elif self.rows:
            self.choose(self.at + lines)

    def _follow(self) -> None:
        self.follow = True
        self.repaint()

    def scroll(self, lines: int) -> None:
        """What is seen; the chosen row only where it would be out of sight."""
        top = max(0, min(self.top + lines, self.last_top))
        if lines > 0 and top >= self.last_top:
            return self._follow()
        self._at = max(top, min(self.at, top + self.size.height - 1))
        self._top, self.follow = top, False
        self.repaint()

    def toggle_follow(self) -> None:
        self._top, self._at = self.top, self.at
        self.follow = not self.follow
        self.repaint()

    def toggle_wrap(self) -> None:
        self.wrap, self.left = not self.wrap, 0
        self._again()

    def toggle_only(self) -> bool:
        """Whether there is anything sought for it."""
        if not self.sought:
            return False
        self.only = not self.only
        self._again()
        return True

    def page(self, pages: int) -> None:
        step = pages * max(1, self.size.height - 1)
        if step > 0 and self.at + step >= len(self.rows):
            return self._follow()
        at, top = self.at + step, self.top + step
        self._top, self.follow = max(0, top), False
        self.choose(at)

    def shift(self, cells: int) -> None:
        if not self.wrap:
            self.left = max(0, self.left + cells)
            self.repaint()

    def seek(self, text: str) -> int:
        """Look for `text`, without regard to case; how many lines hold it."""
        self.sought = text.lower()
        if self.only:
            self.only = bool(text)
            self._again()
        self.repaint()
        return self.matches()[1]

    def matches(self) -> tuple[int, int]:
        """Which of the lines that hold what is sought is the chosen one (0: none of them), and how many do."""
        if not self.sought:
            return 0, 0
        here = count = 0
        chosen = self.at
        while chosen and not self.rows[chosen].first:
            chosen -= 1
        for at, row in enumerate(self.rows):
            if self._holds(row):
                count += 1
                here = count if at == chosen else here
        return here, count

    def _holds(self, row: Row) -> bool:
        return row.first and self.sought in row.line.lower()

    def next_match(self, step: int, here: bool = False) -> bool:
        """Choose the next line that holds what is sought, or the one before; with `here` the chosen one will do."""
        if not self.sought:
            return False
        rows = list(self.rows)
        at = self.at + (0 if here else step)
        while 0 <= at < len(rows):
            if self._holds(rows[at]):
                if not self.top <= at < self.top + self.size.height:
                    self._top, self.follow = max(0, at - self.size.height // 2), False
                self.choose(at)
                return True
            at += step
        return False

    def shown(self) -> list[str]:
        """The lines that can be seen now, each whole and once."""
        rows = islice(self.rows, self.top, self.top + self.size.height)
        return [row.line for n, row in enumerate(rows) if row.first or n == 0]

    def line_at(self, y: int) -> tuple[Line, str]:
        at = self.top + y
        if at >= len(self.rows):
            empty = "no line holds it" if self.only else "no line read yet"
            return (((empty, "dim"),) if y == 0 and not self.rows else ()), ""
        row = self.rows[at]
        band = "cursor" if at == self.at and not self.follow else ""
        rest = row.text[self.left :]
        if not self.sought:
            return ((rest, row.token),), band
        spans = []
        while (found := rest.lower().find(self.sought)) >= 0:
            end = found + len(self.sought)
            spans += [(rest[:found], row.token), (rest[found:end], "chip-warn")]
            rest = rest[end:]
        return (*spans, (rest, row.token)), band

    def on_click(self, event: events.Click) -> None:
        if self.top + event.y < len(self.rows):
            self.choose(self.top + event.y)
            self.picked()

    def on_resize(self) -> None:
        super().on_resize()
        if self.wrap:
            self._again()

    def on_mouse_scroll_down(self) -> None:
        self.scroll(3)
        self.picked()

    def on_mouse_scroll_up(self) -> None:
        self.scroll(-3)
        self.picked()


def broken(line: str, width: int) -> list[str]:
    """A line in parts that fit; those that go on are indented by two."""
    parts: list[str] = []
    room = width
    while line:
        # At least one, though it be cut: else this would never end.
        part = head(line, room) or line[0]
        parts.append("  " + part if parts else part)
        line = line[len(part) :]
        room = max(1, width - 2)
    return parts or [""]
