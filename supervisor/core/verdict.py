"""Whether a new worker does worse than the old ones in its first seconds, by what the proxy counts."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

ERRORS_AT_LEAST = 3
ERROR_SHARE = 0.05
TIMES_WORSE = 3.0
SLOW_REQUESTS = 20
SLOWER_BY_MS = 250.0


class Score(Struct, frozen=True):
    """Requests and errors since a worker began to serve, and its response time in milliseconds."""

    requests: int
    errors: int
    response_ms: float | None = None

    @property
    def share(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


def spoils(new: Score, old: Sequence[Score]) -> str | None:
    """Why the new worker is worse, in words; None while it is as good as can be told.

    Errors: at least 3, over 5 % of its requests, and over three times the share of the old workers. Slowness:
    over three times the old median and 250 ms above it, on 20 requests or more.
    """
    before = Score(sum(s.requests for s in old), sum(s.errors for s in old))
    if new.errors >= ERRORS_AT_LEAST and new.share > ERROR_SHARE and new.share > TIMES_WORSE * before.share:
        return f"{new.errors} of its first {new.requests} requests were errors"
    times = [s.response_ms for s in old if s.response_ms is not None]
    if not times or new.response_ms is None or new.requests < SLOW_REQUESTS:
        return None
    usual = median(times)
    if new.response_ms > max(TIMES_WORSE * usual, usual + SLOWER_BY_MS):
        return f"it answers in {new.response_ms:.0f} ms, where the old ones take {usual:.0f} ms"
    return None
