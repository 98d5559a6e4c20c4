"""Those who reload: each starts two workers behind one port, reloads them, and ends without a trace."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.benchmarks import _peers
from tests.load.apps import asgi
from tests.whole.balancer import balancer
from tests.whole.cluster import alive, port_block, until
from tests.whole.rolling import Stage, staged

ROOT = Path(__file__).parents[3]
APP = f"{asgi.__name__}:app"
NODE_APP = ROOT / "tests" / "load" / "apps" / "server.js"
DEADLINE = 60.0


class Running(NamedTuple):
    """A contender that serves."""

    port: int
    reload: Callable[[], None]


class Contender(NamedTuple):
    """A name, and how to run it; `needs` is a program without which it is left out."""

    name: str
    run: Callable[[], "contextlib.AbstractContextManager[Running]"]
    needs: str | None = None


def program(name: str) -> str | None:
    """A peer's program: beside our own interpreter, where `make peers` put it, or on PATH."""
    here = Path(sys.executable).parent / name
    return str(here) if here.exists() else _peers.program(name)


def needed(name: str) -> str:
    found = program(name)
    assert found is not None, f"{name} is not installed"
    return found


@contextlib.contextmanager
def ours(stage: Stage) -> Iterator[Running]:
    with staged(stage) as made:
        yield Running(made.front, lambda: none(made.must("restart", "web", "--timeout", "60s", timeout=70)))


def shared(program: str, proxy: str = "none") -> Stage:
    return Stage(proxy, 1, workers=2, shared=program)


def none(_: object) -> None:
    """A value that nobody wants."""


@contextlib.contextmanager
def naive() -> Iterator[Running]:
    """Behind HAProxy, as a script does it: TERM, wait until it is healthy again, the next one."""
    first = port_block(2)
    servers = "\n".join(f"  server w{n} 127.0.0.1:{first + n} check inter 300ms fall 2 rise 1" for n in range(2))
    workers = {n: serve_uvicorn(first + n) for n in range(2)}
    try:
        for number in range(2):
            until(lambda: healthy(first + number), "a worker serves")  # noqa: B023
        with balancer("2.8", servers) as lb:
            until(lambda: healthy(lb.front), "the proxy serves")

            def restart() -> None:
                for number in range(2):
                    end(workers[number])
                    workers[number] = serve_uvicorn(first + number)
                    until(lambda: healthy(first + number), "the worker serves again")  # noqa: B023

            yield Running(lb.front, restart)
    finally:
        for worker in workers.values():
            end(worker)


def serve_uvicorn(port: int) -> "subprocess.Popen[bytes]":
    return start([sys.executable, "-m", "uvicorn", APP, "--port", str(port), "--no-access-log"])


def start(command: list[str], **env: str) -> "subprocess.Popen[bytes]":
    null = subprocess.DEVNULL
    paths = {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        stdout=null,
        stderr=null,
        stdin=null,
        cwd=ROOT,
        env={**os.environ, **paths, **env},
        start_new_session=True,
    )


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def signalled(command: Callable[[int], list[str]]) -> Iterator[Running]:
    """A peer that reloads on SIGHUP; it has done so when none of its old processes is left."""
    port = port_block(1)
    process = start(command(port))
    try:
        until(lambda: healthy(port), "it serves")

        def reload() -> None:
            old = psutil.Process(process.pid).children(recursive=True)
            workers = [one.pid for one in old if "resource_tracker" not in " ".join(one.cmdline())]
            process.send_signal(signal.SIGHUP)
            until(lambda: not any(alive(pid) for pid in workers), "its old workers are gone", DEADLINE)
            until(lambda: healthy(port), "it serves again")

        yield Running(port, reload)
    finally:
        end(process)


def gunicorn(*more: str) -> Callable[[], "contextlib.AbstractContextManager[Running]"]:
    def command(port: int) -> list[str]:
        return [needed("gunicorn"), "-w", "2", "-b", f"127.0.0.1:{port}", *more]

    return lambda: signalled(command)


def uvicorn_workers(port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", APP, "--workers", "2", "--port", str(port), "--no-access-log"]


@contextlib.contextmanager
def pm2() -> Iterator[Running]:
    """Its cluster mode, with an app that ends gracefully."""
    port = port_block(1)
    with tempfile.TemporaryDirectory(prefix="pm2-") as home:
        env = {**os.environ, "PM2_HOME": home, "PORT": str(port)}

        def tell(*words: str) -> None:
            subprocess.run(
                [needed("pm2"), *words], env=env, check=True, stdout=subprocess.DEVNULL, timeout=DEADLINE
            )

        try:
            tell("start", str(NODE_APP), "-i", "2", "--name", "app")
            until(lambda: healthy(port), "pm2 serves")
            yield Running(port, lambda: tell("reload", "app"))
        finally:
            tell("kill")
            time.sleep(0.2)


CONTENDERS = (
    Contender("clusterctl, ports behind HAProxy", lambda: ours(Stage("embedded", 1, workers=2))),
    Contender("clusterctl, Node on a socket behind HAProxy", lambda: ours(shared("node", "embedded")), "node"),
    Contender("clusterctl, uvicorn on a shared socket", lambda: ours(shared("uvicorn"))),
    Contender("clusterctl, uvicorn_server.py on a shared socket", lambda: ours(shared("uvicorn_server"))),
    Contender("clusterctl, Node on a shared socket", lambda: ours(shared("node")), "node"),
    Contender("naive restart behind HAProxy", naive),
    Contender("uvicorn --workers, HUP", lambda: signalled(uvicorn_workers)),
    Contender("gunicorn asgi, HUP", gunicorn("-k", "asgi", APP), "gunicorn"),
    Contender("gunicorn + uvicorn's worker, HUP", gunicorn("-k", "uvicorn_worker.UvicornWorker", APP), "gunicorn"),
    Contender("pm2 reload, cluster mode", pm2, "pm2"),
)
