"""Time of GET /v1/snapshot with 1,000 workers and 1,000 backends, as a client on a kept connection sees it.

    .venv/bin/python -m tests.benchmarks.snapshot [--workers 1000]      # about 60 s

`changed`: at random moments, of a revision that nobody has asked for before. `same`: the whole again, at once.
`304`: again, with If-None-Match. Workers are real processes
behind a real HAProxy. No peer has such an answer; `pm2 jlist` and its like are in `status`.
"""

import random
import socket
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from tests.benchmarks._cluster import Cluster, cluster
from tests.benchmarks._ports import free_range
from tests.benchmarks._readings import cpu_ns
from tests.benchmarks._report import Figure, parser, show, spread
from tests.benchmarks._worker import arrivals

POOL = """
[pools.web]
command = ["{program}"]
workers = {count}
ports = "{first}-{last}"
ready = {{ http = "/" }}
traffic = {{ proxy = "lb", upstream = "web" }}
[proxies.lb]
kind = "haproxy"
bind = "127.0.0.1:{front}"
"""


class Kept:
    """One connection that stays open."""

    def __init__(self, path: str) -> None:
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._link.settimeout(30)
        self._link.connect(path)

    def get(self, etag: str = "") -> tuple[int, str, int]:
        """Status, ETag and size of the body of GET /v1/snapshot."""
        condition = f"If-None-Match: {etag}\r\n" if etag else ""
        self._link.sendall(f"GET /v1/snapshot HTTP/1.1\r\nHost: x\r\n{condition}\r\n".encode())
        answer = self._link.recv(1 << 20)
        while b"\r\n\r\n" not in answer:
            answer += self._link.recv(1 << 20)
        head, _, body = answer.partition(b"\r\n\r\n")
        words = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
        size = len(body)
        while size < int(words.get("content-length", 0)):
            size += len(self._link.recv(1 << 20))
        return int(head.split()[1]), words["etag"], size

    def close(self) -> None:
        self._link.close()


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1e3


def measure(here: Cluster, rounds: int) -> list[Figure]:
    link = Kept(str(here.socket))
    _, etag, size = link.get()
    changed: list[float] = []
    same: list[float] = []
    unchanged: list[float] = []
    used: list[float] = []
    while len(changed) < rounds:
        # At a moment that has nothing to do with the engine's own second.
        time.sleep(random.uniform(0.7, 1.7))
        before, cpu, begun = etag, cpu_ns([here.engine]), time.perf_counter()
        _, etag, _ = link.get()
        took = (time.perf_counter() - begun) * 1e3
        cpu = cpu_ns([here.engine]) - cpu
        if etag != before:
            used.append(cpu / 1e6)
            changed.append(took)
            same.append(timed(link.get))
            unchanged.append(timed(partial(link.get, etag)))
    link.close()
    who = "clusterctl"
    return [
        *spread(who, "changed", changed, "ms"),
        Figure(who, "changed, engine's CPU", median(used), "ms"),
        *spread(who, "same", same, "ms"),
        *spread(who, "304", unchanged, "ms"),
        Figure(who, "size", size / 1024, "KiB"),
    ]


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--workers", type=int, default=1000)
    made.add_argument("--rounds", type=int, default=30)
    options = made.parse_args()
    first = free_range(options.workers + 11)
    with arrivals() as heard:
        pool = POOL.format(
            program=heard.program, count=options.workers, first=first, last=first + options.workers + 9,
            front=first + options.workers + 10,
        )  # fmt: skip
        with cluster(pool) as here:
            here.settle(240)
            before, begun = cpu_ns(here.own), time.monotonic()
            time.sleep(5)
            load = (cpu_ns(here.own) - before) / (time.monotonic() - begun) / 1e7
            figures = [*measure(here, options.rounds), Figure("clusterctl", "CPU unasked", load, "%")]
    show("snapshot", figures, "changed <= 5 ms, 304 <= 1 ms", options.json)


if __name__ == "__main__":
    main()
