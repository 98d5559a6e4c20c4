"""How many lines each pane of the main screen gets: tables what their rows need, the rest what is left; pure."""

from typing import NamedTuple

WIDE, XL = 100, 160
"""Cells from which panes have frames and stand beside each other, and from which details have their own column."""
TINY = 16
"""Lines under which there is a table, one line on top, and one that tells what is worst …"""
LEAST = 9
"""… and not even that."""
FRAME = 3
"""Lines of a pane that are no rows: its frame, and the titles of the columns."""
SPARE = 1
"""Empty lines under the last row, so that one that comes moves nothing."""


class Shares(NamedTuple):
    table: int
    """Lines of the table of workers; where one table is seen at a time, of either."""
    lower: int
    """Of backends and details; 0: there is no room for them."""
    events: int
    """0: as the style has it."""


def shares(width: int, height: int, workers: int, backends: int) -> Shares:
    """`height` lines between the heading and the keys, shared by so many rows."""
    if width < WIDE:
        return _narrow(height, max(workers, backends))
    if width >= XL:
        return _column(height, workers, backends)
    wanted = workers + SPARE + FRAME
    events = 6
    if height < 26:
        table = max(4, min(wanted, height - 5))
        left = height - table
        lower = left - 5 if left >= 12 else 0
        return Shares(table, lower, left - lower)
    table = max(4, min(wanted, (height - events) * 3 // 5))
    left = height - table
    events = max(events, min(12, left - max(backends + SPARE + FRAME, 16)))
    return Shares(table, left - events, events)


def _narrow(height: int, workers: int) -> Shares:
    """No frames: a line with the title, the titles of the columns, rows."""
    if height < 12:
        return Shares(height, 0, 0)
    table = min(workers + SPARE + 2, height - 3)
    left = height - table
    lower = min(left - 4, 14) if left >= 11 else 0
    return Shares(table, lower, left - lower)


def _column(height: int, workers: int, backends: int) -> Shares:
    """Workers, backends and events above each other; the details stand beside all three."""
    events = 8 if height >= 26 else 5
    if height < 18:
        table = max(4, min(workers + SPARE + FRAME, height - events))
        return Shares(table, 0, height - table)
    table = max(4, min(workers + SPARE + FRAME, (height - events) * 3 // 5))
    lower = max(4, min(backends + SPARE + FRAME, height - table - events))
    return Shares(table, lower, height - table - lower)


def steady(planned: int, rows: int) -> int:
    """Rows to plan for: more at once, fewer only when many have gone, so that nothing jumps during a rollout."""
    return rows if rows > planned or rows < planned - 3 else planned
