"""From tokens of the theme to styles, and from (text, token) pairs to painted strips."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip
from textual.widget import Widget

from dashboard.tui.states import to_ascii
from supervisor.model.text import clean

Span = tuple[str, str]
"""Text from anywhere, and the token that it is painted with."""
Line = tuple[Span, ...]

TOKENS = (
    "text", "dim", "strong", "title", "ok", "drain", "start", "warn", "down", "maint", "unknown", "graph", "graph2",
    "track", "key", "chip", "chip-warn", "chip-down", "head", "head-sort", "match", "button", "button-on",
    "cursor", "cursor-idle", "marked", "thumb", "rail",
)  # fmt: skip


class Whole(Strip):
    """A painted line. Textual's own keeps itself as its one undivided part, and so waits for the collector: dozens
    each second, with seven caches each.
    """

    __slots__ = ()

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        cuts = tuple(cuts)
        return (self,) if cuts == (self.cell_length,) else super().divide(cuts)


class Ink(Widget):
    """Never shown: it holds the tokens' component classes once, where six widgets would hold them each."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink--{token}" for token in TOKENS}

    def __init__(self, ascii_only: bool = False) -> None:
        super().__init__()
        self.ascii_only = ascii_only
        self._cache: dict[tuple[str, str, Color], Style] = {}

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._cache.clear()

    def style(self, token: str, ground: Color, band: str = "") -> Style:
        """`token` on `ground`, with the band of a cursor or a mark between them."""
        key = (token, band, ground)
        if (found := self._cache.get(key)) is None:
            found = self._cache[key] = self._resolve(token, ground, band)
        return found

    def _resolve(self, token: str, ground: Color, band: str) -> Style:
        bold = reverse = False
        for name in (band, token):
            if not name:
                continue
            styles = self.get_component_styles(f"ink--{name}")
            ground = ground + styles.background
            bold = bold or bool(styles.text_style.bold)
            # Reversed twice is plain: what is sought stands out of a chosen line that is reversed, too.
            reverse ^= bool(styles.text_style.reverse)
        # Reversed, each token's colour (and what is dim) would be a ground of its own: a patchwork.
        lead = band if band and reverse else token
        color = ground + self.get_component_styles(f"ink--{lead}").color
        flag = styles.text_style
        return Style(
            color=color.rich_color,
            bgcolor=ground.rich_color,
            bold=bold,
            reverse=reverse,
            dim=bool(flag.dim) and not reverse,
            italic=bool(flag.italic),
            underline=bool(flag.underline),
        )

    def paint(self, line: Line, width: int, ground: Color, band: str = "") -> Strip:
        """One line, exactly `width` cells wide, with every character of it made harmless."""
        segments: list[Segment] = []
        room = width
        run, token_of_run = "", ""
        for text, token in line:
            if room <= 0:
                break
            text, cells = fit(text, room, self.ascii_only)
            room -= cells
            if token == token_of_run:
                run += text
                continue
            if run:
                segments.append(Segment(run, self.style(token_of_run, ground, band)))
            run, token_of_run = text, token
        if run:
            segments.append(Segment(run, self.style(token_of_run, ground, band)))
        if room > 0:
            segments.append(Segment(" " * room, self.style("text", ground, band)))
        return Whole(segments, width)


def fit(text: str, room: int, ascii_only: bool = False) -> tuple[str, int]:
    """Harmless text of at most `room` cells, and how many it takes; … where something is left out."""
    if text.isascii() and text.isprintable():
        return (text, len(text)) if len(text) <= room else cut(text, room, ascii_only)
    text = clean(text)
    if ascii_only:
        text = to_ascii(text)
    cells = cell_len(text)
    return (text, cells) if cells <= room else cut(text, room, ascii_only)


DIGITS = 16
"""Characters of a number that is rather left out than cut."""


def cut(text: str, room: int, ascii_only: bool = False) -> tuple[str, int]:
    """The beginning of a harmless text that is too long, and …; never half a number, which would be another one."""
    if room <= 0:
        return "", 0
    kept = head(text, room - 1)
    at = len(kept)
    if at and text[at] in _NUMBER and text[at - 1] in _NUMBER:
        whole = kept.rstrip(_NUMBER)
        kept = whole if len(kept) - len(whole) <= DIGITS else kept
    kept += "." if ascii_only else "…"
    return kept, cell_len(kept)


_NUMBER = "0123456789.,"


def head(text: str, room: int) -> str:
    """What of a harmless text goes into `room` cells; a wide character that would be halved is left out."""
    if text.isascii() or cell_len(text) <= room:
        return text[:room] if text.isascii() else text
    used = 0
    for at, character in enumerate(text):
        used += cell_len(character)
        if used > room:
            return text[:at]
    return text


def cell(text: str, width: int, right: bool = False, ascii_only: bool = False) -> str:
    """One cell of a table: harmless, exactly `width` wide, and marked … where something is left out."""
    text, cells = fit(text, width, ascii_only)
    return " " * (width - cells) + text if right else text + " " * (width - cells)
