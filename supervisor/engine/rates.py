"""Rates from counters that may start again: over a short window, and never negative or huge."""

from collections import deque

from msgspec import Struct

WINDOW = 5.0
"""Seconds of readings that a rate is taken over: short enough to follow, long enough to be steady."""

SHORTEST = 0.5
"""Seconds between the first and the last reading, at least: two in quick succession, as when a proxy answers again
that had been stopped, make a rate of a thousand from what piled up meanwhile."""


WHOLE = ""
"""In place of a backend's name: what its upstream counts as a whole."""


class Reading(Struct, frozen=True):
    at: float
    requests: int | None
    errors: int | None


class Rates:
    """Rates of one proxy's backends, by (upstream, backend), and of each upstream as a whole."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], deque[Reading]] = {}
        self._known: dict[tuple[str, str], tuple[float | None, float | None]] = {}
        """Rates that were asked for since the last reading."""

    def restart(self) -> None:
        """All counters began again, or were not read for a while: nothing before is comparable."""
        self._kept.clear()
        self._known.clear()

    def add(self, key: tuple[str, str], reading: Reading) -> None:
        kept = self._kept.setdefault(key, deque())
        self._known.pop(key, None)
        if kept and fell(kept[-1], reading):
            kept.clear()
        kept.append(reading)
        while len(kept) > 2 and reading.at - kept[1].at >= WINDOW:
            kept.popleft()

    def retain(self, keys: set[tuple[str, str]]) -> None:
        for key in self._kept.keys() - keys:
            del self._kept[key]
            self._known.pop(key, None)

    def of(self, key: tuple[str, str]) -> tuple[float | None, float | None]:
        """Requests and errors per second; None until two readings can be compared."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._rates(key)
        return known

    def rounded(self, key: tuple[str, str]) -> tuple[float | None, float | None]:
        """The same to two digits."""
        requests, errors = self.of(key)
        return None if requests is None else round(requests, 2), None if errors is None else round(errors, 2)

    def _rates(self, key: tuple[str, str]) -> tuple[float | None, float | None]:
        kept = self._kept.get(key)
        if not kept or len(kept) < 2:
            return None, None
        first, last = kept[0], kept[-1]
        seconds = last.at - first.at
        return per_second(first.requests, last.requests, seconds), per_second(first.errors, last.errors, seconds)


def fell(before: Reading, after: Reading) -> bool:
    pairs = ((before.requests, after.requests), (before.errors, after.errors))
    return any(a is not None and b is not None and b < a for a, b in pairs)


def per_second(first: int | None, last: int | None, seconds: float) -> float | None:
    if first is None or last is None or seconds < SHORTEST:
        return None
    return (last - first) / seconds
