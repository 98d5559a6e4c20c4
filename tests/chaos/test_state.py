"""Real faults of the state directory: damaged, lost, full, loose; a clear message, a safe choice, workers go on."""

import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from supervisor.boot import UNHEARD
from tests.whole.cluster import Cluster, Json, alive, port_block, processes_with, until
from tests.whole.cluster import cluster as running

pytestmark = pytest.mark.real

WORKER = '["sh", "-c", "trap \'exit 0\' TERM; while :; do sleep 0.1; done"]'
POOL = f'[pools.web]\ncommand = {WORKER}\nworkers = 3\nstop = {{ timeout = "5s" }}\n'


@pytest.fixture(scope="module")
def only() -> Iterator[Cluster]:
    """One cluster for all: each test leaves it as whole as it found it, which is the point."""
    with running(POOL) as made:
        yield made


@pytest.fixture
def cluster(only: Cluster) -> Cluster:
    settled(only)
    return only


def engine(cluster: Cluster) -> Json:
    found: Json = cluster.snapshot()["engine"]
    return found


def pids(cluster: Cluster) -> dict[str, int]:
    return {row["id"]: row["pid"] for row in cluster.workers()}


def kill_both(cluster: Cluster) -> None:
    running = engine(cluster)
    for pid in (running["keeper_pid"], running["pid"]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(running["keeper_pid"]) and not alive(running["pid"]), "both are gone")


def settled(cluster: Cluster) -> None:
    cluster.until_pool(lambda p: p["ready"] == p["desired"] == len(p["workers"]), "as wanted")


def once_each(cluster: Cluster) -> None:
    """Every worker process that lives is known, and each once; also when the engine gave up on those it missed."""
    settled(cluster)
    began = cluster.snapshot()["time"]
    # An engine takes a worker that nobody holds for ended after a second: by then it must show.
    cluster.until(lambda s: seconds_between(began, s["time"]) > UNHEARD + 0.3, "the time to miss somebody")
    settled(cluster)
    shells = {pid for pid, words in processes_with(str(cluster.state)).items() if words.startswith("sh -c trap")}
    assert shells == set(pids(cluster).values()), cluster.story()


def seconds_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def test_both_killed_and_one_worker_meanwhile(cluster: Cluster) -> None:
    """The next `up` adopts those that live, and says of the other that nobody knows how it ended."""
    before = pids(cluster)
    kill_both(cluster)
    os.kill(before["web.1"], signal.SIGKILL)
    until(lambda: not alive(before["web.1"]), "web.1 is gone")
    cluster.up()
    after = pids(cluster)
    assert {name: after[name] for name in ("web.0", "web.2")} == {n: before[n] for n in ("web.0", "web.2")}
    assert after["web.1"] != before["web.1"]
    ends = [row["last_exit"] for row in cluster.workers() if row["id"] == "web.1"]
    assert ends[0]["why"] == "ended, status unknown (the keeper that started it is gone)"
    once_each(cluster)


def test_restarts_and_back_offs_are_remembered(cluster: Cluster) -> None:
    """Counters, and what is known of the last end, outlive the engine and the keeper."""
    # Started by this keeper, which is then its parent and can tell how it ended.
    cluster.must("restart", "web.0")
    before = cluster.workers()[0]["restarts"]
    os.kill(pids(cluster)["web.0"], signal.SIGKILL)
    cluster.until_pool(lambda p: p["workers"][0]["restarts"] == before + 1, "the restart is counted")
    settled(cluster)
    os.kill(engine(cluster)["pid"], signal.SIGKILL)
    cluster.until_pool(lambda p: p["workers"][0]["restarts"] == before + 1, "still counted")
    kill_both(cluster)
    cluster.up()
    assert cluster.workers()[0]["restarts"] == before + 1
    assert cluster.workers()[0]["last_exit"]["why"].startswith("killed by KILL")


def test_a_lost_journal_costs_no_worker(cluster: Cluster) -> None:
    """Somebody removed it, and the engine is killed: what lives is taken in again by the keeper's notes."""
    before = pids(cluster)
    (cluster.state / "journal").unlink()
    os.kill(engine(cluster)["pid"], signal.SIGKILL)
    once_each(cluster)
    assert pids(cluster) == before


@pytest.mark.parametrize("seed", range(4))
def test_a_journal_with_random_bytes_changed_costs_no_worker(cluster: Cluster, seed: int) -> None:
    """Cut or changed anywhere, the engine comes up with the same workers, each once."""
    dice = random.Random(seed)
    before = pids(cluster)
    kill_both(cluster)
    journal = cluster.state / "journal"
    data = bytearray(journal.read_bytes())
    if seed % 2:
        del data[dice.randrange(len(data)) :]
    else:
        for _ in range(20):
            data[dice.randrange(len(data))] = dice.randrange(256)
    journal.write_bytes(data)
    cluster.up()
    once_each(cluster)
    assert pids(cluster) == before


@pytest.mark.parametrize("seed", range(4))
def test_keepers_records_with_random_bytes_changed_cost_what_they_held_at_most(cluster: Cluster, seed: int) -> None:
    """Never a crash, never a wrong worker in a slot, never two in one."""
    dice = random.Random(seed)
    kill_both(cluster)
    records = cluster.state / "workers.jsonl"
    data = bytearray(records.read_bytes())
    for _ in range(12):
        data[dice.randrange(len(data))] = dice.randrange(256)
    records.write_bytes(data)
    cluster.up()
    once_each(cluster)


