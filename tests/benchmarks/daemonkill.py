"""SIGKILL of the daemon under load, and its restart: what of the workers, their requests and their output survives.

    .venv/bin/python -m tests.benchmarks.daemonkill [--only clusterctl]       # about 2 minutes

Each program runs three workers that answer HTTP and print a line for each request; a client asks all the time. Its
daemon is killed (ours once the engine alone, which the keeper starts again, and once as a whole), half a second
later it is started again by its own command, and then one worker of before is killed.

`survived`: workers that lived when the daemon was started again. `failed requests`: but those to the worker that we
killed. `lost lines`: requests that were answered and whose line is in no file afterwards. `at once`: most workers
that lived at one time in the seconds after the restart. `starts`: of workers, the one that we killed asks for one.
`managed again`: seconds from the daemon's end until a new process answered in that one's place; - : not within 5 s.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks._cluster import alive, cluster
from tests.benchmarks._peers import Gunicorn, Peer, Pm2, Uvicorn, at_work, chosen
from tests.benchmarks._ports import free_range
from tests.benchmarks._report import Figure, parser, show
from tests.benchmarks._worker import Arrivals

WORKERS = 3
PAUSE = 0.005
"""Seconds between two requests."""
PATIENCE = 5.0
SETTLE = 2.0
"""Seconds after the restart in which a second start of what runs already would show."""
DOWN = 0.5
"""Seconds from the daemon's end to its restart, where that takes a command."""
APP = """#!{python} -SE
import os, socket, sys, time
end = socket.socket()
end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for port in range({first}, {first} + 9):
    try:
        end.bind(("127.0.0.1", port))
        break
    except OSError:
        continue
end.listen(64)
with open(sys.argv[1], "wb", buffering=0) as told:
    told.write(b"%d %d\\n" % (time.monotonic_ns(), os.getpid()))
number = 0
while True:
    asked, _ = end.accept()
    asked.recv(4096)
    number += 1
    said = f"line {{os.getpid()}}:{{number}}."
    print(said, flush=True)
    asked.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + said.encode())
    asked.close()
"""
TELL = """
import os, time
number = 0
def said():
    global number
    number += 1
    text = f"line {{os.getpid()}}:{{number}}."
    print(text, flush=True)
    return text.encode()
def tell(server=None, worker=None):
    with open({fifo!r}, "wb", buffering=0) as told:
        told.write(b"%d %d\\n" % (time.monotonic_ns(), os.getpid()))
"""
WSGI = """
def app(environ, start):
    start("200 OK", [])
    return [said()]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": said()})
tell()
"""


class ServingGunicorn(Gunicorn):
    def write(self) -> None:
        super().write()
        (self.place / "bench_app.py").write_text(TELL.format(fifo=self.heard.path) + WSGI)


class ServingUvicorn(Uvicorn):
    def write(self) -> None:
        super().write()
        (self.place / "bench_app.py").write_text(TELL.format(fifo=self.heard.path) + ASGI)


SERVING: dict[type[Peer], type[Peer]] = {Gunicorn: ServingGunicorn, Uvicorn: ServingUvicorn}


class Answer(NamedTuple):
    at: float
    port: int
    pid: int
    """0: it failed."""
    line: str


class Client(threading.Thread):
    """Asks the ports one after the other, a new connection each time, until it is told to stop."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__(daemon=True)
        self.ports = ports
        self.answers: list[Answer] = []
        self._go_on = True

    def run(self) -> None:
        while self._go_on:
            for port in self.ports:
                began = time.monotonic()
                found = re.search(r"line (\d+):\d+\.", ask(port))
                self.answers.append(Answer(began, port, int(found[1]) if found else 0, found[0] if found else ""))
                time.sleep(PAUSE)

    def stop(self) -> None:
        self._go_on = False
        self.join()


def ask(port: int) -> str:
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as link:
        link.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while piece := link.recv(4096):
            answer += piece
    return answer.decode("utf-8", "replace")


class Ordeal:
    """One program with its workers, its daemon's end and what followed."""

    def __init__(self, who: str, heard: Arrivals, place: Path, ports: list[int], pids: list[int]) -> None:
        self.who = who
        self.heard = heard
        self.place = place
        self.pids = pids
        self.client = Client(ports)

    def go(self, daemons: list[int], restart: Callable[[], None]) -> list[Figure]:
        self.client.start()
        time.sleep(1.0)
        killed_at = time.monotonic()
        for pid in daemons:
            os.kill(pid, signal.SIGKILL)
        time.sleep(DOWN)
        survivors = [pid for pid in self.pids if alive(pid)]
        restart()
        victim = next((one for one in reversed(self.client.answers) if one.pid in survivors), None)
        if victim:
            os.kill(victim.pid, signal.SIGKILL)
        kill_at = time.monotonic()
        at_once, starts = self.watch(victim)
        self.client.stop()
        again = self.replaced(killed_at, victim)
        shared = len(set(self.client.ports)) == 1
        missed = [one for one in self.client.answers if not one.pid and one.at >= killed_at]
        own = [
            one for one in missed if victim and not shared and one.port == victim.port and one.at > kill_at - 0.1
        ]
        return [
            Figure(self.who, "survived", len(survivors), "of 3"),
            Figure(self.who, "failed requests", len(missed) - len(own), "1"),
            Figure(self.who, "lost lines", self.lost(), "1"),
            Figure(self.who, "at once", at_once, "1"),
            Figure(self.who, "starts", starts, "1"),
            Figure(self.who, "managed again", again and again.at - killed_at, "s"),
        ]

    def watch(self, victim: Answer | None) -> tuple[int, int]:
        """Until a new one answers in the victim's place, or for so long; the most at once, and how many began."""
        old, at_once, began = len(self.pids), 0, time.monotonic()
        while (passed := time.monotonic() - began) < PATIENCE:
            self.pids += [arrival.pid for arrival in self.heard.wait(1, 0.1)]
            at_once = max(at_once, sum(map(alive, self.pids)))
            if passed > SETTLE and self.replaced(began, victim):
                break
        return at_once, len(self.pids) - old

    def replaced(self, since: float, victim: Answer | None) -> Answer | None:
        """The first answer of a process that was not there before, where the killed one answered."""
        old = self.pids[:WORKERS]
        for one in list(self.client.answers):
            in_place = one.at >= since and (victim is None or one.port == victim.port)
            if in_place and one.pid and one.pid not in old:
                return one
        return None

    def lost(self) -> int:
        """Answered requests whose line is in none of the program's files."""
        written: set[str] = set()
        for path in self.place.rglob("*"):
            if path.is_file():
                written |= set(re.findall(r"line \d+:\d+\.", path.read_text(errors="replace")))
        return sum(one.pid > 0 and one.line not in written for one in self.client.answers)


