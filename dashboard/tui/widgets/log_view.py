"""A log as it grows: a ring of harmless lines, following, searching, wrapping, painting only what is seen."""

import re
from collections import deque
from itertools import islice
from typing import NamedTuple

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


class LogView(Painted, can_focus=True):
    """`ring` holds lines as they came; `rows` what of them is shown, broken where they are wrapped."""

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
        self._top = 0

    @property
    def last_top(self) -> int:
        return max(0, len(self.rows) - self.size.height)

    @property
    def top(self) -> int:
        return self.last_top if self.follow else min(self._top, self.last_top)

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
            self.rows.extend(Row(part, token) for part in parts)
            added += len(parts)
        if not self.follow:
            self._top = max(0, self._top - max(0, before + added - KEPT))

    def _again(self) -> None:
        """All rows from the ring; what was on top stays about there."""
        share = self.top / self.last_top if self.last_top else 1.0
        self.rows.clear()
        self._lay_out(list(self.ring))
        self._top = round(share * self.last_top)
        self.repaint()

    def move(self, lines: int) -> None:
        top = max(0, min(self.top + lines, self.last_top))
        self._top, self.follow = top, top >= self.last_top and lines > 0
        self.repaint()

    def toggle_follow(self) -> None:
        self._top = self.top
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
        self.move(pages * max(1, self.size.height - 1))

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
        return sum(self.sought in line.lower() for line in self.ring) if text else 0

    def next_match(self, step: int) -> bool:
        """Scroll to the next line that holds what is sought, or the one before."""
        if not self.sought:
            return False
        rows = list(self.rows)
        at = self.top + step
        while 0 <= at < len(rows):
            if self.sought in rows[at].text.lower():
                self.follow, self._top = False, min(at, self.last_top)
                self.repaint()
                return True
            at += step
        return False

    def shown(self) -> list[str]:
        """The lines that can be seen now."""
        return [row.text for row in islice(self.rows, self.top, self.top + self.size.height)]

    def line_at(self, y: int) -> tuple[Line, str]:
        at = self.top + y
        if at >= len(self.rows):
            empty = "no line holds it" if self.only else "no line yet"
            return (((empty, "dim"),) if y == 0 and not self.rows else ()), ""
        text, token = self.rows[at]
        rest = text[self.left :]
        if not self.sought:
            return ((rest, token),), ""
        spans = []
        while (found := rest.lower().find(self.sought)) >= 0:
            end = found + len(self.sought)
            spans += [(rest[:found], token), (rest[found:end], "chip-warn")]
            rest = rest[end:]
        return (*spans, (rest, token)), ""

    def on_resize(self) -> None:
        super().on_resize()
        if self.wrap:
            self._again()

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)


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
