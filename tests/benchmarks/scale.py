"""From 10 workers to 100, all of them running, the command included.

    .venv/bin/python -m tests.benchmarks.scale [--only clusterctl] [--rounds 3]      # about 2 minutes

`command`: until the command has ended. `running`: until the last of the 90 has begun its main. The slower of the
two is what an operator waits for. clusterctl's command follows the operation to its end, which says that all serve.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.benchmarks._cluster import cluster
from tests.benchmarks._peers import at_work, chosen
from tests.benchmarks._report import Figure, parser, show
from tests.benchmarks._worker import Arrivals, arrivals

FEW, MANY = 10, 100
SLOW = 3.0
"""Seconds beyond which one round says enough."""


def figures_of(who: str, command: list[float], running: list[float]) -> list[Figure]:
    both = [max(pair) for pair in zip(command, running, strict=True)]
    return [
        Figure(who, "command", median(command), "s"),
        Figure(who, "running", median(running), "s"),
        Figure(who, "both", median(both), "s"),
    ]


def last_arrival(heard: Arrivals, begun: float) -> float:
    came = heard.wait(MANY - FEW, 60)
    if len(came) < MANY - FEW:
        raise RuntimeError(f"within a minute only {len(came)} of {MANY - FEW} began")
    return max(arrival.at for arrival in came) - begun


def ours(heard: Arrivals, rounds: int) -> list[Figure]:
    pool = f'[pools.jobs]\ncommand = ["{heard.program}", "{heard.path}"]\nworkers = {FEW}\n'
    command, running = [], []
    with cluster(pool) as here:
        for _ in range(rounds):
            here.scale("jobs", FEW)
            time.sleep(2)
            heard.clear()
            begun = time.monotonic()
            here.verb("scale", f"jobs={MANY}")
            command.append(time.monotonic() - begun)
            running.append(last_arrival(heard, begun))
    return figures_of("clusterctl", command, running)


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--rounds", type=int, default=3)
    options = made.parse_args()
    figures: list[Figure] = []
    with arrivals() as heard, tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        if options.only in (None, "clusterctl"):
            figures += ours(heard, options.rounds)
        for kind in chosen(options.only):
            if why := kind.missing():
                figures.append(Figure(kind.name, "both", None, "s", why))
                continue
            command, running = [], []
            try:
                for _ in range(options.rounds):
                    with at_work(kind, Path(place) / "peer", heard, FEW) as peer:
                        time.sleep(2)
                        heard.clear()
                        begun = time.monotonic()
                        peer.scale_up(MANY)
                        command.append(time.monotonic() - begun)
                        running.append(last_arrival(heard, begun))
                    if running[-1] > SLOW:
                        break
                figures += figures_of(kind.name, command, running)
            except (RuntimeError, OSError, ValueError) as error:
                print(f"{kind.name}: {error}", file=sys.stderr)
                figures.append(Figure(kind.name, "both", None, "s", "could not be measured"))
    show("scale", figures, "both <= 0.35 s", options.json)


if __name__ == "__main__":
    main()
