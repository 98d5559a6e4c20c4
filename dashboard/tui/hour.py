"""The last hour of one slot, out of a few of the pictures that the engine keeps: what grows slowly shows there."""

from array import array
from collections.abc import Sequence

from msgspec import Struct

from dashboard.history import Series
from dashboard.tui.facts import MEGA, graph_lines, section
from dashboard.tui.ink import Line
from dashboard.tui.say import UNKNOWN, duration, number, seconds_between, size
from dashboard.tui.source import Source
from dashboard.tui.widgets.graph import nice_top
from supervisor.model.snapshot import Snapshot, WorkerRow

MOST = 90
"""Pictures that are asked for, one after the other: some 150 ms in all, and no turn of the engine waits for it."""
ROWS = 3_000
"""Rows of workers in them all, at most."""
LEAST = 10
"""Fewer pictures show no course."""
WORTH = 180.0
"""Seconds from which it shows more than the graphs of the last minutes do."""
ASK_EVERY = 60.0
"""Seconds between two looks at it, as long as its page is open."""

_UNKNOWN = float("nan")


class Hour(Struct, frozen=True):
    """Evenly spaced readings, oldest first; nan where nobody filled the slot, or nothing was known."""

    seconds: float
    """From the first to the last."""
    cpu: "Series[float]"
    memory: "Series[float]"
    rate: "Series[float]"


async def last_hour(source: Source, slot: str, rows: int) -> Hour | None:
    """None where too little is kept, or a picture has too many rows. Raises NoAnswer and Refused, as its source."""
    frames = min(MOST, ROWS // max(1, rows))
    times = await source.past_times() if frames >= LEAST else []
    seconds = (seconds_between(times[0], times[-1]) or 0.0) if times else 0.0
    if seconds < WORTH:
        return None
    found: list[WorkerRow | None] = []
    for time in evenly(times, frames):
        pictures = await source.past(time, 1)
        found.append(_row_of(pictures[-1], slot) if pictures else None)
    return Hour(
        seconds,
        _series([row.cpu_percent if row else None for row in found]),
        _series([row.rss_bytes if row else None for row in found]),
        _series([row.requests_per_second if row else None for row in found]),
    )


def evenly(times: Sequence[str], count: int) -> list[str]:
    """So many of these stamps, evenly spaced in time though the newer ones lie closer together."""
    ages = [seconds_between(times[0], time) or 0.0 for time in times]
    chosen, at = [], 0
    for n in range(count):
        goal = ages[-1] * n / max(1, count - 1)
        while at + 1 < len(times) and ages[at + 1] <= goal:
            at += 1
        chosen.append(times[at])
    return chosen


def _row_of(picture: Snapshot, slot: str) -> WorkerRow | None:
    """While it is replaced two fill the slot: the one that was there first."""
    return next((row for pool in picture.pools for row in pool.workers if row.id == slot), None)


def _series(values: Sequence[float | None]) -> "Series[float]":
    return array("f", [_UNKNOWN if value is None else value for value in values])


def hour_lines(hour: Hour, width: int) -> list[Line]:
    """A graph of each that was known, with the highest reading beside it."""
    lines: list[Line] = []
    if (highest := _highest(hour.cpu)) is not None:
        lines += graph_lines("CPU", f"≤{number(highest)}", "%", hour.cpu, 100.0, width, 2, "graph")
    if (highest := _highest(hour.rate)) is not None:
        lines += graph_lines("REQ/S", f"≤{number(highest)}", "", hour.rate, 10.0, width, 2, "graph2")
    if (highest := _highest(hour.memory)) is not None:
        top = nice_top([one / MEGA for one in hour.memory], 1.0) * MEGA
        said = f"≤{size(round(highest))}"
        lines += graph_lines("MEM", said, "", hour.memory, top, width, 2, "graph", size(round(top)))
    return section(f"the last {duration(hour.seconds)}", lines or [((f"  {UNKNOWN}", "dim"),)])


def _highest(series: "Series[float]") -> float | None:
    return max((value for value in series if value == value), default=None)
