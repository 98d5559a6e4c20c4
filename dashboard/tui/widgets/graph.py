"""Graphs as text: sparklines of blocks for a row, areas of braille for a pane."""

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇"  # seven levels: a full block would merge with the row above
# Rows of dots, bottom to top, in the left and the right column of a braille cell.
_LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)


def spark(series: Sequence[float], width: int, top: float) -> str:
    """The last `width` readings, 0 to `top`; what was above a hair of zero shows at least the lowest block."""
    shown = series[-width:]
    scale = 7 / top if top > 0 else 0.0
    drawn = "".join(
        " " if value != value else _BLOCKS[min(7, max(1 if value > 0 else 0, int(value * scale + 0.5)))]
        for value in shown
    )
    return drawn.rjust(width)


def area(series: Sequence[float], width: int, height: int, top: float) -> list[str]:
    """`height` lines of braille, two readings a cell, newest at the right, 0 at the bottom and `top` at the top."""
    levels = _levels(series[-width * 2 :], height * 4, top)
    levels = [0] * (width * 2 - len(levels)) + levels
    lines = []
    for row in range(height - 1, -1, -1):
        floor = row * 4
        cells = (
            chr(0x2800 + _LEFT[min(4, max(0, left - floor))] + _RIGHT[min(4, max(0, right - floor))])
            for left, right in zip(levels[::2], levels[1::2], strict=True)
        )
        lines.append("".join(cells))
    return lines


def _levels(series: Sequence[float], dots: int, top: float) -> list[int]:
    scale = dots / top if top > 0 else 0.0
    return [
        0 if value != value else min(dots, max(1 if value > 0 else 0, int(value * scale + 0.5))) for value in series
    ]


def bar(share: float | None, width: int) -> tuple[str, str]:
    """The full and the empty part of a meter of `width` cells."""
    full = round(min(1.0, max(0.0, share or 0.0)) * width)
    return "█" * full, "░" * (width - full)


def nice_top(series: Sequence[float], least: float) -> float:
    """A steady top of the scale: 1, 2 or 5 times a power of ten, and never under `least`."""
    highest = max((value for value in series if value == value), default=0.0)
    top = least
    while top < highest:
        for step in (2.0, 2.5, 2.0):
            top *= step
            if top >= highest:
                break
    return top
