"""The peers, each in the form that costs it least: started, scaled and asked by its own commands, ended by pid.

They are looked for in a directory of their own ($CLUSTERCTL_PEERS, else /tmp/clusterctl-peers), then on PATH; one
that is missing is named as missing. `make peers` installs those of PyPI, npm and Debian.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks._cluster import alive
from tests.benchmarks._ports import free_range
from tests.benchmarks._readings import command, descendants
from tests.benchmarks._worker import Arrivals

PLACE = Path(os.environ.get("CLUSTERCTL_PEERS") or Path(tempfile.gettempdir(), "clusterctl-peers"))
FROM_PYPI = ("circus", "supervisor", "gunicorn", "uvicorn", "uvicorn-worker", "glances")
FROM_DEBIAN = ("haproxy", "nodejs", "runit", "s6", "htop", "btop")
APP = """
import os, time
def tell(server=None, worker=None):
    fd = os.open({fifo!r}, os.O_WRONLY)
    os.write(fd, b"%d %d\\n" % (time.monotonic_ns(), os.getpid()))
    os.close(fd)
async def app(scope, receive, send):
    pass
"""


def program(name: str) -> str | None:
    """Where a peer's program is; None: it is not installed."""
    return shutil.which(name, path=os.pathsep.join(places()))


def places() -> list[str]:
    return [f"{PLACE}/bin", f"{PLACE}/node_modules/.bin", os.environ.get("PATH", ""), "/usr/sbin"]


def versions() -> dict[str, str]:
    """Of those that are installed, and of the Python that ours runs on."""
    found = {"Python": sys.version.split()[0]}
    for place in sorted(PLACE.glob("lib/python3*/site-packages/*.dist-info")):
        name, _, version = place.name.removesuffix(".dist-info").partition("-")
        if name.replace("_", "-") in FROM_PYPI:
            found[name] = version
    with contextlib.suppress(OSError):
        found["pm2"] = json.loads((PLACE / "node_modules/pm2/package.json").read_text())["version"]
    with contextlib.suppress(OSError):
        asked = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\\n", *FROM_DEBIAN]
        lines = subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
        found |= {name: version for name, _, version in (line.partition(" ") for line in lines) if version}
    return found


def install() -> None:
    """From PyPI and npm, into the directory of their own."""
    if not (PLACE / "bin").exists():
        subprocess.run([sys.executable, "-m", "venv", str(PLACE)], check=True)
    pip = [str(PLACE / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *FROM_PYPI], check=True)
    if npm := shutil.which("npm"):
        subprocess.run([npm, "install", "--silent", "--prefix", str(PLACE), "pm2"], check=True)
    say_missing()


