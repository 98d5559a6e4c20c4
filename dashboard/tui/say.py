"""What the screen writes beyond dashboard.say: numbers of bounded width, ages, and unknown as –."""

from functools import lru_cache

from dashboard.say import UNKNOWN, duration, local, plural, seconds_between, size
from dashboard.say import clock as _clock

__all__ = ["UNKNOWN", "ago", "clock", "count", "duration", "local", "number", "plural", "seconds_between", "size"]


def number(value: float | None) -> str:
    """At most five cells: 0, 0.4, 32.5, 120, 9876, 12.3k, 456k, 1.2M. The same as elsewhere up to 9999."""
    if value is None or value != value:
        return UNKNOWN
    if value < 0:
        return f"-{number(-value)}"
    if value == 0:
        return "0"
    if value < 99.95:
        return f"{value:.1f}"
    if value < 9999.5:
        return f"{value:.0f}"
    for unit in "kMGT":
        value /= 1000
        if value < 999.5:
            return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"
    return ">999T"


def count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value) if value < 10_000 else number(float(value))


def ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{duration(seconds)} ago"


@lru_cache(maxsize=512)
def clock(stamp: str | None) -> str:
    """The local time of day of an RFC 3339 stamp."""
    return _clock(stamp)
