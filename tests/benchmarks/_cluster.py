"""A throw-away clusterctl for a benchmark: started by its own verbs, asked over its socket, ended by pid."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks._readings import descendants

VERB = (str(Path(sys.executable).with_name("clusterctl")),)


class Cluster:
    """One running cluster. `keeper` and `engine` are pids."""

    def __init__(self, config: Path, state: Path) -> None:
        self.config = config
        self.state = state
        self.socket = state / "clusterctl.sock"
        self.keeper = 0
        self.engine = 0

    @property
    def own(self) -> tuple[int, int]:
        return self.keeper, self.engine

    def verb(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One `clusterctl` verb, to its end."""
        done = subprocess.run([*VERB, words[0], "-c", str(self.config), *words[1:]], capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"clusterctl {' '.join(words)}: {done.returncode}: {done.stderr or done.stdout}")
        return done

    def get(self, path: str, headers: str = "") -> tuple[int, bytes]:
        """Status and body of one GET."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(30)
            link.connect(str(self.socket))
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
            answer = bytearray()
            while piece := link.recv(1 << 20):
                answer += piece
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/v1/snapshot")[1])
        return found

    def settle(self, seconds: float = 120.0) -> None:
        """Until every pool serves what it should."""
        until(
            lambda: all(p["ready"] == p["desired"] for p in self.snapshot()["pools"]), seconds, "all workers ready"
        )

    def scale(self, pool: str, count: int) -> None:
        self.verb("scale", f"{pool}={count}", "--yes")
        self.settle()


def until(holds: Callable[[], bool], seconds: float, what: str, pause: float = 0.05) -> float:
    """Waits for a condition; the seconds that it took."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise RuntimeError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
    return time.monotonic() - begun


@contextlib.contextmanager
def cluster(pools: str, nofile: int | None = None) -> Iterator[Cluster]:
    """Runs the pools of this TOML text; ends everything on the way out."""
    directory = Path(tempfile.mkdtemp(prefix="clusterctl-bench-"))
    state = directory / "state"
    config = directory / "clusterctl.toml"
    config.write_text(f'[cluster]\nname = "bench"\nstate_dir = "{state}"\n{pools}')
    here = Cluster(config, state)
    try:
        here.verb("up", "--detach")
        engine = here.snapshot()["engine"]
        here.keeper, here.engine = engine["keeper_pid"], engine["pid"]
        yield here
    finally:
        end(here)
        shutil.rmtree(directory, ignore_errors=True)


def end(here: Cluster) -> None:
    """In good order where it can be; whatever is left is killed, by pid."""
    everyone = descendants(here.keeper) if here.keeper else []
    with contextlib.suppress(subprocess.TimeoutExpired, OSError):
        words = [*VERB, "down", "-c", str(here.config), "--yes"]
        subprocess.run(words, capture_output=True, timeout=60)
    for pid in (here.keeper, *everyone):
        with contextlib.suppress(ProcessLookupError):
            if pid and alive(pid):
                os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
