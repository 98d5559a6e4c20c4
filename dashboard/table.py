"""Aligned columns of text: harmless whatever the cells hold, coloured where that is wanted."""

from collections.abc import Sequence
from typing import NamedTuple

from supervisor.model.text import clean

_COLOURS = {
    "good": "\x1b[32m",
    "busy": "\x1b[33m",
    "bad": "\x1b[31m",
    "faint": "\x1b[2m",
    "head": "\x1b[1m",
}
_LAST = 30
"""Cells that the last column, free text, should have where the others allow it."""
_RESET = "\x1b[0m"

# The words of the house for states, by how an operator should feel about them.
_TOKENS = {
    "ready": "good",
    "up": "good",
    "done": "good",
    "starting": "busy",
    "draining": "busy",
    "stopping": "busy",
    "drain": "busy",
    "checking": "busy",
    "backing-off": "busy",
    "running": "busy",
    "warning": "busy",
    "failed": "bad",
    "down": "bad",
    "error": "bad",
    "aborted": "bad",
    "unreachable": "bad",
    "maint": "faint",
    "stopped": "faint",
    "gone": "faint",
    "–": "faint",
}


class Paper(NamedTuple):
    """What the text is for."""

    colour: bool = False
    width: int | None = None
    """Columns of the terminal; None: no end."""


class Column(NamedTuple):
    title: str
    right: bool = False
    spare: int = 0
    """Left out where the width does not do, the highest first; 0 never."""


def columns(head: Sequence[Column], rows: Sequence[Sequence[str]], paper: Paper) -> list[str]:
    """One line for the titles and one for each row; the last column takes what is left of the width."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max([shown(column.title), *(shown(row[i]) for row in cells)]) for i, column in enumerate(head)]
    kept = _kept(head, widths, paper)
    head, widths = [head[i] for i in kept], [widths[i] for i in kept]
    titles = [column.title for column in head]
    return [
        _line(head, titles, widths, paper, title=True),
        *(_line(head, [row[i] for i in kept], widths, paper, title=False) for row in cells),
    ]


def _kept(head: Sequence[Column], widths: list[int], paper: Paper) -> list[int]:
    kept = list(range(len(head)))
    if paper.width is None:
        return kept
    while sum(widths[i] + 2 for i in kept[:-1]) + min(widths[-1], _LAST) > paper.width:
        spare = max(kept, key=lambda i: head[i].spare)
        if not head[spare].spare:
            break
        kept.remove(spare)
    return kept


def _line(head: Sequence[Column], row: Sequence[str], widths: list[int], paper: Paper, title: bool) -> str:
    pieces: list[str] = []
    left = paper.width
    last = len(row) - 1
    for i, (column, cell, width) in enumerate(zip(head, row, widths, strict=True)):
        if left is not None and left <= 0:
            break
        text = cell if left is None else cut(cell, left)
        room = width if left is None else min(width, left)
        gap = " " * max(0, room - shown(text))
        left = None if left is None else left - room - 2
        inked = ink(text, "head" if title else _TOKENS.get(text), paper)
        pieces.append(gap + inked if column.right else inked if i == last else inked + gap)
    return "  ".join(pieces).rstrip()


def ink(text: str, token: str | None, paper: Paper) -> str:
    """`text` in the colour of a token, where colour is wanted."""
    return f"{_COLOURS[token]}{text}{_RESET}" if paper.colour and token and text else text


def sentence(text: str, paper: Paper, token: str | None = None) -> str:
    """One line of free text, harmless and cut to the width."""
    line = clean(text)
    return ink(line if paper.width is None else cut(line, paper.width), token, paper)


def shown(text: str) -> int:
    """Cells that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells, with an ellipsis where something is missing."""
    if shown(text) <= width:
        return text
    while text and shown(text) > width - 1:
        text = text[: max(0, min(len(text) - 1, width - 1))]
    return text + "…" if width > 0 else ""
