"""Two hundred workers that crash at once, again and again: what that costs, and how the API answers meanwhile.

    .venv/bin/python -m tests.benchmarks.crashloop [--only clusterctl] [--seconds 45]      # about 2 minutes

Each worker ends at once with exit code 1. Every program restarts by its own default policy, so that `starts` says
how much each did: clusterctl backs off from 0.5 s, doubling to 30 s; pm2 gives a worker up after 16 quick ends.
Processor time is the daemon's alone; a peer's includes its own start, for its crash loops begin with it.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.benchmarks._cluster import Cluster, cluster
from tests.benchmarks._peers import Peer, Pm2, Supervisord
from tests.benchmarks._readings import cpu_ns
from tests.benchmarks._report import Figure, parser, show
from tests.benchmarks._worker import Arrivals, arrivals

WORKERS = 200
ASKED = 0.2
"""Seconds between two questions to the API: each costs the engine about a millisecond."""


def ours(heard: Arrivals, seconds: float) -> list[Figure]:
    argv = f'["{heard.program}", "{heard.path}", "crash"]'
    pool = f'[pools.bad]\ncommand = {argv}\nworkers = 1\nrestart = {{ give_up = "1000 in 60s" }}\n'
    with cluster(pool) as here:
        time.sleep(2)
        heard.clear()
        cpu, begun = cpu_ns(here.own), time.monotonic()
        here.verb("scale", f"bad={WORKERS}", "--no-wait", "--yes")
        answers, first, starts = asked(here, heard, begun, seconds)
        share = (cpu_ns(here.own) - cpu) / (time.monotonic() - begun) / 1e7
    who = "clusterctl"
    return [
        Figure(who, "CPU", share, "% of a core"),
        Figure(who, "starts", starts, "1"),
        Figure(who, "CPU, first 5 s", first, "% of a core"),
        Figure(who, "API, median", median(answers), "ms"),
        Figure(who, "API, 99th", sorted(answers)[int(len(answers) * 0.99)], "ms"),
        Figure(who, "API, worst", max(answers), "ms"),
    ]


def asked(here: Cluster, heard: Arrivals, begun: float, seconds: float) -> tuple[list[float], float, int]:
    """Milliseconds of each answer, the share of a core in the first five seconds, and how many workers began."""
    answers: list[float] = []
    first, starts, before = 0.0, 0, cpu_ns(here.own)
    while (now := time.monotonic()) - begun < seconds:
        here.get("/v1/operations")
        answers.append((time.monotonic() - now) * 1e3)
        starts += len(heard.wait(100_000, ASKED))
        if not first and now - begun >= 5:
            first = (cpu_ns(here.own) - before) / (now - begun) / 1e7
    return answers, first, starts


def theirs(kind: type[Peer], place: Path, heard: Arrivals, seconds: float) -> list[Figure]:
    heard.clear()
    place.mkdir()
    peer = kind(place, Crashing(heard))
    try:
        begun = time.monotonic()
        peer.start(WORKERS)
        starts = len(heard.wait(100_000, begun + seconds - time.monotonic()))
        share = cpu_ns(peer.daemons()) / (time.monotonic() - begun) / 1e7
    finally:
        peer.end()
    return [Figure(kind.name, "CPU", share, "% of a core"), Figure(kind.name, "starts", starts, "1")]


class Crashing(Arrivals):
    """The same worker, told to crash."""

    def __init__(self, heard: Arrivals) -> None:
        self.program, self.path = heard.program, f"{heard.path} crash"


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--seconds", type=float, default=45.0)
    options = made.parse_args()
    figures: list[Figure] = []
    with arrivals() as heard, tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        if options.only in (None, "clusterctl"):
            figures += ours(heard, options.seconds)
        peers: tuple[type[Peer], ...] = (Pm2, Supervisord)
        for kind in (kind for kind in peers if options.only in (None, kind.name)):
            if why := kind.missing():
                figures.append(Figure(kind.name, "CPU", None, "% of a core", why))
                continue
            try:
                figures += theirs(kind, Path(place) / kind.name, heard, min(20.0, options.seconds))
            except (RuntimeError, OSError, ValueError) as error:
                print(f"{kind.name}: {error}", file=sys.stderr)
    show("crashloop", figures, "CPU <= 10 %, API within 20 ms throughout", options.json)


if __name__ == "__main__":
    main()
