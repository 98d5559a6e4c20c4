"""More lines than fit: scrolled by keys and wheel, painted only where seen."""

from collections.abc import Sequence

from dashboard.tui.ink import Ink, Line
from dashboard.tui.widgets.lines import Painted


class Pager(Painted, can_focus=True):
    """A text of lines with a position in it."""

    def __init__(self, ink: Ink, *, id: str | None = None) -> None:
        super().__init__(ink, id=id)
        self.lines: Sequence[Line] = ()
        self.top = 0

    @property
    def last_top(self) -> int:
        return max(0, len(self.lines) - self.size.height)

    def set_lines(self, lines: Sequence[Line]) -> None:
        before, self.lines = self._shown(), lines
        self.top = min(self.top, self.last_top)
        after = self._shown()
        for y in range(max(len(before), len(after))):
            if y >= len(before) or y >= len(after) or before[y] != after[y]:
                self.repaint_line(y)

    def _shown(self) -> Sequence[Line]:
        return self.lines[self.top : self.top + self.size.height]

    def move(self, lines: int) -> None:
        top = max(0, min(self.top + lines, self.last_top))
        if top != self.top:
            self.top = top
            self.repaint()

    def page(self, pages: int) -> None:
        self.move(pages * max(1, self.size.height - 1))

    def line_at(self, y: int) -> tuple[Line, str]:
        at = self.top + y
        return (self.lines[at] if at < len(self.lines) else ()), ""

    def on_resize(self) -> None:
        super().on_resize()
        self.top = min(self.top, self.last_top)

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)
