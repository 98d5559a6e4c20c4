"""A HAProxy with 1,000 servers, read once a second: what that costs the engine.

    .venv/bin/python -m tests.benchmarks.haproxy [--servers 1000]      # about 90 s

`engine`: the whole engine attached to it, less the same engine without a proxy. `reading`: one observation by the
adapter alone, again and again in one process. `csv`: the `csv` module over the same answer to `show stat`, a row as
a dictionary, which is what hatop and its like do before they look at anything (hatop itself needs Python 2).
`quiet`: nothing changed since the reading before; `moved`: every server counted requests in between.
"""

import asyncio
import contextlib
import csv
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from supervisor.model.spec import ProxySpec
from supervisor.proxies.embedded import find_binary
from supervisor.proxies.haproxy import HAProxy
from tests.benchmarks._cluster import cluster, until
from tests.benchmarks._ports import free_range
from tests.benchmarks._readings import cpu_ns
from tests.benchmarks._report import Figure, parser, show

CONFIG = """
global
    stats socket {place}/s level admin
    log stderr local0 emerg
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend f
    bind 127.0.0.1:{port}
    default_backend web
backend web
    balance roundrobin
"""


@contextlib.contextmanager
def haproxy(servers: int) -> Iterator[str]:
    """The path of the socket of a running one."""
    place = Path(tempfile.mkdtemp(prefix="clusterctl-bench-"))
    port = free_range(2)
    lines = [f"    server s{number} 127.0.0.1:{port + 1}" for number in range(servers)]
    (place / "c").write_text(CONFIG.format(place=place, port=port) + "\n".join(lines) + "\n")
    running = subprocess.Popen([find_binary(), "-db", "-f", str(place / "c")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: (place / "s").exists(), 20, "HAProxy's socket")
        yield str(place / "s")
    finally:
        running.kill()
        running.wait()
        shutil.rmtree(place)


def stat_of(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path)
        link.sendall(b"show stat\n")
        answer = bytearray()
        while piece := link.recv(1 << 16):
            answer += piece
    return answer.decode()


def cpu_of(rounds: int, before_each: object, act: object) -> float:
    """Milliseconds of CPU; 50 ms apart, as real readings come after other work."""
    assert callable(before_each)
    assert callable(act)
    used = 0.0
    for _ in range(rounds):
        before_each()
        time.sleep(0.05)
        begun = time.process_time()
        act()
        used += time.process_time() - begun
    return used / rounds * 1e3


def readings(path: str, rounds: int) -> list[Figure]:
    proxy = HAProxy(ProxySpec(name="lb", kind="haproxy", socket=path, timeout=30.0), "/nowhere")
    loop = asyncio.new_event_loop()

    def read() -> None:
        loop.run_until_complete(proxy.observe())

    def move() -> None:
        # As if each server had counted: what was remembered of it no longer fits.
        for key, (row, seat, backend) in proxy._memo.items():
            proxy._memo[key] = (("", *row[1:]), seat, backend)

    text = re.sub(r"^# ", "", stat_of(path))
    read()
    figures = [
        Figure("reading", "quiet", cpu_of(rounds, lambda: None, read), "ms"),
        Figure("reading", "moved", cpu_of(rounds, move, read), "ms"),
        Figure("csv", "quiet", cpu_of(rounds, lambda: None, lambda: list(csv.DictReader(text.splitlines()))), "ms"),
    ]
    loop.close()
    return figures


def engine(path: str | None, seconds: float) -> float:
    """CPU in % of a core of engine and keeper, watching this proxy or none."""
    proxy = f'[proxies.lb]\nkind = "haproxy"\nsocket = "{path}"\n' if path else ""
    with cluster(f'[pools.jobs]\ncommand = ["sleep", "100000"]\nworkers = 1\n{proxy}') as here:
        until(lambda: all(p["reachable"] for p in here.snapshot()["proxies"]), 20, "the proxy seen")
        time.sleep(4)
        cpu, begun = cpu_ns(here.own), time.monotonic()
        time.sleep(seconds)
        return (cpu_ns(here.own) - cpu) / (time.monotonic() - begun) / 1e7


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--servers", type=int, default=1000)
    made.add_argument("--seconds", type=float, default=15.0)
    options = made.parse_args()
    try:
        with haproxy(options.servers) as path:
            figures = readings(path, 30)
            with_it, without = engine(path, options.seconds), engine(None, options.seconds)
    except (OSError, RuntimeError) as error:
        sys.exit(f"no HAProxy to read: {error}")
    figures += [
        Figure("engine", "share", with_it - without, "% of a core"),
        Figure("engine", "with history", with_it, "% of a core"),
    ]
    show("haproxy", figures, "polled at 1 Hz <= 1.5 % of a core", options.json)


if __name__ == "__main__":
    main()
