"""Disks that take nothing, for real: a small tmpfs that is full, and a state directory that is read-only."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.say import MISSING
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
    """To its last page."""
    pad(made.state / "ballast", b"x" * 512)
    assert os.statvfs(made.state).f_bavail == 0


def pad(file: Path, line: bytes) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, line)
    os.close(fd)


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


def test_what_no_disk_took_is_known_to_the_next_engine_and_no_number_is_given_twice(cluster: Cluster) -> None:
    """The keeper holds it; where that is killed too, a reader is told that events may be missing."""
    fill(cluster)
    # The last pages of our own files still had room: for lines that say nothing.
    pad(cluster.state / "journal", b"\n")
    pad(cluster.state / "events.jsonl", b" " * 50 + b"\n")
    os.kill(pids(cluster)["web.0"], signal.SIGKILL)
    cluster.must("scale", "web=3", "--timeout", "20s")
    for _ in range(2):
        before = cluster.events()
        running = engine(cluster)["pid"]
        os.kill(running, signal.SIGKILL)
        cluster.until(lambda s, killed=running: s["engine"]["pid"] != killed, "another engine")  # type: ignore[misc]
        assert cluster.pool()["desired"] == 3
        assert cluster.events()[: len(before)] == before
        settled(cluster)
    ran = cluster.verb("down", "--keep-workers")
    assert ran.code == 5
    assert "no space left on device; what was changed since is remembered by this keeper alone" in ran.err
    seen = numbers_of(cluster)
    assert seen == list(range(seen[0], seen[-1] + 1))
    assert f'"number":{seen[-1]},' not in (cluster.state / "events.jsonl").read_text(), "it was not full"
    kill_both(cluster)
    cluster.up()
    ran = cluster.verb("events", "--json", "--after", str(seen[-1]))
    assert ran.err.splitlines() == [MISSING]
    assert min(json.loads(line)["number"] for line in ran.out.splitlines()) > seen[-1]
    (cluster.state / "ballast").unlink()
    cluster.until(lambda s: not s["warnings"], "the warning is over")


def numbers_of(made: Cluster) -> list[int]:
    return [event["number"] for event in made.events()]


def test_on_a_read_only_disk_workers_are_started_without_their_logs(cluster: Cluster) -> None:
    """An engine that runs goes on, one that is killed comes back; a new keeper is refused in words."""
    mount("--bind", str(cluster.state), str(cluster.state))
    mount("-o", "remount,ro,bind", str(cluster.state))
    survives_all(cluster, "its output is lost: cannot open its log: read-only file system")
    workers = pids(cluster)
    kill_both(cluster)
    ran = cluster.verb("up", "--detach")
    assert ran.code == 2
    assert f"read-only file system: {cluster.state}/lock; nothing was started" in ran.err
    assert all(alive(pid) for pid in workers.values())
    unmount(cluster, leave=1)
    until(lambda: os.access(cluster.state, os.W_OK), "it can be written again")
    cluster.up()
    assert pids(cluster) == workers