class Peer:
    """One supervisor at work in a directory of its own."""

    name = ""
    needs: Sequence[str] = ()
    most = 1000
    """Workers beyond which it is left out: each is a whole interpreter."""

    def __init__(self, place: Path, heard: Arrivals) -> None:
        self.place = place
        self.heard = heard
        self.root: subprocess.Popen[bytes] | None = None
        self.pids: list[int] = []
        """Of the workers that it began with."""
        # supervisord leaves its workers' output wherever temporary files go.
        self.env = {**os.environ, "TMPDIR": str(place)}
        self.words: Sequence[str] = ()
        """What it was last launched with."""
        self.write()

    @classmethod
    def missing(cls) -> str | None:
        lacking = [name for name in cls.needs if program(name) is None]
        return f"missing here: {', '.join(lacking)}" if lacking else None

    def write(self) -> None:
        """Whatever files it wants before it starts."""

    def start(self, count: int) -> None:
        raise NotImplementedError

    def scale_up(self, count: int) -> None:
        """To `count` workers, by its own command."""
        raise NotImplementedError

    def status(self) -> list[str]:
        raise NotImplementedError

    def daemons(self) -> list[int]:
        """Pids of all that is not a worker."""
        assert self.root is not None
        return [self.root.pid]

    def workers(self) -> list[int]:
        return self.pids

    def run(self, *words: str) -> None:
        done = subprocess.run([str(program(words[0])), *words[1:]], env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr[-500:] or done.stdout[-500:]}")

    def restart(self) -> None:
        """After its daemon was killed, as an operator would."""
        assert self.root is not None
        self.root.wait()
        self.launch(*self.words)

    def launch(self, *words: str) -> None:
        self.words = words
        with open(self.place / "daemon.log", "ab") as log:
            self.root = subprocess.Popen(
                [str(program(words[0])), *words[1:]],
                env=self.env,
                cwd=self.place,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def end(self) -> None:
        if self.root is None:
            return
        everyone = [self.root.pid, *descendants(self.root.pid)]
        self.root.send_signal(signal.SIGKILL)
        self.root.wait()
        kill(everyone)


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


class Pm2(Peer):
    name = "pm2"
    needs = ("pm2", "node")

    def write(self) -> None:
        self.env["PM2_HOME"] = str(self.place / "home")

    def start(self, count: int) -> None:
        app: dict[str, object] = {
            "name": "b",
            "script": self.heard.program,
            "args": self.heard.path,
            "interpreter": "none",
        }
        app |= {"exec_mode": "fork", "instances": str(count), "autorestart": True}
        (self.place / "eco.json").write_text(json.dumps({"apps": [app] if count else []}))
        self.run("pm2", "start" if count else "ping", *([str(self.place / "eco.json")] if count else []))

    def restart(self) -> None:
        self.run("pm2", "resurrect")

    def scale_up(self, count: int) -> None:
        self.run("pm2", "scale", "b", str(count))

    def status(self) -> list[str]:
        return [str(program("pm2")), "jlist"]

    def daemons(self) -> list[int]:
        return [int((self.place / "home" / "pm2.pid").read_text())]

    def end(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = self.daemons()[0]
            everyone = [pid, *descendants(pid)]
            kill(everyone)


class Circus(Peer):
    name = "circus"
    needs = ("circusd", "circusctl")
    statistics = False

    def write(self) -> None:
        first = free_range(3)
        self.endpoint = f"tcp://127.0.0.1:{first}"
        self.ports = first

    def start(self, count: int) -> None:
        watcher = f"[watcher:b]\ncmd = {self.heard.program} {self.heard.path}\nwarmup_delay = 0\n"
        (self.place / "circus.ini").write_text(
            f"[circus]\nendpoint = {self.endpoint}\npubsub_endpoint = tcp://127.0.0.1:{self.ports + 1}\n"
            f"stats_endpoint = tcp://127.0.0.1:{self.ports + 2}\nstatsd = {self.statistics}\ncheck_delay = 1\n"
            + (f"{watcher}numprocesses = {count}\n" if count else "")
        )
        self.launch("circusd", str(self.place / "circus.ini"))

    def scale_up(self, count: int) -> None:
        self.run("circusctl", "--endpoint", self.endpoint, "set", "b", "numprocesses", str(count))

    def status(self) -> list[str]:
        return [str(program("circusctl")), "--endpoint", self.endpoint, "status"]

    def daemons(self) -> list[int]:
        assert self.root is not None
        return [self.root.pid]


class CircusWithStats(Circus):
    name = "circus with stats"
    statistics = True

    def daemons(self) -> list[int]:
        assert self.root is not None
        below = descendants(self.root.pid)
        return [self.root.pid, *(pid for pid in below if "stats" in command(pid))]


class Supervisord(Peer):
    name = "supervisord"
    needs = ("supervisord", "supervisorctl")

    def start(self, count: int) -> None:
        worker = f"command={self.heard.program} {self.heard.path}\nprocess_name=%(process_num)d\nstartsecs=0\n"
        more = f"[program:more]\n{worker}numprocs=90\nautostart=false\n" if count == 10 else ""
        (self.place / "s.conf").write_text(
            f"[supervisord]\nnodaemon=true\nminfds=8192\nlogfile={self.place}/s.log\npidfile={self.place}/s.pid\n"
            f"[unix_http_server]\nfile={self.place}/s.sock\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl=unix://{self.place}/s.sock\n"
            + (f"[program:b]\n{worker}numprocs={count}\n" if count else "")
            + more
        )
        self.launch("supervisord", "-c", str(self.place / "s.conf"))

    def scale_up(self, count: int) -> None:
        # A resize would restart all; this starts 90 that were foreseen.
        self.run("supervisorctl", "-c", str(self.place / "s.conf"), "start", "more:*")

    def status(self) -> list[str]:
        return [str(program("supervisorctl")), "-c", str(self.place / "s.conf"), "status"]


class Gunicorn(Peer):
    name = "gunicorn"
    needs = ("gunicorn", "gunicornc")
    most = 500

    def write(self) -> None:
        (self.place / "bench_app.py").write_text(APP.format(fifo=self.heard.path))
        (self.place / "conf.py").write_text("from bench_app import tell\npost_fork = tell\n")
        self.port = free_range(1)

    def start(self, count: int) -> None:
        words = ["-c", "conf.py", "-w", str(max(1, count)), "-b", f"127.0.0.1:{self.port}", "--backlog", "64"]
        self.launch("gunicorn", *words, "--control-socket", str(self.place / "g.sock"), "bench_app:app")

    def scale_up(self, count: int) -> None:
        self.run("gunicornc", "-s", str(self.place / "g.sock"), "-c", f"worker add {count - 10}")

    def status(self) -> list[str]:
        return [str(program("gunicornc")), "-s", str(self.place / "g.sock"), "-c", "show workers"]


class Uvicorn(Peer):
    name = "uvicorn"
    needs = ("uvicorn",)
    most = 100

    def write(self) -> None:
        (self.place / "bench_app.py").write_text(APP.format(fifo=self.heard.path) + "tell()\n")
        self.port = free_range(1)

    def start(self, count: int) -> None:
        self.launch("uvicorn", "--workers", str(max(2, count)), "--port", str(self.port), "bench_app:app")

    def scale_up(self, count: int) -> None:
        assert self.root is not None
        for _ in range(count - 10):
            self.root.send_signal(signal.SIGTTIN)
            time.sleep(0.15)  # two pending signals of one kind are one


class Runit(Peer):
    name = "runit"
    needs: Sequence[str] = ("runsvdir", "sv")

    def add(self, first: int, last: int) -> None:
        for number in range(first, last):
            made = self.place / f"making{number}"
            made.mkdir()
            (made / "run").write_text(f"#!/bin/sh\nexec {self.heard.program} {self.heard.path}\n")
            (made / "run").chmod(0o755)
            made.rename(self.place / "services" / f"w{number}")

    def start(self, count: int) -> None:
        (self.place / "services").mkdir()
        self.add(0, count)
        self.launch("runsvdir", str(self.place / "services"))

    def scale_up(self, count: int) -> None:
        self.add(10, count)

    def status(self) -> list[str]:
        services = sorted(str(path) for path in (self.place / "services").iterdir())
        return [str(program("sv")), "status", *services]

    def daemons(self) -> list[int]:
        assert self.root is not None
        below = descendants(self.root.pid)
        return [self.root.pid, *(pid for pid in below if command(pid).startswith(("runsv", "s6-supervise")))]


class S6(Runit):
    name = "s6"
    needs = ("s6-svscan", "s6-svscanctl", "s6-svstat", "s6-supervise")

    def start(self, count: int) -> None:
        (self.place / "services").mkdir()
        self.add(0, count)
        self.launch("s6-svscan", "-c", "1000", str(self.place / "services"))

    def scale_up(self, count: int) -> None:
        self.add(10, count)
        self.run("s6-svscanctl", "-a", str(self.place / "services"))

    def status(self) -> list[str]:
        # One process for each service is all that it offers.
        loop = 'for one in "$0"/*; do s6-svstat "$one"; done'
        return ["/bin/sh", "-c", loop, str(self.place / "services")]


PEERS: tuple[type[Peer], ...] = (
    Pm2, CircusWithStats, Circus, Supervisord, Gunicorn, Uvicorn, Runit, S6,
)  # fmt: skip


@contextlib.contextmanager
def at_work(kind: type[Peer], place: Path, heard: Arrivals, count: int) -> Iterator[Peer]:
    """The peer with `count` workers begun; all of it ended on the way out."""
    place.mkdir()
    heard.clear()
    peer = kind(place, heard)
    try:
        peer.start(count)
        wanted = count if kind not in (Gunicorn, Uvicorn) else max(count, 1 if kind is Gunicorn else 2)
        peer.pids = [arrival.pid for arrival in heard.wait(wanted, 120)]
        if len(peer.pids) < wanted:
            raise RuntimeError(f"{peer.name} did not start {wanted} workers: {tail(place)}")
        yield peer
    finally:
        peer.end()
        shutil.rmtree(place, ignore_errors=True)


def tail(place: Path) -> str:
    try:
        return (place / "daemon.log").read_text(errors="replace")[-400:]
    except OSError:
        return "it said nothing"


def chosen(only: str | None) -> list[type[Peer]]:
    return [kind for kind in PEERS if only in (None, kind.name)]


def say_missing() -> None:
    for kind in PEERS:
        if why := kind.missing():
            print(f"{kind.name}: {why}", file=sys.stderr)


if __name__ == "__main__":
    install()
