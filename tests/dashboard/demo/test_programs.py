"""The demo's worker, job and traffic as real processes: they serve, end gracefully, and leave nobody behind."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard.demo import places

pytestmark = pytest.mark.real


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def program(name: str, *words: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"dashboard.demo.{name}", *words],
        stdout=subprocess.PIPE, text=True, env={**os.environ, **env},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def get(link: socket.socket, path: str) -> bytes:
    link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return link.recv(4096)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        yield link


def test_a_worker_serves_on_its_port_and_keeps_connections() -> None:
    port = free_port()
    with program("worker", PORT=str(port), CLUSTERCTL_WORKER="web.9") as worker:
        assert line_of(worker) == f"serving on port {port}"
        with connected(port) as link:
            assert b"well" in get(link, "/healthz")
            assert b"web.9 pid" in get(link, "/")
        assert line_of(worker).startswith("GET / 200")


def test_a_worker_that_is_told_to_end_finishes_what_is_in_flight() -> None:
    port = free_port()
    with program("worker", PORT=str(port)) as worker:
        line_of(worker)
        with connected(port) as idle, connected(port) as busy:
            assert b"well" in get(idle, "/healthz")
            assert b"well" in get(busy, "/healthz")
            busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            # The worker reads both in order, so once it has answered here it is at work there.
            assert b"well" in get(idle, "/healthz")
            worker.send_signal(signal.SIGTERM)
            assert b"Connection: close" in busy.recv(4096)
            assert idle.recv(1) == b""
        assert worker.wait(5) == 0


def test_nonsense_costs_a_worker_nothing() -> None:
    port = free_port()
    with program("worker", PORT=str(port)) as worker:
        line_of(worker)
        for junk in (
            b"\r\n\r\n",
            b"\x00\xff\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"x" * 40_000,
        ):
            with connected(port) as link, contextlib.suppress(ConnectionError):
                link.sendall(junk)
                link.shutdown(socket.SHUT_WR)
                while link.recv(4096):
                    pass
        with connected(port) as link:
            assert b"well" in get(link, "/healthz")


def test_a_job_works_and_ends_on_term() -> None:
    with program("job", CLUSTERCTL_WORKER="jobs.0") as job:
        assert line_of(job) == "jobs.0 waits for work"
        assert line_of(job).startswith("job 1 done in")
        job.terminate()
        assert job.wait(5) == 0


def test_traffic_asks_and_ends_on_term() -> None:
    with socket.create_server(("127.0.0.1", 0)) as front:
        front.settimeout(5)
        with program("traffic", "127.0.0.1", str(front.getsockname()[1]), str(os.getpid())) as traffic:
            link, _ = front.accept()
            with link:
                link.settimeout(5)
                assert link.recv(4096).startswith(b"GET /")
            traffic.terminate()
            assert traffic.wait(5) == 0


def test_traffic_ends_when_who_started_it_is_gone() -> None:
    code = (
        "import os, subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'dashboard.demo.traffic', "
        f"'127.0.0.1', '{free_port()}', str(os.getpid())]); print(p.pid, flush=True); sys.stdin.read()"
    )
    starter: Any = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.communicate()
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline, "traffic outlived who started it"
        time.sleep(0.02)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A socket's path may be 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield Path(directory)


def test_what_a_killed_demo_left_is_swept_by_the_next(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short_path))
    for name in ("clusterctl-demo-old", "clusterctl-demo-held", "clusterctl-demo-new", "other"):
        (short_path / name / "state").mkdir(parents=True)
        if name != "clusterctl-demo-new":
            os.utime(short_path / name, (0, 0))
    with open(short_path / "clusterctl-demo-held" / "state" / "lock", "w") as lock:
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = Path(places.directory())
    assert {path.name for path in short_path.iterdir()} == {
        made.name, "clusterctl-demo-held", "clusterctl-demo-new", "other",
    }  # fmt: skip


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
