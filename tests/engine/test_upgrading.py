"""`clusterctl upgrade`: another engine takes over the same workers, or nothing changes."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.engine.journal import FORMAT, line_of
from tests.whole.cluster import PYTHON, Cluster, Json, alive
from tests.whole.cluster import cluster as running

pytestmark = pytest.mark.real

POOL = '[pools.jobs]\ncommand = ["sleep", "1000"]\nworkers = 3\n'


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running(POOL) as made:
        yield made


def pids(cluster: Cluster) -> list[int]:
    return [row["pid"] for row in cluster.workers("jobs")]


def engine(cluster: Cluster) -> Json:
    found: Json = cluster.snapshot()["engine"]
    return found


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_engine_changes_and_nothing_else(cluster: Cluster) -> None:
    """Another engine under the same keeper, with the same workers and the operation at its end."""
    before, workers = engine(cluster), pids(cluster)
    said = cluster.must("upgrade")
    after = engine(cluster)
    assert said == f"upgrade: the installed engine runs, pid {after['pid']}\n"
    assert after["pid"] != before["pid"]
    assert not alive(before["pid"])
    assert after["keeper_pid"] == before["keeper_pid"]
    assert pids(cluster) == workers


def test_an_engine_that_cannot_read_the_configuration_is_never_started(cluster: Cluster) -> None:
    before, good = engine(cluster)["pid"], cluster.config.read_text()
    cluster.config.write_text(good + "[pools.jobs]\n")
    ran = cluster.verb("upgrade", "--socket", str(cluster.state / "clusterctl.sock"))
    cluster.config.write_text(good)
    assert ran.code == 1
    assert "the installed engine cannot take over" in ran.out + ran.err
    assert "nothing was changed" in ran.out + ran.err
    assert engine(cluster)["pid"] == before


def ask(cluster: Cluster, python: str) -> Json:
    """An upgrade to another interpreter, followed to its end."""
    from dashboard.pipe import Pipe

    pipe = Pipe(str(cluster.state / "clusterctl.sock"))
    id = pipe.send("POST", "/v1/upgrade", {"python": python}).json()["id"]
    shown = cluster.until(lambda s: any(o["id"] == id and o["ended"] for o in s["operations"]), "the upgrade's end")
    return next(o for o in shown["operations"] if o["id"] == id)


@pytest.mark.parametrize(
    ("python", "why"),
    [
        ("/no/such/python", "/no/such/python: no such file or directory"),
        ("/bin/true", "/bin/true runs no engine of clusterctl"),
        ("/bin/false", "the installed engine cannot take over: exit code 1"),
    ],
)
def test_what_is_no_engine_is_never_started(cluster: Cluster, python: str, why: str) -> None:
    before = engine(cluster)["pid"]
    operation = ask(cluster, python)
    assert (operation["phase"], operation["why"]) == ("failed", f"{why}; nothing was changed")
    assert engine(cluster)["pid"] == before


def test_an_engine_that_never_comes_up_gives_way_to_the_one_before(cluster: Cluster) -> None:
    """It passes the trial and then dies: the keeper goes back, and the operation has failed."""
    workers = pids(cluster)
    liar = script(cluster.root / "liar", f'case "$*" in *--check*) exec {PYTHON} "$@";; esac; exit 3')
    operation = ask(cluster, liar)
    assert operation["phase"] == "failed"
    assert operation["why"] == f"the engine of {liar} did not come up; the one before it goes on"
    assert pids(cluster) == workers
    cluster.must("upgrade")


def test_another_interpreter_takes_over(cluster: Cluster, tmp_path: Path) -> None:
    """The newly installed engine may live in another environment."""
    other = tmp_path / "python"
    other.symlink_to(os.path.abspath(sys.executable))
    workers, before = pids(cluster), engine(cluster)["pid"]
    # A link alone is outside of the environment with our packages: PYTHONPATH makes up for it.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    root = Path(__file__).parents[2]
    new = script(cluster.root / "new", f'PYTHONPATH={site}:{root} exec -a "$0" {other} "$@"')
    Path(new).write_text(Path(new).read_text().replace("/bin/sh", "/bin/bash"))
    assert ask(cluster, new)["phase"] == "done", cluster.story()
    assert engine(cluster)["pid"] != before
    assert pids(cluster) == workers


def test_under_a_keeper_that_is_stopped_nothing_is_upgraded(cluster: Cluster) -> None:
    """It would start no other engine, and there would be none."""
    running = cluster.snapshot()["engine"]
    os.kill(running["keeper_pid"], signal.SIGSTOP)
    try:
        ran = cluster.verb("upgrade")
        assert ran.code == 5
        assert f"`kill -CONT {running['keeper_pid']}` first" in ran.err
        assert cluster.snapshot()["engine"]["pid"] == running["pid"]
    finally:
        os.kill(running["keeper_pid"], signal.SIGCONT)


def test_a_state_of_a_newer_engine_is_refused_and_its_workers_go_on(cluster: Cluster) -> None:
    """`up` with an older clusterctl than wrote the state: words, exit 2, and no worker is touched."""
    workers = pids(cluster)
    cluster.must("down", "--keep-workers")
    journal = cluster.state / "journal"
    good = journal.read_bytes()
    journal.write_bytes(good + line_of("format", b"%d" % (FORMAT + 1)))
    future = journal.read_bytes()
    for words in (("up", "--detach"), ("up",)):
        ran = cluster.verb(*words)
        assert ran.code == 2
        assert (ran.out + ran.err).count("written by a newer clusterctl") == 1
    assert journal.read_bytes() == future
    assert all(alive(pid) for pid in workers)
    journal.write_bytes(good)
    cluster.up()
    assert pids(cluster) == workers
