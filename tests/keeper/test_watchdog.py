"""What the keeper says to its own manager, and what it does about an engine that hangs."""

import os
import signal
import socket
from pathlib import Path

import pytest

from supervisor.keeper.notify import watchdog
from tests.whole.cluster import Cluster, alive

pytestmark = pytest.mark.real


def test_the_watchdog_is_fed_when_it_asks_for_it() -> None:
    assert watchdog({}) == 0
    assert watchdog({"WATCHDOG_USEC": "90000000"}) == 90
    assert watchdog({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}) == 90
    assert watchdog({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}) == 0
    assert watchdog({"WATCHDOG_USEC": "soon"}) == 0


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = f"\0clusterctl-test-{os.getpid()}"
    end.bind(path)
    end.settimeout(10)
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + path[1:])
    monkeypatch.setenv("WATCHDOG_USEC", "1500000")
    return end


def falls_silent(manager: socket.socket) -> bool:
    """Whether nothing comes for longer than the watchdog's time; what was due before still may."""
    manager.settimeout(2.0)
    for _ in range(8):
        try:
            manager.recv(4096)
        except TimeoutError:
            return True
    return False


def test_a_manager_hears_that_the_engine_lives_and_nothing_while_it_hangs(manager: socket.socket) -> None:
    """READY=1 with the main pid, then WATCHDOG=1 again and again; silence while the engine is stopped."""
    with manager:
        cluster = Cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\n')
        try:
            cluster.up()
            keeper, engine = (cluster.snapshot()["engine"][key] for key in ("keeper_pid", "pid"))
            assert manager.recv(4096).decode() == f"READY=1\nMAINPID={keeper}"
            assert {manager.recv(4096) for _ in range(3)} == {b"WATCHDOG=1"}
            os.kill(engine, signal.SIGSTOP)
            try:
                assert falls_silent(manager)
            finally:
                os.kill(engine, signal.SIGCONT)
            manager.settimeout(10)
            assert manager.recv(4096) == b"WATCHDOG=1"
            assert alive(engine)
        finally:
            cluster.close()
