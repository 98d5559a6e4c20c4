"""What chaos does to a cluster: each act kills, stops or confuses something, and says until when that may show."""

import contextlib
import os
import random
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.whole.cluster import Cluster, Json, processes_with, until

GRACE = 0.05
"""Seconds by which the clocks of who kills and of who asks may differ."""
FAILOVER = 1.5
"""Seconds in which a proxy sees that a killed worker is gone (its checks: every 300 ms, twice)."""


@dataclass(frozen=True)
class Excuse:
    """A window in which requests may fail, for the fault is in their own way."""

    began: float
    ended: float
    why: str


@dataclass
class Scene:
    """A cluster under chaos, and what was done to it."""

    cluster: Cluster
    dice: random.Random
    proxied: bool
    excuses: list[Excuse] = field(default_factory=list)
    done: list[tuple[float, str]] = field(default_factory=list)
    version: int = 1
    wanted: int = 0

    @contextlib.contextmanager
    def excused(self, why: str, after: float) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.excuses.append(Excuse(began - GRACE, time.monotonic() + after, why))

    def snapshot(self) -> Json:
        return self.cluster.until(lambda snapshot: snapshot["engine"]["pid"], "the engine answers", 15)


Act = Callable[[Scene], str]


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_engine(scene: Scene) -> str:
    pid = scene.snapshot()["engine"]["pid"]
    kill(pid)
    return f"KILL of the engine ({pid})"


def kill_keeper(scene: Scene) -> str:
    pid = scene.snapshot()["engine"]["keeper_pid"]
    kill(pid)
    scene.cluster.up("--timeout", "30s")
    return f"KILL of the keeper ({pid}), up"


def kill_both(scene: Scene) -> str:
    engine = scene.snapshot()["engine"]
    kill(engine["keeper_pid"])
    kill(engine["pid"])
    scene.cluster.up("--timeout", "30s")
    return f"KILL of keeper and engine ({engine['keeper_pid']}, {engine['pid']}), up"


def leave_and_come_back(scene: Scene) -> str:
    scene.cluster.must("down", "--keep-workers", "--yes")
    scene.cluster.up("--timeout", "30s")
    return "down --keep-workers, up"


def workers(scene: Scene) -> list[Json]:
    pools = scene.snapshot()["pools"]
    return [row for pool in pools for row in pool["workers"] if row["pid"] and pool["name"] == "web"]


def kill_worker(scene: Scene) -> str:
    rows = workers(scene)
    if not rows:
        return "nobody to kill"
    row = scene.dice.choice(rows)
    with scene.excused(f"KILL of {row['id']}", FAILOVER if scene.proxied else 0.3):
        kill(row["pid"])
    return f"KILL of {row['id']} ({row['pid']})"


def stopped(pids: list[int], seconds: float) -> None:
    """SIGSTOP for so long; the waiting is the fault itself."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def stop_engine(scene: Scene) -> str:
    stopped([scene.snapshot()["engine"]["pid"]], scene.dice.uniform(0.3, 2.0))
    return "STOP of the engine"


def stop_keeper(scene: Scene) -> str:
    stopped([scene.snapshot()["engine"]["keeper_pid"]], scene.dice.uniform(0.3, 2.0))
    return "STOP of the keeper"


def stop_worker(scene: Scene) -> str:
    rows = workers(scene)
    if not rows:
        return "nobody to stop"
    row = scene.dice.choice(rows)
    # A proxy takes it out after its checks; what it held comes late, or is cut off when it is taken out.
    with scene.excused(f"STOP of {row['id']}", FAILOVER if scene.proxied else 0.3):
        stopped([row["pid"]], scene.dice.uniform(0.3, 2.0))
    return f"STOP of {row['id']}"


def proxies(scene: Scene) -> list[int]:
    return [pid for pid, words in processes_with(str(scene.cluster.state)).items() if "haproxy -W" in words]


def kill_proxy(scene: Scene) -> str:
    pids = proxies(scene)
    if not pids:
        return "no proxy to kill"
    with scene.excused("KILL of HAProxy", 1.0):
        for pid in pids:
            kill(pid)
        until(lambda: answers(scene.cluster.front), "HAProxy answers again", 20)
        serving(scene)
    return f"KILL of HAProxy ({pids})"


def answers(port: int) -> bool:
    """Whether a page comes back from that port."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as asked:
            asked.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return asked.recv(64).startswith((b"HTTP/1.1 2", b"HTTP/1.0 2"))
    except OSError:
        return False


def serving(scene: Scene) -> None:
    """Some backend gets requests again."""

    def up(snapshot: Json) -> bool:
        backends = (b for p in snapshot["proxies"] for u in p["upstreams"] for b in u["backends"])
        return any(b["health"] == "up" and b["rotation"] == "ready" for b in backends)

    scene.cluster.until(up, "a backend serves", 20)


def stop_proxy(scene: Scene) -> str:
    stopped(proxies(scene), scene.dice.uniform(0.3, 2.0))
    return "STOP of HAProxy"


def reload(scene: Scene) -> str:
    """A new version, rolled out while the next acts come."""
    before, scene.version = f'VERSION = "{scene.version}"', scene.version + 1
    text = scene.cluster.config.read_text()
    scene.cluster.config.write_text(text.replace(before, f'VERSION = "{scene.version}"'))
    ran = scene.cluster.verb("reload", "--no-wait")
    # A rollout under way refuses it; then the next reload brings it.
    return f"reload to version {scene.version}: exit {ran.code}"


def scale(scene: Scene) -> str:
    scene.wanted = scene.dice.randint(2, 5)
    ran = scene.cluster.verb("scale", f"web={scene.wanted}", "--no-wait")
    assert ran.code == 0, ran.err
    return f"scale web={scene.wanted}"


def full_disk(scene: Scene) -> str:
    """For a while the engine can write nothing more."""
    pid = scene.snapshot()["engine"]["pid"]
    with contextlib.suppress(ProcessLookupError):
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        time.sleep(scene.dice.uniform(0.3, 1.5))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    return "full disk for the engine"


ACTS: tuple[Act, ...] = (
    kill_engine,
    kill_keeper,
    kill_both,
    leave_and_come_back,
    kill_worker,
    kill_worker,
    stop_engine,
    stop_keeper,
    stop_worker,
    kill_proxy,
    stop_proxy,
    reload,
    reload,
    scale,
    full_disk,
)
