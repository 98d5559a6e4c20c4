"""Disks that take nothing, for real: a small tmpfs that is full, and a state directory that is read-only."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.test_state import engine, kill_both, pids, settled
from tests.whole.cluster import Cluster, alive, until

pytestmark = pytest.mark.real

POOL = '[pools.web]\ncommand = ["sh", "-c", "while :; do echo hello; sleep 0.1; done"]\nworkers = 2\n'


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Its state lies on a tmpfs of its own."""
    made = Cluster(POOL)
    made.state.mkdir(mode=0o700)
    mount("-t", "tmpfs", "-o", "size=600k,mode=700", "none", str(made.state))
    try:
        made.up()
        yield made
    finally:
        unmount(made, leave=1)
        made.verb("down", "--timeout", "20s")
        unmount(made)
        made.close()


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def unmount(made: Cluster, leave: int = 0) -> None:
    """Lazily: whoever still writes there goes on."""
    while Path("/proc/mounts").read_text().count(f" {made.state} ") > leave:
        subprocess.run(["umount", "--lazy", str(made.state)], check=True)


def fill(made: Cluster) -> None:
    """To its last byte."""
    fd = os.open(made.state / "ballast", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, b"x" * 512)
    os.close(fd)
    assert os.statvfs(made.state).f_bavail == 0


def survives_all(made: Cluster, said: str) -> None:
    """A worker is killed, one more is wanted, and the engine is killed: each is answered as ever."""
    before = pids(made)
    os.kill(before["web.0"], signal.SIGKILL)
    made.until_pool(lambda p: p["workers"][0]["pid"] not in (None, before["web.0"]), "web.0 is replaced")
    made.must("scale", "web=3", "--timeout", "20s")
    assert any(said in event["text"] for event in made.events())
    workers, running = pids(made), engine(made)["pid"]
    assert workers["web.1"] == before["web.1"]
    os.kill(running, signal.SIGKILL)
    made.until(lambda s: s["engine"]["pid"] != running and s["warnings"], "another engine, with a warning")
    assert pids(made) == workers


def test_on_a_full_disk_everything_goes_on_and_is_written_when_there_is_room(cluster: Cluster) -> None:
    fill(cluster)
    survives_all(cluster, "no space left on device; the cluster goes on")
    workers = pids(cluster)
    kill_both(cluster)
    cluster.up()
    assert "no space left on device" in cluster.snapshot()["warnings"][0]
    assert pids(cluster) == workers
    (cluster.state / "ballast").unlink()
    cluster.until(lambda s: not s["warnings"], "the warning is over")
    os.kill(engine(cluster)["pid"], signal.SIGKILL)
    settled(cluster)
    assert pids(cluster) == workers


def test_on_a_read_only_disk_workers_are_started_without_their_logs(cluster: Cluster) -> None:
    """An engine that runs goes on, one that is killed comes back; a new keeper is refused in words."""
    mount("--bind", str(cluster.state), str(cluster.state))
    mount("-o", "remount,ro,bind", str(cluster.state))
    survives_all(cluster, "its output is lost: cannot open its log: read-only file system")
    workers = pids(cluster)
    kill_both(cluster)
    ran = cluster.verb("up", "--detach")
    assert ran.code == 2
    assert "Read-only file system; nothing was started" in ran.err
    assert all(alive(pid) for pid in workers.values())
    unmount(cluster, leave=1)
    until(lambda: os.access(cluster.state, os.W_OK), "it can be written again")
    cluster.up()
    assert pids(cluster) == workers
