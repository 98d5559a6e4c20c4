"""Rolling restarts and random operations under load: the scenarios that tests run short and `rollouts` long."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.load.client import Plan
from tests.load.running import load
from tests.load.tally import Result
from tests.whole.balancer import balancer
from tests.whole.cluster import PYTHON, SERVER, Cluster, cluster, port_block

APP = SERVER.split('"')[3]
NODE = APP.replace("server.py", "server.js")
ASGI = "tests.load.apps.asgi:app"
UVICORN = [PYTHON, "-m", "uvicorn", ASGI, "--fd", "{fd}", "--no-access-log"]
SHARED = {
    "python": [PYTHON, APP, "--fd", "{fd}"],
    "uvicorn": [*UVICORN, "--timeout-keep-alive", "60", "--log-level", "warning"],
    "uvicorn_server": [PYTHON, "configs/programs/uvicorn_server.py", ASGI, "--fd", "{fd}"],
    "node": ["node", NODE],
}


@dataclass(frozen=True)
class Stage:
    """Where a scenario plays."""

    proxy: str
    """A version of HAProxy to attach to, `embedded`, or `none`: a shared socket without a proxy."""
    surge: int = 1
    cookie: bool = False
    workers: int = 4
    shared: str | None = None
    """The program that shares a socket, one of SHARED."""
    env: str = ""
    watch: str = "0.3s"

    @property
    def name(self) -> str:
        parts = [self.proxy, f"surge {self.surge}", "cookie" if self.cookie else "", self.shared or ""]
        return ", ".join(part for part in parts if part)


@dataclass
class Windows:
    """When rollouts ran; everything else is the steady state."""

    rolling: list[tuple[float, float]] = field(default_factory=list)

    @contextlib.contextmanager
    def roll(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.rolling.append((began, time.monotonic()))

    def p99(self, result: Result) -> tuple[float | None, float | None]:
        """Of quick requests: in the steady state, and while rolling."""

        def rolling(at: float) -> bool:
            return any(began <= at < ended for began, ended in self.rolling)

        quick = [(at, ms) for at, ms, kind in result.latencies if kind in ("get", "post")]
        return (
            percentile([ms for at, ms in quick if not rolling(at)]),
            percentile([ms for at, ms in quick if rolling(at)]),
        )


def percentile(found: list[float], share: float = 0.99) -> float | None:
    return sorted(found)[min(len(found) - 1, int(len(found) * share))] if found else None


def configuration(stage: Stage, first: int, socket: str | None) -> str:
    """Everything below `[cluster]`; the front's port is the last of the block."""
    front = first + 29
    argv = SHARED[stage.shared] if stage.shared else [PYTHON, APP]
    command = ", ".join(f'"{word}"' for word in argv)
    own_port = stage.shared is None
    where = f'ports = "{first}-{first + 28}"' if own_port else f'listen = "127.0.0.1:{first}"'
    text = f"""
[pools.web]
command = [{command}]
cwd = "{os.getcwd()}"
workers = {stage.workers}
{where}
env = {{ VERSION = "1"{stage.env} }}
ready = {{ http = "/healthz", timeout = "20s", every = "100ms" }}
stop = {{ timeout = "15s" }}
rollout = {{ surge = {stage.surge}, unavailable = {0 if stage.surge else 1}, watch = "{stage.watch}" }}
"""
    if stage.proxy == "none":
        return text
    text += '[pools.web.traffic]\nproxy = "lb"\nupstream = "app"\ndrain_timeout = "20s"\n[proxies.lb]\n'
    text += 'check = { http = "/healthz", every = "300ms", fall = 2, rise = 1 }\n'
    if socket is not None:
        return text + f'socket = "{socket}"\n'
    cookie = 'cookie = "SRV"\n' if stage.cookie else ""
    return text + f'bind = "127.0.0.1:{front}"\n{cookie}'


