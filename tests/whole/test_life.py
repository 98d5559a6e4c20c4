"""A cluster's life as an operator sees it: up, kills of all kinds, scaling, stop and start, a bad file, down."""

import contextlib
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.answers import NoAnswer, Refused
from dashboard.pipe import Pipe
from tests.whole.cluster import PYTHON, SERVER, Cluster, Json, alive, cluster, port_block, until
from tests.whole.test_demo_screen import read_until

pytestmark = pytest.mark.real


def web(extra: str = "", workers: int = 2) -> str:
    first = port_block(10)
    return f"""
[pools.web]
command = {SERVER}
workers = {workers}
ports = "{first}-{first + 9}"
ready = {{ http = "/healthz", timeout = "20s" }}
stop = {{ timeout = "5s" }}
{extra}
"""


@pytest.fixture
def running() -> Iterator[Cluster]:
    with cluster(web()) as made:
        yield made


def pids(pool: Json) -> dict[str, int]:
    return {row["id"]: row["pid"] for row in pool["workers"]}


def test_a_killed_worker_is_replaced_at_once_and_the_event_says_why(running: Cluster) -> None:
    before = pids(running.pool())
    os.kill(before["web.0"], signal.SIGKILL)
    after = running.until_pool(
        lambda p: p["ready"] == 2 and pids(p)["web.0"] != before["web.0"], "web.0 is replaced"
    )
    assert pids(after["pools"][0])["web.1"] == before["web.1"], "nobody else was touched"
    told = [(e["kind"], e["text"]) for e in running.events() if e["subject"] == "web.0"]
    assert any(kind == "worker-exited" and "KILL" in text for kind, text in told), told
    assert running.workers()[0]["restarts"] == 1
    assert not alive(before["web.0"])


def test_scaling_moves_only_the_newest(running: Cluster) -> None:
    before = pids(running.pool())
    running.must("scale", "web=4")
    assert running.pool()["ready"] == 4
    running.must("scale", "web=-2")
    assert pids(running.pool()) == before
    assert "already" in running.must("scale", "web=2")


def test_the_engine_is_killed_and_nobody_notices(running: Cluster) -> None:
    before = pids(running.pool())
    engine = running.snapshot()["engine"]["pid"]
    os.kill(engine, signal.SIGKILL)
    running.until(lambda s: s["engine"]["pid"] != engine and s["pools"][0]["ready"] == 2, "another engine decides")
    assert pids(running.pool()) == before
    os.kill(before["web.1"], signal.SIGKILL)
    running.until_pool(lambda p: p["ready"] == 2 and pids(p)["web.1"] != before["web.1"], "it still replaces")


def test_workers_that_die_while_no_engine_runs_are_replaced_by_the_next(running: Cluster) -> None:
    before, engine = pids(running.pool()), running.snapshot()["engine"]["pid"]
    os.kill(engine, signal.SIGSTOP)
    os.kill(before["web.0"], signal.SIGKILL)
    until(lambda: not alive(before["web.0"]), "the worker is dead")
    os.kill(engine, signal.SIGKILL)
    running.until_pool(lambda p: p["ready"] == 2 and pids(p)["web.0"] != before["web.0"], "web.0 is replaced")
    assert running.workers()[0]["last_exit"]["signal"] == "KILL"


def test_a_keeper_that_is_killed_leaves_workers_that_the_next_up_adopts(running: Cluster) -> None:
    before = pids(running.pool())
    snapshot = running.snapshot()
    os.kill(snapshot["engine"]["keeper_pid"], signal.SIGKILL)
    until(lambda: not alive(snapshot["engine"]["pid"]), "the engine ends without its keeper")
    assert all(alive(pid) for pid in before.values())
    running.up()
    assert pids(running.pool()) == before
    os.kill(before["web.0"], signal.SIGKILL)
    running.until_pool(lambda p: p["ready"] == 2 and pids(p)["web.0"] != before["web.0"], "adopted, and watched")


def test_a_down_without_a_keeper_ends_the_workers_that_it_left(running: Cluster) -> None:
    before = pids(running.pool())
    snapshot = running.snapshot()
    os.kill(snapshot["engine"]["keeper_pid"], signal.SIGKILL)
    until(lambda: not alive(snapshot["engine"]["pid"]), "the engine ends without its keeper")
    looked = running.verb("status")
    assert looked.code == 3
    assert "2 workers still run, unsupervised (web.0" in looked.err
    assert "2 workers still run" in running.must("down", "--keep-workers")
    ran = running.verb("down", "--timeout", "30s")
    assert ran.code == 0, ran
    assert "2 workers still run" in ran.err
    assert not any(alive(pid) for pid in before.values())
    assert running.settled_processes() == {}
    assert "unsupervised" not in running.verb("status").err


