"""From SIGKILL of a worker to its replacement: the time until the first line of the new one's main.

    .venv/bin/python -m tests.benchmarks.respawn [--only clusterctl] [--kills 25]       # about 2 minutes

Each kill hits another worker, 0.2 s after the one before, so that nobody's back-off is measured. Workers are a
static C program; gunicorn's tell of their fork, uvicorn's of the import of their application. `floor` is a Python
parent that does nothing but reap and posix_spawn: less is not to be had in this language on this machine today.
"""

import contextlib
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks._cluster import cluster
from tests.benchmarks._peers import at_work, chosen
from tests.benchmarks._report import Figure, parser, show, spread
from tests.benchmarks._worker import Arrivals, arrivals

WORKERS = 30
GROWN = (100, 500, 1000)
"""Workers among which one is killed, of clusterctl alone, to show how that grows."""
PAUSE = 0.2
FEW, SLOW = 8, 100.0
"""So many kills are enough of one that takes more than 100 ms."""


def killed(heard: Arrivals, pids: list[int], kills: int, patience: float = 5.0) -> list[float]:
    """Milliseconds from each kill to the arrival of a new worker."""
    took = []
    for pid in pids[:kills]:
        heard.clear()
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        if came := heard.wait(1, patience):
            took.append((came[0].at - begun) * 1e3)
        if len(took) >= FEW and min(took) > SLOW:
            break
        time.sleep(PAUSE)
    return took


def ours(heard: Arrivals, kills: int, workers: int = WORKERS) -> list[float]:
    pool = f'[pools.jobs]\ncommand = ["{heard.program}", "{heard.path}"]\nworkers = {workers}\n'
    with cluster(pool) as here:
        here.settle()
        heard.clear()
        time.sleep(2)
        return killed(heard, [row["pid"] for row in here.snapshot()["pools"][0]["workers"]], kills)


@contextlib.contextmanager
def bare_parent(heard: Arrivals) -> Iterator[None]:
    """Keeps one worker: a reaped child is another one spawned."""
    parent = os.fork()
    if parent == 0:
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write)
        os.posix_spawn(heard.program, heard.argv, {})
        while True:
            select.select([read], [], [])
            os.read(read, 64)
            while os.waitpid(-1, os.WNOHANG)[0]:
                os.posix_spawn(heard.program, heard.argv, {})
    try:
        yield
    finally:
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)


def floor(heard: Arrivals, kills: int) -> list[float]:
    took = []
    heard.clear()
    with bare_parent(heard):
        pid = heard.wait(1, 5)[0].pid
        for _ in range(kills):
            time.sleep(PAUSE)
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            came = heard.wait(1, 5)[0]
            pid = came.pid
            took.append((came.at - begun) * 1e3)
    os.kill(pid, signal.SIGKILL)
    return took


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--kills", type=int, default=25)
    options = made.parse_args()
    figures: list[Figure] = []
    with arrivals() as heard, tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        own: dict[str, Callable[[Arrivals, int], list[float]]] = {"floor": floor, "clusterctl": ours}
        for name, take in own.items():
            if options.only in (None, name):
                figures += spread(name, "respawn", take(heard, options.kills), "ms")
        if options.only in (None, "clusterctl"):
            for count in GROWN:
                took = ours(heard, options.kills, count)
                figures.append(Figure("clusterctl", f"of {count} workers, median", median(took), "ms"))
        for kind in chosen(options.only):
            if why := kind.missing():
                figures.append(Figure(kind.name, "respawn, median", None, "ms", why))
                continue
            try:
                kills = min(options.kills, kind.most // 10)
                with at_work(kind, Path(place) / "peer", heard, 10 if kind.most == 100 else WORKERS) as peer:
                    time.sleep(2)
                    pids = [pid for pid in peer.workers() if pid not in peer.daemons()]
                    figures += spread(kind.name, "respawn", killed(heard, pids, kills), "ms")
            except (RuntimeError, OSError, ValueError) as error:
                print(f"{kind.name}: {error}", file=sys.stderr)
                figures.append(Figure(kind.name, "respawn, median", None, "ms", "could not be measured"))
    show("respawn", figures, "median <= 2 ms", options.json)


if __name__ == "__main__":
    main()