def ours(heard: Arrivals, first: int, both: bool) -> list[Figure]:
    pool = f'[pools.jobs]\ncommand = ["{heard.program}", "{heard.path}"]\nworkers = {WORKERS}\n'
    with cluster(pool) as here:
        pids = [arrival.pid for arrival in heard.wait(WORKERS, 20)]
        who = "clusterctl, as a whole" if both else "clusterctl, engine"
        ordeal = Ordeal(who, heard, here.state, list(range(first, first + WORKERS)), pids)
        daemons = [here.keeper, here.engine] if both else [here.engine]

        def restart() -> None:
            if both:
                here.verb("up", "--detach")
                here.keeper = here.snapshot()["engine"]["keeper_pid"]

        return ordeal.go(daemons, restart)


def theirs(kind: type[Peer], place: Path, heard: Arrivals, first: int) -> list[Figure]:
    with at_work(SERVING.get(kind, kind), place, heard, WORKERS) as peer:
        ports = [peer.port] * WORKERS if isinstance(peer, Gunicorn | Uvicorn) else range(first, first + WORKERS)
        if isinstance(peer, Pm2):
            peer.run("pm2", "save")
        # The one that an operator starts; what it has below itself is its own affair.
        daemons = peer.daemons()[:1]
        return Ordeal(kind.name, heard, place, list(ports), peer.pids).go(daemons, peer.restart)


@contextlib.contextmanager
def serving(place: Path) -> Iterator[tuple[Arrivals, int]]:
    """The worker as a program, and the first of its ports; whatever is left of it is ended."""
    first = free_range(9)
    program = place / "app"
    program.write_text(APP.format(python=sys.executable, first=first))
    program.chmod(0o755)
    heard = Arrivals(str(program), str(place / "arrivals"))
    try:
        yield heard, first
    finally:
        heard.close()
        end_all(str(place))


def end_all(place: str) -> None:
    """Workers that their supervisor forgot: they bear this place in their command, or stand in it."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{name}/cmdline").read_bytes().decode("utf-8", "replace")
            if int(name) != os.getpid() and (
                place in command or os.readlink(f"/proc/{name}/cwd").startswith(place)
            ):
                os.kill(int(name), signal.SIGKILL)


def measured(who: str, take: Callable[[Arrivals, Path, int], list[Figure]]) -> list[Figure]:
    place = Path(tempfile.mkdtemp(prefix="clusterctl-bench-"))
    try:
        with serving(place) as (heard, first):
            return take(heard, place / "peer", first)
    except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"{who}: {error}", file=sys.stderr)
        return [Figure(who, "survived", None, "of 3", "could not be measured")]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    options = parser(__doc__).parse_args()
    figures: list[Figure] = []
    if options.only in (None, "clusterctl"):
        for both in (False, True):
            figures += measured("clusterctl", lambda heard, _, first, both=both: ours(heard, first, both))  # type: ignore[misc]
    for kind in chosen(options.only):
        if kind.name == "circus with stats":
            continue
        if why := kind.missing():
            figures.append(Figure(kind.name, "survived", None, "of 3", why))
            continue
        figures += measured(kind.name, lambda heard, place, first, kind=kind: theirs(kind, place, heard, first))  # type: ignore[misc]
    show("daemonkill", figures, "all survive, nothing is lost, none is started twice", options.json)


if __name__ == "__main__":
    main()
