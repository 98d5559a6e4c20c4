"""`python -m tests.benchmarks.reload`: the same load and reloads for all, side by side."""

import argparse
import sys
import time
from dataclasses import dataclass

from tests.benchmarks._report import Figure, lines
from tests.benchmarks.reload.contenders import CONTENDERS, Contender, program
from tests.load.client import Plan
from tests.load.running import load
from tests.whole.rolling import Windows


@dataclass
class Row:
    """One contender's figures."""

    name: str
    requests: int
    failed: int
    per_10000: float
    causes: dict[str, int]
    manners: dict[str, int]
    reload_seconds: float
    steady_p99_ms: float | None
    reload_p99_ms: float | None

    @property
    def ratio(self) -> float | None:
        if not self.steady_p99_ms or not self.reload_p99_ms:
            return None
        return round(self.reload_p99_ms / self.steady_p99_ms, 2)

    def why(self) -> str:
        """Failures by cause, and by the manners of those who met them."""
        return "; ".join(", ".join(f"{k} {v}" for k, v in d.items()) for d in (self.causes, self.manners) if d)

    def figures(self) -> list[Figure]:
        return [
            Figure(self.name, "failed", self.per_10000, "per 10,000", self.why()),
            Figure(self.name, "requests", self.requests, "1"),
            Figure(self.name, "p99 over the steady state's", self.ratio, "times"),
            Figure(self.name, "a reload", round(self.reload_seconds, 2), "s"),
        ]

    def line(self) -> str:
        ratio = f"{self.ratio:5.2f}" if self.ratio is not None else "    –"
        return (
            f"{self.name:43} {self.per_10000:9.1f} {self.failed:7} of {self.requests:6} {ratio} "
            f"{self.reload_seconds:7.1f}  {self.why()}"
        )


HEAD = f"{'':43} {'per 10000':>9} {'failed':>7}    {'':6} {'p99 ×':>5} {'s each':>7}  causes; manners"


def measure(contender: Contender, reloads: int, rate: float, pause: float) -> Row:
    """So many reloads under load: a third of the users careful, a third careless, a third a connection each."""
    windows = Windows()
    never: dict[str, int] = {}
    with contender.run() as running:
        plan = Plan(f"http://127.0.0.1:{running.port}", seconds=3_600, rate=rate, streams=0, sockets=0)
        with load(plan) as loading:
            time.sleep(pause)  # the steady state that is measured
            for _ in range(reloads):
                try:
                    with windows.roll():
                        running.reload()
                except AssertionError as hung:  # a finding about a peer, and no reason to measure no other
                    never[str(hung).partition("\n")[0]] = 1
                    break
                time.sleep(pause)
            result = loading.stop()
    steady, rolling = windows.p99(result)
    took = sum(ended - began for began, ended in windows.rolling) / max(1, len(windows.rolling))
    per = round(result.failed / max(1, result.requests) * 10_000, 1)
    return Row(
        contender.name,
        result.requests,
        result.failed,
        per,
        {**dict(result.causes), **never},
        dict(result.manners),
        took,
        steady,
        rolling,
    )


def main(arguments: list[str]) -> int:
    """0, whatever was lost: it measures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reload", description=__doc__)
    parser.add_argument("--reloads", type=int, default=5)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds of steady state between two reloads")
    parser.add_argument("--only", default="", help="contenders whose name contains this")
    parser.add_argument("--json", action="store_true", help="JSON lines alone")
    args = parser.parse_args(arguments)
    figures: list[Figure] = []
    if not args.json:
        print(HEAD, flush=True)
    for contender in CONTENDERS:
        if args.only not in contender.name:
            continue
        if contender.needs is not None and program(contender.needs) is None:
            print(f"{contender.name:40} left out: {contender.needs} is not installed", file=sys.stderr)
            continue
        row = measure(contender, args.reloads, args.rate, args.pause)
        if not args.json:
            print(row.line(), flush=True)
        figures += row.figures()
    lines("reload", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
