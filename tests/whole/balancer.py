"""A HAProxy as somebody else runs it, beside a cluster: for attaching, reloading, stopping and killing."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.proxies.rig import BINARIES
from tests.whole.cluster import port_block, until

VERSIONS = sorted(BINARIES)


class Balancer:
    """A master and its worker process, with an admin socket, one frontend and the upstream `app`."""

    def __init__(self, version: str, root: Path, front: int, backend: str) -> None:
        self.root, self.front = root, front
        self.socket = root / "admin.sock"
        self.config = root / "haproxy.cfg"
        self.binary = BINARIES[version]
        self.config.write_text(CONFIG.format(root=root, front=front, backend=backend))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = (self.binary, "-W", "-db", "-f", str(self.config))
        null = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=null, stderr=null, stdin=null, start_new_session=True)
        until(lambda: "Pid:" in self.ask("show info"), "the HAProxy answers")

    def reload(self) -> None:
        """As `systemctl reload` does it; returns when the new process answers."""
        assert self.process is not None
        before = self.pid()
        self.process.send_signal(signal.SIGUSR2)
        until(lambda: self.pid() not in (0, before), "the reloaded HAProxy answers")

    def save_state(self) -> None:
        """What docs/haproxy.md tells operators to do before a reload."""
        (self.root / "state").write_text(self.ask("show servers state"))

    def pid(self) -> int:
        lines = [line for line in self.ask("show info").splitlines() if line.startswith("Pid: ")]
        return int(lines[0].split()[1]) if lines else 0

    def ask(self, command: str) -> str:
        """A command on the admin socket; empty when nobody answers."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(2)
            link.connect(str(self.socket))
            link.sendall(command.encode() + b"\n")
            answer = b""
            while piece := link.recv(65_536):
                answer += piece
            return answer.decode("utf-8", "replace")
        return ""

    def servers(self) -> dict[str, dict[str, str]]:
        """Address -> the row of `show stat` of each server."""
        lines = self.ask("show stat").lstrip("# ").splitlines()
        if not lines:
            return {}
        names = lines[0].split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line]
        return {row["addr"]: row for row in rows if row.get("addr")}

    def signal(self, number: int) -> None:
        """To the master and its worker alike."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


CONFIG = """
global
  stats socket {root}/admin.sock mode 600 level admin expose-fd listeners
  stats timeout 30s
  server-state-file {root}/state
defaults
  mode http
  retries 3
  option redispatch 1
  load-server-state-from-file global
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend fe
  bind 127.0.0.1:{front}
  option idle-close-on-response
  default_backend app
backend app
  balance roundrobin
  option httpchk GET /healthz
{backend}
"""


@contextlib.contextmanager
def balancer(version: str, backend: str = "") -> Iterator[Balancer]:
    """A running HAProxy, killed at the end."""
    with tempfile.TemporaryDirectory(prefix="lb-") as root:
        made = Balancer(version, Path(root), port_block(1), backend)
        try:
            made.start()
            yield made
        finally:
            made.stop()