def test_a_down_that_cannot_start_a_keeper_for_what_is_left_fails(running: Cluster) -> None:
    running.must("down", "--keep-workers")
    ran = running.verb("down", "--socket", str(running.state / "clusterctl.sock"))
    assert ran.code == 1
    assert "`clusterctl up` adopts them" in ran.err
    good = running.config.read_text()
    running.config.write_text(good.replace("workers = 2", "workers = -2"))
    ran = running.verb("down")
    assert ran.code == 1
    assert "2 workers still run" in ran.err.splitlines()[-1]
    running.config.write_text(good)


def test_down_that_keeps_the_workers_and_the_next_up(running: Cluster) -> None:
    before = pids(running.pool())
    running.must("down", "--keep-workers")
    assert all(alive(pid) for pid in before.values())
    running.up()
    assert pids(running.pool()) == before


def test_a_down_right_after_one_that_keeps_the_workers_does_not_cut_them_off(running: Cluster) -> None:
    before = pids(running.pool())
    pipe = Pipe(str(running.state / "clusterctl.sock"))
    pipe.send("POST", "/v1/shutdown", {"keep_workers": True, "yes": True})
    with contextlib.suppress(NoAnswer), pytest.raises(Refused, match="its workers stay"):
        pipe.send("POST", "/v1/shutdown", {"keep_workers": False, "yes": True})
    until(lambda: running.verb("status").code == 3, "it is down")
    assert all(alive(pid) for pid in before.values())
    running.up()
    assert pids(running.pool()) == before


def test_what_is_stopped_stays_stopped_over_restarts_of_ours(running: Cluster) -> None:
    running.must("stop", "web.1")
    kept = pids(running.pool())["web.0"]
    os.kill(running.snapshot()["engine"]["pid"], signal.SIGKILL)
    running.until_pool(lambda p: p["ready"] == 1, "the engine is back")
    running.must("down")
    running.must("up", "--detach")
    running.until_pool(lambda p: p["ready"] == 1 and pids(p)["web.0"] != kept, "up again, with one worker")
    assert running.workers()[1]["phase"] == "stopped"
    running.must("start", "web.1")
    assert running.pool()["ready"] == 2


def test_a_second_up_is_refused_and_says_who_is_there(running: Cluster) -> None:
    """In the foreground and in words; also while no engine answers."""
    keeper, engine = (running.snapshot()["engine"][name] for name in ("keeper_pid", "pid"))
    os.kill(engine, signal.SIGSTOP)
    try:
        ran = running.verb("up")
    finally:
        os.kill(engine, signal.SIGCONT)
    assert ran.code == 5
    assert f"whole is already up (keeper pid {keeper}): socket {running.state}/clusterctl.sock" in ran.err
    ran = running.verb("up", "--detach")
    assert ran.code == 0
    assert f"(keeper pid {keeper})" in ran.out


def test_files_of_the_operator_that_are_named_like_modules_are_not_ours() -> None:
    """`up` where a random.py, a json.py and a package called supervisor lie; an engine killed, and an upgrade."""
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\n', up=False) as made:
        for name in ("random.py", "json.py", "supervisor/__init__.py"):
            (made.root / name).parent.mkdir(exist_ok=True)
            (made.root / name).write_text("raise SystemExit(name)")
        words = [PYTHON, "-P", "-m", "dashboard", "up", "--detach", "--wait", "-c", str(made.config)]
        subprocess.run(words, cwd=made.root, check=True, timeout=60)
        before = made.snapshot()["engine"]["pid"]
        os.kill(before, signal.SIGKILL)
        made.until(lambda s: s["engine"]["pid"] != before, "the next engine")
        subprocess.run([*words[:4], "upgrade", "-c", str(made.config)], cwd=made.root, check=True, timeout=60)
        for name in ("random.py", "json.py", "supervisor/__init__.py"):
            (made.root / name).unlink()
        (made.root / "supervisor").rmdir()


def test_one_worker_restarts_alone(running: Cluster) -> None:
    before = pids(running.pool())
    running.must("restart", "web.1")
    after = pids(running.pool())
    assert after["web.0"] == before["web.0"]
    assert after["web.1"] != before["web.1"]


