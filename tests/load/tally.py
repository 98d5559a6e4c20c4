"""What a load client counted: every request by kind, every failure by cause, and how long answers took."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAMPLES = 5_000
"""Failures of one cause that are kept with their details; chaos asks of each when it was."""
TOLD = 10
"""Failures of one cause that a summary shows."""
QUICK = ("get", "post")
"""Kinds whose time is the server's, and not asked for by us."""


@dataclass
class Failure:
    """One request that did not get its whole, right answer."""

    at: float
    """CLOCK_MONOTONIC, when it failed."""
    kind: str
    cause: str
    detail: str
    after_ms: float
    """From the first byte sent to the failure."""


@dataclass
class Result:
    """Everything that one run saw."""

    requests: int = 0
    failed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    manners: Counter[str] = field(default_factory=Counter)
    """Failures by the manners of the user who met them."""
    workers: Counter[str] = field(default_factory=Counter)
    """Answers by the X-Worker header that they bore."""
    failures: list[Failure] = field(default_factory=list)
    latencies: list[tuple[float, float, str]] = field(default_factory=list)
    """When the request began (CLOCK_MONOTONIC), milliseconds that it took, its kind."""
    reconnected: int = 0
    """Idle connections that were seen closed before they were used again: no failure."""
    began: float = 0.0
    ended: float = 0.0

    def succeed(self, kind: str, began: float, ended: float, worker: str) -> None:
        self.requests += 1
        self.kinds[kind] += 1
        self.workers[worker] += 1
        self.latencies.append((round(began, 6), round((ended - began) * 1000, 3), kind))

    def fail(self, failure: Failure, manner: str) -> None:
        self.requests += 1
        self.failed += 1
        self.kinds[failure.kind] += 1
        self.causes[failure.cause] += 1
        self.manners[manner] += 1
        if self.causes[failure.cause] <= SAMPLES:
            self.failures.append(failure)

    def percentile(
        self, share: float, since: float = 0.0, until: float = float("inf"), kinds: tuple[str, ...] = QUICK
    ) -> float | None:
        """Milliseconds within which `share` of the answers came, of requests begun in a window."""
        taken = sorted(ms for at, ms, kind in self.latencies if since <= at < until and kind in kinds)
        return taken[min(len(taken) - 1, int(len(taken) * share))] if taken else None

    @property
    def rate(self) -> float:
        return self.requests / max(0.001, self.ended - self.began)

    def summary(self) -> str:
        """A few lines for people: counts, percentiles, and the first failures of each cause."""
        middle, high = self.percentile(0.5), self.percentile(0.99)
        lines = [
            f"{self.failed} failed of {self.requests} requests ({self.rate:.0f}/s; {dict(self.kinds)}); "
            f"quick ones p50 {middle or 0:.1f} ms, p99 {high or 0:.1f} ms; {self.reconnected} reconnected"
        ]
        told: Counter[str] = Counter()
        for failure in self.failures:
            told[failure.cause] += 1
            if told[failure.cause] > TOLD:
                continue
            since = failure.at - self.began
            lines.append(
                f"  at +{since:.3f} s {failure.kind}: {failure.cause} after {failure.after_ms:.0f} ms: "
                f"{failure.detail}"
            )
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """Everything, for JSON. `asdict` of Python 3.11 cannot copy a Counter."""
        return {**vars(self), "failures": [vars(failure) for failure in self.failures]}

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.plain()))


def read(path: Path) -> Result:
    """A result as `Result.write` left it."""
    said = json.loads(path.read_text())
    failures = [Failure(**one) for one in said.pop("failures")]
    latencies = [(at, ms, kind) for at, ms, kind in said.pop("latencies")]
    for name in ("kinds", "causes", "manners", "workers"):
        said[name] = Counter(said[name])
    return Result(**said, failures=failures, latencies=latencies)


def merge(results: list[Result]) -> Result:
    """Several runs as one."""
    whole = Result(began=min(r.began for r in results), ended=max(r.ended for r in results))
    for one in results:
        whole.requests += one.requests
        whole.failed += one.failed
        whole.reconnected += one.reconnected
        whole.kinds += one.kinds
        whole.causes += one.causes
        whole.manners += one.manners
        whole.workers += one.workers
        whole.failures += one.failures
        whole.latencies += one.latencies
    return whole
