"""A status command with 100 workers: the whole process, from its start to its end.

    .venv/bin/python -m tests.benchmarks.status [--only clusterctl] [--rounds 20]      # about 2 minutes

`python` is the bare interpreter, which any command in this language pays.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from tests.benchmarks._cluster import VERB, cluster
from tests.benchmarks._peers import Uvicorn, at_work, chosen
from tests.benchmarks._report import Figure, parser, show
from tests.benchmarks._worker import arrivals

WORKERS = 100
GROWN = (10, 500, 1000)
"""Of clusterctl, too."""


def timed(
    who: str, words: list[str], rounds: int, env: Mapping[str, str] | None = None, grown: int = WORKERS
) -> list[Figure]:
    wall, cpu = [], []
    for _ in range(rounds):
        before, begun = os.times(), time.perf_counter()
        done = subprocess.run(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wall.append((time.perf_counter() - begun) * 1e3)
        after = os.times()
        cpu.append(1e3 * (after[2] + after[3] - before[2] - before[3]))
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stderr[-300:]!r}")
    if grown != WORKERS:
        return [Figure(who, f"with {grown}", median(wall), "ms")]
    return [Figure(who, "whole process", median(wall), "ms"), Figure(who, "CPU", sum(cpu) / len(cpu), "ms")]


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--rounds", type=int, default=20)
    options = made.parse_args()
    figures = timed("python", [sys.executable, "-c", "pass"], options.rounds)
    with arrivals() as heard, tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        if options.only in (None, "clusterctl"):
            pool = f'[pools.jobs]\ncommand = ["{heard.program}"]\nworkers = {GROWN[0]}\n'
            with cluster(pool) as here:
                for count in sorted((*GROWN, WORKERS)):
                    here.scale("jobs", count)
                    words = [*VERB, "status", "-c", str(here.config)]
                    figures += timed("status --json", [*words, "--json"], options.rounds, grown=count)
                    figures += timed("status", words, options.rounds, grown=count)
        for kind in chosen(options.only):
            if why := kind.missing() or ("has no such command" if kind is Uvicorn else None):
                figures.append(Figure(kind.name, "whole process", None, "ms", why))
                continue
            try:
                with at_work(kind, Path(place) / "peer", heard, WORKERS) as peer:
                    time.sleep(3)
                    figures += timed(kind.name, peer.status(), max(3, options.rounds // 3), peer.env)
            except (RuntimeError, OSError, ValueError) as error:
                print(f"{kind.name}: {error}", file=sys.stderr)
                figures.append(Figure(kind.name, "whole process", None, "ms", "could not be measured"))
    show("status", figures, "status --json <= 75 ms", options.json)


if __name__ == "__main__":
    main()
