"""`clusterctl demo --no-top` as a newcomer runs it: it serves, it moves, and nothing is left behind."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytestmark = pytest.mark.real

START, END = 60.0, 40.0


class Demo:
    """A running demo, and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], base: str) -> None:
        self.process = process
        self.base = base
        self.socket = ""
        self.front = ""

    def read_places(self) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + START
        while not (self.socket and self.front):
            left = deadline - time.monotonic()
            assert left > 0, "the demo did not get ready"
            assert select.select([self.process.stdout], [], [], left)[0], "the demo said nothing"
            line = self.process.stdout.readline().decode()
            assert line, f"the demo ended: {self.process.wait()}"
            name, _, value = line.strip().partition(": ")
            match name:
                case "socket":
                    self.socket = value
                case "front":
                    self.front = value

    def snapshot(self) -> Any:
        done = verb("status", "--json", "--socket", self.socket)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def until(self, true: Callable[[Any], bool], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not true(snapshot := self.snapshot()):
            assert time.monotonic() < deadline, json.dumps(snapshot, indent=1)
            time.sleep(0.1)
        return snapshot

    def leftovers(self) -> list[str]:
        """Processes of this demo that still run, and files of it that are still there."""
        found = [os.path.join(self.base, name) for name in os.listdir(self.base)]
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = f"TMPDIR={self.base}\0".encode() in file.read()
            except OSError:
                continue
            if ours and int(pid) != self.process.pid:
                found.append(f"pid {pid}")
        return found


def verb(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dashboard", *words], capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def followed(*words: str) -> Iterator[Callable[[str], None]]:
    """A verb that goes on; what is yielded reads its lines up to one that holds a text."""
    # Unbuffered, as above.
    process = subprocess.Popen([sys.executable, "-m", "dashboard", *words], stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    stream = process.stdout

    def until_said(text: str) -> None:
        deadline, line = time.monotonic() + 20.0, b""
        while text not in line.decode():
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} was never said"
            assert select.select([stream], [], [], left)[0], f"{text!r} was never said"
            line = stream.readline()
            assert line, f"it ended before it said {text!r}"

    try:
        yield until_said
    finally:
        process.terminate()
        process.wait(END)
        stream.close()


@contextmanager
def started(base: str) -> Iterator[Demo]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "demo", "--no-top"],
        # Unbuffered: what a reader holds back, select does not see.
        stdout=subprocess.PIPE, bufsize=0, env={**os.environ, "TMPDIR": base},
    )  # fmt: skip
    try:
        yield Demo(process, base)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(END)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def base() -> Iterator[str]:
    """A short directory: a socket's path may be 107 bytes."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="cd-", dir="/tmp") as directory:
        yield directory


def test_the_demo_lives_moves_and_leaves_nothing_behind(base: str) -> None:
    with started(base) as demo:
        demo.read_places()
        with urllib.request.urlopen(demo.front, timeout=5) as answer:
            assert answer.status == 200
        snapshot = demo.until(lambda s: (s["pools"][0]["requests_per_second"] or 0) > 10)
        pools = {pool["name"]: pool for pool in snapshot["pools"]}
        assert {name: (pool["ready"], pool["desired"]) for name, pool in pools.items()} == {
            "web": (3, 3), "jobs": (2, 2),
        }  # fmt: skip
        backends = snapshot["proxies"][0]["upstreams"][0]["backends"]
        assert {(one["health"], one["rotation"]) for one in backends} == {("up", "ready")}
        for worker in pools["web"]["workers"]:
            with open(f"/proc/{worker['pid']}/environ", "rb") as file:
                assert f"CLUSTERCTL_WORKER={worker['id']}\0".encode() in file.read()
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(END) == 0
        assert demo.leftovers() == []


def test_the_verbs_work_on_it(base: str) -> None:
    with started(base) as demo:
        demo.read_places()
        at = ("--socket", demo.socket)
        done = verb("scale", "web=4", *at)
        assert done.returncode == 0, done.stderr
        assert len(demo.snapshot()["proxies"][0]["upstreams"][0]["backends"]) == 4
        again = verb("scale", "web=4", *at)
        assert (again.returncode, "already" in again.stdout) == (0, True)
        assert verb("drain", "web.0", *at).returncode == 0
        demo.until(lambda s: s["proxies"][0]["upstreams"][0]["backends"][0]["rotation"] == "drain")
        assert verb("ready", "web.0", *at).returncode == 0
        assert verb("scale", "wbe=4", *at).returncode == 4
        logs = verb("logs", "--lines", "5", "web", *at)
        assert {line.partition(" ")[0] for line in logs.stdout.splitlines()} >= {"web.0", "web.1", "web.2"}
        with followed("logs", "-f", "web.0", *at) as until_said:
            until_said("GET /")
            assert verb("restart", "web.0", *at).returncode == 0
            until_said("ended")
            until_said("GET /")  # its successor writes into another file
        for name in ("@lb.0", "lb"):
            assert "Server deleted" in verb("logs", name, *at).stdout, "what HAProxy says"
        assert "scale web=4" in verb("events", *at).stdout
        assert "web.0" in verb("top", "--batch", "-n", "1", *at).stdout
        assert verb("down", *at).returncode == 0
        assert verb("status", *at).returncode == 3


def test_a_demo_ended_while_it_starts_leaves_nothing_behind(base: str) -> None:
    with started(base) as demo:
        deadline = time.monotonic() + START
        while not os.listdir(base):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        demo.process.send_signal(signal.SIGTERM)
        assert demo.process.wait(END) == 0
        assert demo.leftovers() == []


def test_a_demo_whose_keeper_was_killed_leaves_nothing_behind(base: str) -> None:
    with started(base) as demo:
        demo.read_places()
        os.kill(demo.snapshot()["engine"]["keeper_pid"], signal.SIGKILL)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(END) == 0
        assert demo.leftovers() == []
