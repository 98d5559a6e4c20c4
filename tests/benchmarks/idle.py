"""What the daemon costs while its workers do nothing: processor, wake-ups and memory.

    .venv/bin/python -m tests.benchmarks.idle [--only clusterctl] [--counts 0 10 100 500 1000]     # about 6 minutes

clusterctl samples every worker once a second, descendants and open files included, and so does circus with its
statistics; the others sample when asked, or never. Everything that is not a worker counts: keeper and engine, pm2's
daemon, runit's and s6's process for each service. Workers are a static C program that sleeps.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.benchmarks._cluster import cluster
from tests.benchmarks._peers import at_work, chosen
from tests.benchmarks._readings import cpu_ns, pss_mib, wakeups
from tests.benchmarks._report import Figure, parser, show
from tests.benchmarks._worker import Arrivals, arrivals

SETTLE = 2.0


def cost(who: str, count: int, pids: Callable[[], Iterable[int]], seconds: float) -> list[Figure]:
    """Over so many seconds in which nothing is asked."""
    time.sleep(SETTLE)
    mine = list(pids())
    cpu, woken, begun = cpu_ns(mine), wakeups(mine), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begun
    return [
        Figure(who, f"CPU, {count} workers", (cpu_ns(mine) - cpu) / took / 1e7, "% of a core"),
        Figure(who, f"woken, {count} workers", (wakeups(mine) - woken) / took, "1/s"),
        Figure(who, f"PSS, {count} workers", pss_mib(mine), "MiB"),
    ]


def ours(heard: Arrivals, count: int, seconds: float) -> list[Figure]:
    pool = f'[pools.jobs]\ncommand = ["{heard.program}"]\nworkers = {max(1, count)}\n'
    with cluster(pool) as here:
        here.settle()
        if count == 0:
            here.scale("jobs", 0)
        return cost("clusterctl", count, lambda: here.own, seconds)


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--counts", type=int, nargs="*", default=[0, 100, 500])
    made.add_argument("--grown", type=int, nargs="*", default=[10, 1000], help="of clusterctl alone")
    made.add_argument("--seconds", type=float, default=6.0)
    options = made.parse_args()
    figures: list[Figure] = []
    with arrivals() as heard, tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        if options.only in (None, "clusterctl"):
            for count in sorted({*options.counts, *options.grown}):
                figures += ours(heard, count, options.seconds)
        for kind in chosen(options.only):
            if why := kind.missing():
                figures.append(Figure(kind.name, f"CPU, {options.counts[0]} workers", None, "% of a core", why))
                continue
            for count in (count for count in options.counts if count <= kind.most):
                try:
                    with at_work(kind, Path(place) / "peer", heard, count) as peer:
                        figures += cost(kind.name, count, peer.daemons, options.seconds)
                except (RuntimeError, OSError, ValueError) as error:
                    print(f"{kind.name}, {count} workers: {error}", file=sys.stderr)
    show("idle", figures, "CPU 100: 0.8, 500: 3; PSS 0: 40, 100: 42, 500: 48", options.json)


if __name__ == "__main__":
    main()
