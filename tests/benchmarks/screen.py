"""What the screen costs, beside htop, btop, glances and pm2 monit where they are installed.

    .venv/bin/python -m tests.benchmarks.screen [--seconds 10]      # about 3 min

Each in a pty of 120×40 that is read as fast as it is written. CPU is of one core, by schedstat, over all threads
and children; `paint` is from the command to the first worker's name; `key` from a key to the first byte, while it
updates. The cluster is simulated behind a real API on a unix socket: every number changes every second. The peers
watch as many idle processes at 1 Hz, and sample them themselves; for clusterctl its engine does that, which is in
`idle`, and for pm2 its daemon, which is not counted here either.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks._peers import kill
from tests.benchmarks._peers import program as found
from tests.benchmarks._readings import cpu_ns, descendants
from tests.benchmarks._report import Figure, parser, show
from tests.benchmarks._terminal import Terminal, terminal

GOALS = "CPU <= 1.5 % (100) / 2.5 % (1000), <= 20 kB/s, key p95 < 20 ms, paint <= 700 ms, RSS < 60 MB"
CLUSTERCTL = str(Path(sys.executable).with_name("clusterctl"))
PEERS: dict[str, tuple[tuple[str, ...], bytes, tuple[bytes, bytes]]] = {
    "htop": (("htop", "-d", "10"), b"q", (b"\x1b[B", b"\x1b[A")),
    "btop": (("btop",), b"q", (b"\x1b[B", b"\x1b[A")),
    "glances": (("glances", "-t", "1"), b"q", (b"1", b"1")),
    "pm2 monit": (("pm2", "monit"), b"\x03", (b"\x1b[B", b"\x1b[A")),
}


@contextlib.contextmanager
def cluster(count: int, every: float = 1.0) -> Iterator[str]:
    """The simulated cluster's socket; it has a new picture each `every` seconds."""
    with tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        path = f"{place}/api.sock"
        process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks._many", path, str(count), str(every)])
        try:
            begun = time.monotonic()
            while not Path(path).exists():
                if process.poll() is not None or time.monotonic() - begun > 20:
                    raise RuntimeError("the simulated cluster did not start")
                time.sleep(0.02)
            yield path
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def processes(count: int) -> Iterator[None]:
    """So many that do nothing, for the peers to watch."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            started.append(subprocess.Popen(["sleep", "3600"]))
        yield
    finally:
        for one in started:
            one.kill()
        for one in started:
            one.wait()


def latencies(there: Terminal, keys: Sequence[bytes], count: int) -> list[float]:
    found: list[float] = []
    for number in range(count):
        took = there.press(keys[number % 20 >= 10])
        if took is not None:
            found.append(took)
        elif number >= 5 and not found:
            break  # it paints nothing for this key
    return sorted(found)


def measured(
    who: str, there: Terminal, keys: Sequence[bytes], count: int, seconds: float, presses: int = 60
) -> list[Figure]:
    there.pump_for(3)
    percent, rate = there.load(seconds)
    taken = latencies(there, keys, presses)
    figures = [
        Figure(who, f"CPU {count}", percent, "%"),
        Figure(who, f"out {count}", rate, "kB/s"),
        Figure(who, f"RSS {count}", there.rss_mb(), "MB"),
    ]
    if taken:
        figures.insert(2, Figure(who, f"key p95 {count}", taken[int(len(taken) * 0.95)], "ms"))
    return figures


def ours(count: int, seconds: float, rounds: int) -> list[Figure]:
    paints, spent = [], []
    with cluster(count) as socket:
        command = (CLUSTERCTL, "top", "--socket", socket)
        for _ in range(rounds):
            with terminal(command) as there:
                paints.append(there.until(b"web.0") * 1e3)
                spent.append(cpu_ns(there.pids) / 1e6)
        with terminal(command) as there:
            there.until(b"web.0")
            # One key in eight falls into a picture: of a few keys, these decide the 95th percentile by chance.
            figures = measured("clusterctl top", there, (b"j", b"k"), count, seconds, presses=200)
    paint = [
        Figure("clusterctl top", f"paint {count}, best", min(paints), "ms"),
        Figure("clusterctl top", f"paint {count}, median", median(paints), "ms"),
        Figure("clusterctl top", f"CPU until then {count}", median(spent), "ms"),
    ]
    return [*figures, *paint]


def peer(name: str, count: int, seconds: float) -> list[Figure]:
    argv, leave, keys = PEERS[name]
    program = found(argv[0])
    if program is None:
        return [Figure(name, f"CPU {count}", None, "%", "not installed")]
    try:
        with home() as env:
            if name == "pm2 monit":  # it watches none but its own
                start = ("start", "/bin/sleep", "--silent", "--interpreter", "none", "-i", str(count), "--", "3600")
                subprocess.run((program, *start), env=os.environ | env, check=True)
            with terminal((program, *argv[1:]), leave, env) as there:
                there.pump_for(4)
                return measured(name, there, keys, count, seconds)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        return [Figure(name, f"CPU {count}", None, "%", str(error)[:100])]


@contextlib.contextmanager
def home() -> Iterator[dict[str, str]]:
    """A home of its own for a peer: btop writes its settings there, and `pm2 monit` leaves a daemon behind."""
    with tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        try:
            yield {"HOME": place, "XDG_CONFIG_HOME": place, "PM2_HOME": f"{place}/pm2"}
        finally:
            with contextlib.suppress(OSError, ValueError):
                daemon = int(Path(place, "pm2", "pm2.pid").read_text())
                kill([daemon, *descendants(daemon)])


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--seconds", type=float, default=10.0)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--counts", type=int, nargs="+", default=[100, 1000])
    options = made.parse_args()
    # Ended from outside, what was started ends too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    figures: list[Figure] = []
    for count in options.counts:
        if options.only in (None, "clusterctl top"):
            figures += ours(count, options.seconds, options.rounds)
        for name in PEERS:
            if options.only in (None, name):
                with processes(0 if name == "pm2 monit" else count):
                    figures += peer(name, count, options.seconds)
    show("screen", figures, GOALS, options.json)


if __name__ == "__main__":
    main()
