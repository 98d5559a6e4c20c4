"""No request lost, measured: `python -m tests.whole.rollouts [--long]` rolls, scales and breaks under load.

Prints one line a stage: requests, failures, p99 in the steady state and during rollouts, and their ratio. Exit 1
when anything failed. The short form takes minutes, `--long` plays 20 restarts of each stage and 50 operations.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass

from tests.load.tally import Result
from tests.whole.balancer import VERSIONS
from tests.whole.rolling import Stage, Windows, load_plan, random_operations, rolling_restarts, staged

RATIO = 2.0
"""p99 during a rollout may be so many times the steady one."""


@dataclass
class Score:
    """What one stage gave."""

    stage: str
    what: str
    requests: int
    failed: int
    steady_p99_ms: float | None
    rolling_p99_ms: float | None
    seconds: float
    rate: float
    said: str

    @property
    def ratio(self) -> float | None:
        if not self.steady_p99_ms or not self.rolling_p99_ms:
            return None
        return round(self.rolling_p99_ms / self.steady_p99_ms, 2)

    def line(self) -> str:
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else "–"
        times = (
            f"p99 steady {self.steady_p99_ms or 0:6.1f} ms, rolling {self.rolling_p99_ms or 0:6.1f} ms, × {ratio}"
        )
        return (
            f"{self.stage:32} {self.what:22} {self.failed:4} of {self.requests:6}  {times}  {self.seconds:5.0f} s"
        )


def score(stage: Stage, what: str, result: Result, windows: Windows, began: float) -> Score:
    steady, rolling = windows.p99(result)
    said = "" if not result.failed else result.summary()
    took = time.monotonic() - began
    return Score(stage.name, what, result.requests, result.failed, steady, rolling, took, result.rate, said)


def behind_proxies(cookies: tuple[bool, ...], surges: tuple[int, ...]) -> list[Stage]:
    proxies = [*VERSIONS, "embedded"]
    return [Stage(proxy, surge, cookie) for cookie in cookies for proxy in proxies for surge in surges]


def on_shared_sockets() -> list[Stage]:
    bare = [Stage("none", 1, shared=program) for program in ("python", "uvicorn", "node")]
    return [*bare, *(Stage("embedded", 1, shared=program) for program in ("python", "node"))]


def roll(stage: Stage, restarts: int, rate: float, steady: float, **more: object) -> Score:
    began = time.monotonic()
    with staged(stage) as made:
        plan = load_plan(made, stage, rate=rate, **more)
        result, windows = rolling_restarts(made, plan, restarts, steady)
    return score(stage, f"{restarts} restarts", result, windows, began)


def operate(stage: Stage, count: int, seed: int, rate: float) -> Score:
    began = time.monotonic()
    with staged(stage) as made:
        result, done = random_operations(made, load_plan(made, stage, rate=rate), count, seed)
    found = score(stage, f"{count} operations", result, Windows(), began)
    if result.failed:
        found.said += f"\n  seed {seed}: {', '.join(done)}"
    return found


def show(found: Score, as_json: bool) -> None:
    print(json.dumps({**vars(found), "ratio": found.ratio}) if as_json else found.line(), flush=True)
    if found.said and not as_json:
        print(found.said, flush=True)


def main(arguments: list[str]) -> int:
    """0: nothing was lost and every ratio held; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.whole.rollouts", description=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="", help="stages whose name contains this")
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second")
    parser.add_argument("--restarts", type=int)
    parser.add_argument("--operations", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(arguments)
    restarts = args.restarts if args.restarts is not None else (20 if args.long else 2)
    operations = args.operations if args.operations is not None else (50 if args.long else 8)
    steady = 10.0 if args.long else 3.0
    stages = [*behind_proxies((False, True), (0, 1)), *on_shared_sockets()]
    scores: list[Score] = []
    for stage in stages:
        if args.only in stage.name:
            scores.append(roll(stage, restarts, args.rate, steady))
            show(scores[-1], args.json)
    for number, stage in enumerate(behind_proxies((False,), (0, 1))):
        if args.only in stage.name and operations:
            scores.append(operate(stage, operations, args.seed + number, args.rate))
            show(scores[-1], args.json)
    failed, requests = sum(s.failed for s in scores), sum(s.requests for s in scores)
    high = [s.stage for s in scores if s.ratio is not None and s.ratio > RATIO]
    print(f"{failed} failed of {requests}; p99 over {RATIO:g} times the steady one: {', '.join(high) or 'nowhere'}")
    return 1 if failed or high else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