def test_lost_records_of_the_keeper_cost_no_worker(cluster: Cluster) -> None:
    """It finds what bears its mark."""
    before = pids(cluster)
    kill_both(cluster)
    (cluster.state / "workers.jsonl").unlink()
    cluster.up()
    once_each(cluster)
    assert pids(cluster) == before


def test_a_state_directory_lost_as_a_whole_costs_no_worker(cluster: Cluster) -> None:
    """Somebody removed it, and both were killed: the verbs know who lives, and the next `up` adopts them."""
    before = pids(cluster)
    kill_both(cluster)
    shutil.rmtree(cluster.state)
    assert "3 workers still run, unsupervised (web.0, web.1, web.2)" in cluster.verb("status").err
    cluster.up()
    once_each(cluster)
    assert pids(cluster) == before


def test_sockets_and_a_pid_left_behind_are_no_cluster(cluster: Cluster) -> None:
    """What a killed keeper leaves lying there stops nobody."""
    kill_both(cluster)
    assert (cluster.state / "clusterctl.sock").exists()
    assert cluster.verb("status").code == 3
    assert cluster.verb("scale", "web=4").code == 3
    cluster.up()
    once_each(cluster)


def limit_files(pid: int, size: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_is_said_and_stops_nothing(cluster: Cluster) -> None:
    """Scaling and replacing go on; `status` warns; when there is room again, all is written that was missed."""
    running, before_it = engine(cluster)["pid"], cluster.events()[-1]["number"]
    limit_files(running, 1)
    os.kill(pids(cluster)["web.0"], signal.SIGKILL)
    cluster.must("scale", "web=4", "--timeout", "20s")
    warned = cluster.until(lambda s: s["warnings"], "the warning")
    assert "file too large" in warned["warnings"][0]
    assert [e for e in cluster.events() if e["kind"] == "journal-failing"]
    settled(cluster)
    limit_files(running, resource.RLIM_INFINITY)
    cluster.until(lambda s: not s["warnings"], "the warning is over")
    numbers = [event["number"] for event in cluster.events() if event["number"] > before_it]
    before = pids(cluster)
    os.kill(running, signal.SIGKILL)
    once_each(cluster)
    assert pids(cluster) == before
    kept = [
        json.loads(line)["number"] for line in (cluster.state / "events.jsonl").read_text().splitlines() if line
    ]
    # What the disk did not take then is there now, in order and without a gap.
    assert len(numbers) > 5
    assert kept[kept.index(before_it) + 1 :][: len(numbers)] == numbers
    assert numbers == list(range(before_it + 1, numbers[-1] + 1))


def test_an_engine_that_starts_on_a_full_disk_goes_on_from_what_it_can_read(cluster: Cluster) -> None:
    """The keeper's own limit is the engine's: nothing can be written from its first moment."""
    before, running = pids(cluster), engine(cluster)
    limit_files(running["keeper_pid"], 1)
    os.kill(running["pid"], signal.SIGKILL)
    cluster.until(lambda s: s["engine"]["pid"] != running["pid"] and s["warnings"], "a new engine, warning")
    assert pids(cluster) == before
    limit_files(running["keeper_pid"], resource.RLIM_INFINITY)
    limit_files(engine(cluster)["pid"], resource.RLIM_INFINITY)
    cluster.until(lambda s: not s["warnings"], "the warning is over")


def test_a_log_directory_that_was_removed_is_made_again(cluster: Cluster) -> None:
    """Those that write go on writing where nobody sees it; the next ones have their file."""
    logs = cluster.state / "logs"
    for file in logs.iterdir():
        file.unlink()
    logs.rmdir()
    os.kill(pids(cluster)["web.0"], signal.SIGKILL)
    settled(cluster)
    until(lambda: (logs / "web.0.log").exists(), "the new worker's log")
    assert cluster.verb("logs", "web").code == 0


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_loose_state_directory_is_refused(mode: int, tmp_path: Path) -> None:
    made = Cluster(POOL)
    try:
        made.state.mkdir()
        made.state.chmod(mode)
        ran = made.verb("up", "--detach")
        assert ran.code == 2
        assert f"chmod 700 {made.state}" in ran.err
        made.state.chmod(0o700)
    finally:
        made.close()


def test_a_pid_that_a_stranger_has_now_is_left_alone(cluster: Cluster) -> None:
    """The record of a worker names a living process of another start: it is neither adopted nor touched."""
    kill_both(cluster)
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        records = cluster.state / "workers.jsonl"
        lost = next(json.loads(line) for line in records.read_text().splitlines() if '"name":"web.0"' in line)
        with records.open("a") as file:
            file.write("\n" + json.dumps({**lost, "pid": stranger.pid, "serial": 99}) + "\n")
        cluster.up()
        once_each(cluster)
        assert stranger.poll() is None
        assert stranger.pid not in pids(cluster).values()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_shared_socket_survives_both_of_us() -> None:
    """Its descriptor comes back from the workers that have it: no connection is refused in between."""
    port = port_block(1)
    program = "import socket,time; s=socket.socket(fileno=3)\nwhile 1: c,_=s.accept(); c.sendall(b'hi'); c.close()"
    made = Cluster(
        f'[pools.web]\ncommand = ["python3", "-S", "-c", """{program}"""]\n'
        f'workers = 2\nlisten = "127.0.0.1:{port}"\n'
    )
    try:
        made.up()
        before = pids(made)
        kill_both(made)
        made.up()
        assert pids(made) == before
        os.kill(before["web.0"], signal.SIGKILL)
        until(lambda: pids(made).get("web.0") not in (None, before["web.0"]), "a new worker on the old socket")
        with socket.create_connection(("127.0.0.1", port), 5) as asked:
            assert asked.recv(10) == b"hi"
    finally:
        made.close()
