"""Figures in few characters, the same on every table: durations, sizes, rates, times; what is unknown is a dash."""

import re
from typing import Any

UNKNOWN = "–"
MISSING = "events may be missing here: no longer kept, or lost when keeper and engine were killed"
"""Said where a number is left out: events are numbered one after the other."""


def duration(seconds: float | None) -> str:
    """`4s`, `3m12s`, `2h05m`, `6d04h`."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def size(count: float | None) -> str:
    """Bytes in powers of 1024: `512B`, `48M`, `1.5G`."""
    if count is None:
        return UNKNOWN
    for unit in "BKMGT":
        if count < 1000 or unit == "T":
            return f"{count:.1f}{unit}" if count < 10 and unit in "GT" else f"{count:.0f}{unit}"
        count /= 1024
    raise AssertionError("unreachable")


def number(value: float | None) -> str:
    """A rate or a share: one decimal below a hundred, none above."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"


def count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def clock(stamp: str | None) -> str:
    """The local time of day of an RFC 3339 time."""
    if not stamp:
        return UNKNOWN
    from datetime import datetime

    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return stamp


_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


def local(text: str) -> str:
    """The engine's sentence with its moments as local times of day, as all others are told here."""
    return _STAMP.sub(lambda found: f"at {clock(found[0])}", text)


def seconds_between(earlier: str | None, later: str | None) -> float | None:
    """Seconds from one RFC 3339 stamp to another; None where either cannot be read."""
    if not earlier or not later:
        return None
    from datetime import datetime

    try:
        return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    except (ValueError, TypeError):
        return None


def took(earlier: str | None, later: str | None) -> str:
    """How long something lasted: `0.4s`, `3m12s`."""
    seconds = seconds_between(earlier, later)
    return f"{seconds:.1f}s" if seconds is not None and 0 <= seconds < 9.95 else duration(seconds)


def word(value: Any) -> str:
    return UNKNOWN if value is None or value == "" else str(value)


def plural(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"
