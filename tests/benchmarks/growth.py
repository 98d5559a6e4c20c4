"""Memory of engine and keeper over random operations: a line through the last 40 minutes, and its slope.

    .venv/bin/python -m tests.benchmarks.growth --minutes 100       # the real one
    .venv/bin/python -m tests.benchmarks.growth                     # 2 minutes, ten times as many a minute

One operation a second (ten in the short form): scaling, restarts, kills, stops and starts, readings, streams that
are cut off. The engine keeps an hour of pictures, so only what comes after the first hour can be called growth; a
run of less than 40 minutes takes its last two thirds. Counted is anonymous memory: the share of the pages of files
(Python and its libraries) changes with every other Python that comes and goes. The slope is told with its standard
error, in which a reading counts for less than one, as it is like the one before it: a heap stays as it is for
minutes. A growth that is smaller than twice that is not seen.
"""

import contextlib
import os
import random
import signal
import socket
import time
from itertools import pairwise
from statistics import linear_regression, mean, median

from tests.benchmarks._cluster import Cluster, cluster
from tests.benchmarks._readings import anonymous_mib
from tests.benchmarks._report import Figure, parser, show

POOLS = """
[pools.a]
command = ["sleep", "100000"]
workers = 5
restart = { give_up = "100000 in 60s", backoff = "0.1s", backoff_max = "1s" }
[pools.b]
command = ["sleep", "100000"]
workers = 3
restart = { give_up = "100000 in 60s", backoff = "0.1s", backoff_max = "1s" }
"""


LINE = 40
"""Minutes that the line goes through."""
STRETCH = 20
"""Minutes, of each of which the median is told."""


def send(here: Cluster, method: str, path: str, body: str) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(here.socket))
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        link.sendall(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())
        while link.recv(1 << 16):
            pass


def one_operation(here: Cluster, dice: random.Random) -> None:
    pool = dice.choice("ab")
    match dice.randrange(7):
        case 0:
            send(here, "PATCH", f"/v1/pools/{pool}", f'{{"desired": {dice.randrange(1, 20)}, "yes": true}}')
        case 1:
            send(here, "POST", f"/v1/workers/{pool}.0/restart", '{"yes": true}')
        case 2:
            pids = [row["pid"] for row in here.snapshot()["pools"][0]["workers"] if row["pid"]]
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(dice.choice(pids), signal.SIGKILL)
        case 3:
            send(here, "PATCH", f"/v1/workers/{pool}.0", '{"stopped": true, "yes": true}')
        case 4:
            send(here, "PATCH", f"/v1/workers/{pool}.0", '{"stopped": false, "yes": true}')
        case 5:
            here.get("/v1/events?after=0")
        case 6:
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(str(here.socket))
                link.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
                link.recv(1024)


def slope(points: list[tuple[float, float]]) -> tuple[float, float]:
    """MiB an hour, and its standard error, for residuals of which each is like the one before it (AR(1))."""
    hours, sizes = [at / 3600 for at, _ in points], [size for _, size in points]
    line = linear_regression(hours, sizes)
    middle = mean(hours)
    spread = sum((hour - middle) ** 2 for hour in hours)
    off = [size - line.slope * hour - line.intercept for hour, size in zip(hours, sizes, strict=True)]
    rest = sum(one * one for one in off)
    alike = max(0.0, sum(one * after for one, after in pairwise(off)) / rest) if rest else 0.0
    return line.slope, (rest / (len(points) - 2) / spread * (1 + alike) / (1 - alike)) ** 0.5


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--minutes", type=float, default=2.0)
    made.add_argument("--seed", type=int, default=1)
    options = made.parse_args()
    pause = 1.0 if options.minutes >= 30 else 0.1
    dice = random.Random(options.seed)
    points: list[tuple[float, float]] = []
    done = 0
    with cluster(POOLS) as here:
        here.settle()
        begun, next_reading = time.monotonic(), 0.0
        while (now := time.monotonic() - begun) < options.minutes * 60:
            one_operation(here, dice)
            done += 1
            if now >= next_reading:
                points.append((now, anonymous_mib(here.own)))
                next_reading = now + min(30.0, options.minutes / 2)
            time.sleep(pause)
    since = 60 * max(options.minutes - LINE, options.minutes / 3)
    grown, error = slope([point for point in points if point[0] >= since])
    figures = [
        Figure("clusterctl", "operations", done, "1"),
        Figure("clusterctl", "begins with", points[0][1], "MiB"),
        *(
            Figure("clusterctl", f"minutes {begin} to {begin + STRETCH}", median(within), "MiB")
            for begin in range(0, int(options.minutes), STRETCH)
            if (within := [size for at, size in points if begin <= at / 60 < begin + STRETCH])
        ),
        Figure("clusterctl", "slope", grown, "MiB/h"),
        Figure("clusterctl", "standard error", error, "MiB/h"),
    ]
    show("growth", figures, f"no slope from minute {since / 60:.0f} to {options.minutes:.0f}", options.json)


if __name__ == "__main__":
    main()
