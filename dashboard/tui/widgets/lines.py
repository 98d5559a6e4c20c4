"""The base of everything drawn line by line: painted strips are kept, and only changed lines are painted again."""

from collections.abc import Callable, Sequence

from textual import events
from textual.color import Color
from textual.filter import ANSIToTruecolor
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from dashboard.tui.ink import Ink, Line


class Painted(Widget):
    """Draws `line_at(y)` for each line of itself. It has no border or padding: those are its parent's."""

    ALLOW_SELECT = False
    ink: Ink
    """Given by the screen before the first paint."""

    def __init__(self, ink: Ink, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ink = ink
        self._strips: dict[int, Strip] = {}

    def line_at(self, y: int) -> tuple[Line, str]:
        """What stands in line `y`, and the band (cursor, mark) behind it."""
        raise NotImplementedError

    def paint_line(self, y: int, width: int, ground: Color) -> Strip:
        line, band = self.line_at(y)
        return self.ink.paint(line, width, ground, band)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = {}

    def on_resize(self) -> None:
        self._strips = {}

    def repaint(self) -> None:
        """Everything, because something common to all lines changed."""
        self._strips = {}
        self.refresh()

    def repaint_line(self, y: int) -> None:
        self._strips.pop(y, None)
        self.refresh(Region(0, y, self.size.width, 1))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Instead of Textual's own cache of styles, which makes six strips for each line (this makes one)."""
        width = self.size.width
        ground = self.background_colors[1]
        strips = [self._strip(y, width, ground) for y in range(crop.y, crop.bottom)]
        if crop.x or crop.width != width:
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def _strip(self, y: int, width: int, ground: Color) -> Strip:
        if (strip := self._strips.get(y)) is None:
            strip = self.paint_line(y, width, ground)
            for line_filter in self.get_line_filters():
                if not isinstance(line_filter, ANSIToTruecolor):
                    strip = strip.apply_filter(line_filter, ground)
            self._strips[y] = strip
        return strip


class Lines(Painted):
    """A block of lines; setting it paints the lines that differ."""

    def __init__(self, ink: Ink, *, id: str | None = None) -> None:
        super().__init__(ink, id=id)
        self.lines: Sequence[Line] = ()
        self.picked: Callable[[int, int], None] = lambda line, x: None
        """Called with the line and the cell that was clicked."""

    def on_click(self, event: events.Click) -> None:
        self.picked(event.y, event.x)

    def set_lines(self, lines: Sequence[Line]) -> None:
        before, self.lines = self.lines, lines
        both = min(len(before), len(lines))
        changed = [y for y in range(both) if before[y] != lines[y]]
        changed += range(both, max(len(before), len(lines)))
        if changed:
            for y in changed:
                self._strips.pop(y, None)
            width = self.size.width
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def line_at(self, y: int) -> tuple[Line, str]:
        return (self.lines[y] if y < len(self.lines) else ()), ""

    def get_content_width(self, container: Size, viewport: Size) -> int:
        from rich.cells import cell_len

        return max((sum(cell_len(text) for text, _ in line) for line in self.lines), default=0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.lines)
