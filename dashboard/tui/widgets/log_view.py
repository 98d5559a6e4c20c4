"""A log as it grows: a ring of harmless lines, following, searching, painting only what is seen."""

import re
from collections import deque

from dashboard.tui.ink import Ink, Line
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


class LogView(Painted, can_focus=True):
    def __init__(self, ink: Ink, *, id: str | None = None) -> None:
        super().__init__(ink, id=id)
        self.ring: deque[str] = deque(maxlen=KEPT)
        self.follow = True
        self.sought = ""
        self.left = 0
        """Cells scrolled away at the left."""
        self._top = 0

    @property
    def last_top(self) -> int:
        return max(0, len(self.ring) - self.size.height)

    @property
    def top(self) -> int:
        return self.last_top if self.follow else min(self._top, self.last_top)

    def add(self, lines: list[str]) -> None:
        """Lines from outside; what overflows the ring leaves at the top."""
        overflow = max(0, len(self.ring) + len(lines) - KEPT)
        self.ring.extend(clean(line) for line in lines)
        if not self.follow:
            self._top = max(0, self._top - overflow)
        self.repaint()

    def move(self, lines: int) -> None:
        top = max(0, min(self.top + lines, self.last_top))
        self._top, self.follow = top, top >= self.last_top and lines > 0
        self.repaint()

    def toggle_follow(self) -> None:
        self._top = self.top
        self.follow = not self.follow
        self.repaint()

    def page(self, pages: int) -> None:
        self.move(pages * max(1, self.size.height - 1))

    def shift(self, cells: int) -> None:
        self.left = max(0, self.left + cells)
        self.repaint()

    def seek(self, text: str) -> int:
        """Look for `text`, without regard to case; how many lines hold it."""
        self.sought = text.lower()
        self.repaint()
        return sum(self.sought in line.lower() for line in self.ring) if text else 0

    def next_match(self, step: int) -> bool:
        """Scroll to the next line that holds what is sought, or the one before."""
        if not self.sought:
            return False
        lines = list(self.ring)
        at = self.top + step
        while 0 <= at < len(lines):
            if self.sought in lines[at].lower():
                self.follow, self._top = False, min(at, self.last_top)
                self.repaint()
                return True
            at += step
        return False

    def line_at(self, y: int) -> tuple[Line, str]:
        at = self.top + y
        if at >= len(self.ring):
            return ((("no line yet", "dim"),) if y == 0 and not self.ring else ()), ""
        whole = self.ring[at]
        line = whole[self.left :]
        token = level(whole)
        if not self.sought:
            return ((line, token),), ""
        spans = []
        rest = line
        while (found := rest.lower().find(self.sought)) >= 0:
            end = found + len(self.sought)
            spans += [(rest[:found], token), (rest[found:end], "chip-warn")]
            rest = rest[end:]
        return (*spans, (rest, token)), ""

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)
