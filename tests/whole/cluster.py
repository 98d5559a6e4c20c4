"""A real cluster for a test: started by `clusterctl up --detach`, asked as operators ask, gone without a trace."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

APPS = Path(__file__).parent.parent / "load" / "apps"
PYTHON = sys.executable
SERVER = f'["{PYTHON}", "{APPS / "server.py"}"]'
"""The sample worker as a `command` of a configuration."""
Json = dict[str, Any]


class Ran(NamedTuple):
    """A verb that ended."""

    code: int
    out: str
    err: str


class Cluster:
    """One cluster in a directory of its own."""

    def __init__(self, text: str = "") -> None:
        # Not pytest's directory: the path of a unix socket may have 107 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="cc-"))
        self.state = self.root / "s"
        self.config = self.root / "clusterctl.toml"
        self.front = 0
        if text:
            self.configure(text)

    def configure(self, text: str) -> None:
        self.config.write_text(f'[cluster]\nname = "whole"\nstate_dir = "{self.state}"\n{text}')

    def verb(self, *words: str, timeout: float = 60.0) -> Ran:
        """Any verb of `clusterctl`, to its end."""
        command = [PYTHON, "-m", "dashboard", *words, "-c", str(self.config)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, cwd=self.root
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def must(self, *words: str, timeout: float = 60.0) -> str:
        """A verb that has to succeed; its output."""
        ran = self.verb(*words, timeout=timeout)
        assert ran.code == 0, f"{words}: exit {ran.code}\n{ran.out}{ran.err}\n{self.story()}"
        return ran.out

    def up(self, *words: str) -> None:
        self.must("up", "--detach", *(words or ("--wait", "--timeout", "40s")))

    def down(self) -> None:
        self.must("down", "--timeout", "60s", timeout=70)

    def get(self, path: str) -> tuple[int, bytes]:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.state / "clusterctl.sock"))
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := link.recv(1 << 20):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def snapshot(self) -> Json:
        status, body = self.get("/v1/snapshot")
        assert status == 200, body
        found: Json = json.loads(body)
        return found

    def pool(self, name: str = "web") -> Json:
        pools: list[Json] = self.snapshot()["pools"]
        return next(pool for pool in pools if pool["name"] == name)

    def workers(self, name: str = "web") -> list[Json]:
        rows: list[Json] = self.pool(name)["workers"]
        return rows

    def backends(self) -> dict[str, Json]:
        """Backends of all proxies, by address."""
        rows = [b for p in self.snapshot()["proxies"] for u in p["upstreams"] for b in u["backends"]]
        return {row["address"]: row for row in rows}

    def events(self) -> list[Json]:
        return [json.loads(line) for line in self.must("events", "--json").splitlines()]

    def until(self, true: Callable[[Json], Any], what: str, seconds: float = 20.0) -> Json:
        """Waits until a snapshot shows something; fails with the cluster's story when it never does."""
        deadline = time.monotonic() + seconds
        while True:
            # An engine that is killed while it answers sends nothing, or the head alone, or half of it all.
            with contextlib.suppress(OSError, IndexError, json.JSONDecodeError):
                if true(snapshot := self.snapshot()):
                    return snapshot
            assert time.monotonic() < deadline, f"never within {seconds:g} s: {what}\n{self.story()}"
            time.sleep(0.02)

    def until_pool(self, true: Callable[[Json], Any], what: str, seconds: float = 20.0, name: str = "web") -> Json:
        def shows(snapshot: Json) -> bool:
            return bool(true(next(pool for pool in snapshot["pools"] if pool["name"] == name)))

        return self.until(shows, what, seconds)

    def story(self) -> str:
        """What a failed test's reader needs: status, the last events, and the engine's own log."""
        parts = [self.verb("status").out, "\n".join(self.verb("events").out.splitlines()[-40:])]
        with contextlib.suppress(OSError):
            parts.append((self.state / "engine.log").read_text()[-3000:])
        return "\n".join(parts)

    def processes(self) -> dict[int, str]:
        """Everything that runs for this cluster, by its environment or its command line."""
        return processes_with(str(self.state))

    def close(self) -> None:
        """Take it down; what is then left is killed, and the test fails."""
        engine_log = self.engine_log()
        try:
            ran = self.verb("down", "--timeout", "30s", timeout=60)
        except subprocess.TimeoutExpired:
            ran = Ran(-1, "", "down did not end within 60 s")
        left = self.settled_processes()
        story = "" if ran.code == 0 and not left else engine_log + self.engine_log()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sockets = [str(path) for path in self.state.glob("*.sock")] if self.state.exists() else []
        shutil.rmtree(self.root, ignore_errors=True)
        assert ran.code == 0, f"down: exit {ran.code}\n{ran.out}{ran.err}\n{story}"
        assert not left, f"left after down: {left}\n{story}"
        assert not sockets, f"left after down: {sockets}"
        assert "Traceback" not in engine_log, engine_log

    def settled_processes(self) -> dict[int, str]:
        """What is left when whatever was about to end had a second to do so."""
        deadline = time.monotonic() + 1.0
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def engine_log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.state / "engine.log").read_text()
        return ""


def processes_with(word: str) -> dict[int, str]:
    """Live processes that carry a word in their environment or command line."""
    found: dict[int, str] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            command = Path(f"/proc/{entry}/cmdline").read_bytes()
            if word.encode() in command + Path(f"/proc/{entry}/environ").read_bytes():
                found[int(entry)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def port_block(size: int = 20) -> int:
    """First of so many ports that nobody uses, away from those that the system hands out by itself."""
    choice = random.Random(os.getpid() * 7919 + time.monotonic_ns())
    for _ in range(200):
        first = choice.randrange(10_000, 31_000 - size)
        if all(unused(port) for port in range(first, first + size)):
            return first
    raise AssertionError("no block of free ports found")


def unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def until(true: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    """Waits for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"never within {seconds:g} s: {what}"
        time.sleep(0.01)


@contextlib.contextmanager
def cluster(text: str, *, up: bool = True) -> Iterator[Cluster]:
    """A running cluster of this configuration (everything below `[cluster]`); down, and checked, at the end."""
    made = Cluster(text)
    try:
        if up:
            made.up()
        yield made
    except BaseException:
        # The first failure is the one to tell; what is left must go all the same.
        with contextlib.suppress(AssertionError):
            made.close()
        raise
    made.close()