@contextlib.contextmanager
def staged(stage: Stage) -> Iterator[Cluster]:
    """A cluster on its stage, serving; `front` is the port to send requests to."""
    first = port_block(30)
    with contextlib.ExitStack() as stack:
        front, socket = (first if stage.proxy == "none" else first + 29), None
        if stage.proxy not in ("embedded", "none"):
            backend = "  cookie SRV insert indirect nocache" if stage.cookie else ""
            lb = stack.enter_context(balancer(stage.proxy, backend))
            front, socket = lb.front, str(lb.socket)
        made = stack.enter_context(cluster(configuration(stage, first, socket)))
        made.front = front
        yield made


def load_plan(made: Cluster, stage: Stage, **more: object) -> Plan:
    """The whole mix; on a shared socket without a proxy, what the contract promises there."""
    plan = {"seconds": 3_600.0, "rate": 300.0, "held": 1.5, "cookie": stage.cookie, **more}
    if stage.proxy == "none":
        # Idle keep-alive is the worker's own affair there; uvicorn has no upgrade of its own.
        plan = {"manners": ("single",), "sockets": 0 if "uvicorn" in str(stage.shared) else 1, **plan}
    return Plan(url=f"http://127.0.0.1:{made.front}", **plan)  # type: ignore[arg-type]


def rolling_restarts(made: Cluster, plan: Plan, restarts: int, steady: float) -> tuple[Result, Windows]:
    """So many restarts of the whole pool under load, with the steady state before, between and after."""
    windows = Windows()
    with load(plan) as running:
        time.sleep(steady)  # not to wait for something: this is the steady state that is measured
        for _ in range(restarts):
            with windows.roll():
                made.must("restart", "web", "--timeout", "120s", timeout=130)
            time.sleep(steady / 2)
        return running.stop(), windows


def random_operations(made: Cluster, plan: Plan, count: int, seed: int) -> tuple[Result, list[str]]:
    """Random operations under load, each followed to its end; what was done, in words."""
    dice = random.Random(seed)
    done: list[str] = []
    with load(plan) as running:
        for _ in range(count):
            act = dice.choice(OPERATIONS)
            done.append(act(made, dice))
        made.until_pool(lambda p: p["ready"] == p["desired"], "all serve again", 40)
        return running.stop(), done


def scale(made: Cluster, dice: random.Random) -> str:
    wanted = dice.randint(2, 6)
    made.must("scale", f"web={wanted}", "--timeout", "60s", timeout=70)
    return f"scale web={wanted}"


def restart_one(made: Cluster, dice: random.Random) -> str:
    target = dice.choice(made.workers())["id"]
    made.must("restart", target, "--timeout", "60s", timeout=70)
    return f"restart {target}"


def restart_all(made: Cluster, _: random.Random) -> str:
    made.must("restart", "web", "--timeout", "120s", timeout=130)
    return "restart web"


def drain_and_ready(made: Cluster, dice: random.Random) -> str:
    target = dice.choice(made.workers())["id"]
    verb = dice.choice(("drain", "maint"))
    made.must(verb, target, "--timeout", "30s")
    made.must("ready", target, "--timeout", "30s")
    return f"{verb} and ready {target}"


def kill_engine(made: Cluster, _: random.Random) -> str:
    """Sometimes in the middle of a rollout, which then goes on by looking."""
    made.must("restart", "web", "--no-wait")
    engine = made.until(lambda s: s["pools"][0]["rollout"], "the rollout runs")["engine"]["pid"]
    os.kill(engine, signal.SIGKILL)
    made.until(lambda s: s["engine"]["pid"] != engine and s["pools"][0]["rollout"] is None, "the rollout ends", 60)
    return "kill of the engine in a rollout"


def stop_and_start_one(made: Cluster, dice: random.Random) -> str:
    target = dice.choice(made.workers())["id"]
    made.must("stop", target, "--timeout", "60s")
    made.must("start", target, "--timeout", "60s")
    return f"stop and start {target}"


Operation = Callable[[Cluster, random.Random], str]
OPERATIONS: tuple[Operation, ...] = (
    scale,
    restart_one,
    restart_all,
    drain_and_ready,
    kill_engine,
    stop_and_start_one,
)