def test_a_bad_file_changes_nothing(running: Cluster) -> None:
    before, good = running.pool(), running.config.read_text()
    running.config.write_text(good.replace("workers = 2", 'workers = "many"\nworkrs = 3'))
    ran = running.verb("reload")
    assert ran.code == 2, ran
    assert "pools.web.workers" in ran.out + ran.err
    assert pids(running.pool()) == pids(before)
    assert running.pool()["desired"] == 2
    running.config.write_text(good)
    running.must("reload")


def test_another_file_than_the_cluster_s_is_said(running: Cluster) -> None:
    other = running.root / "other.toml"
    other.write_text(running.config.read_text().replace("workers = 2", "workers = 3"))
    assert "reads" not in running.verb("reload").err
    running.config, read = other, running.config
    for verb in (("reload",), ("up", "--detach"), ("up",)):
        assert f"the cluster reads {read}, not {other}" in running.verb(*verb).err
    assert running.pool()["desired"] == 2


def test_reload_scales_adds_and_removes_pools(running: Cluster) -> None:
    before = pids(running.pool())
    text = running.config.read_text()
    job = '\n[pools.jobs]\ncommand = ["sleep", "1000"]\n'
    running.config.write_text(text.replace("workers = 2", "workers = 3") + job)
    running.must("reload")
    assert running.pool()["ready"] == 3
    assert running.pool("jobs")["ready"] == 1
    sleeper = running.workers("jobs")[0]["pid"]
    running.config.write_text(text)
    running.must("reload")
    running.until(lambda s: [p["name"] for p in s["pools"]] == ["web"], "the pool is gone")
    assert not alive(sleeper)
    assert pids(running.pool()) == before


def test_status_tells_the_truth(running: Cluster) -> None:
    rows = running.until_pool(lambda p: all(row["fds"] for row in p["workers"]), "sampled")["pools"][0]["workers"]
    for row in rows:
        environment = Path(f"/proc/{row['pid']}/environ").read_bytes().split(b"\0")
        assert f"CLUSTERCTL_WORKER={row['id']}".encode() in environment
        assert f"PORT={row['address'].rpartition(':')[2]}".encode() in environment
        resident = int(Path(f"/proc/{row['pid']}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert row["rss_bytes"] == pytest.approx(resident, rel=0.1)
        assert row["fds"] == pytest.approx(len(os.listdir(f"/proc/{row['pid']}/fd")), abs=2)
        assert os.getpgid(row["pid"]) == row["pid"], "a process group of its own"
    assert json.loads(running.must("status", "--json"))["cluster"] == "whole"
    assert oct(os.stat(running.state / "clusterctl.sock").st_mode & 0o777) == "0o600"


def test_the_verbs_exit_as_the_contract_says(running: Cluster) -> None:
    assert running.verb("restart", "nobody").code == 4
    assert running.verb("restart", "web.9").code == 4
    assert running.verb("drain", "edge/web/web.0").code == 4
    assert running.verb("scale", "web=x").code == 2
    assert running.verb("restart", "web", "--dry-run").code == 0
    assert running.workers()[0]["generation"] == 1


def test_a_second_operation_on_a_pool_is_refused_by_name() -> None:
    with cluster(web("[pools.web.rollout]\nwatch = '5s'")) as made:
        made.must("restart", "web", "--no-wait")
        ran = made.verb("restart", "web")
        assert ran.code == 5
        assert "restart web" in ran.err + ran.out
        made.must("rollout", "abort", "web")
        made.until_pool(lambda p: p["rollout"] is None and p["ready"] == 2, "put back")


def test_in_the_foreground_a_first_interrupt_says_what_a_second_one_does() -> None:
    deaf = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
    pool = f"""[pools.deaf]\ncommand = ["sh", "-c", "{deaf}"]\nready = {{ log = "deaf" }}\n"""
    ours, theirs = pty.openpty()
    with cluster(pool, up=False) as made:
        words = [PYTHON, "-m", "dashboard", "up", "-c", str(made.config)]
        process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        try:
            made.until_pool(lambda p: p["ready"] == 1, "it is up", name="deaf")
            process.send_signal(signal.SIGINT)
            read_until(ours, b"stopping gracefully; once more kills everything")
            process.send_signal(signal.SIGINT)
            read_until(ours, b"killing everything\r\n")
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)
