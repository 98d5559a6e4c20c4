"""Pids that are given anew to strangers, for real: run as the first process of a pid namespace of its own, where
the number of the next process can be chosen.

    unshare --pid --fork --mount-proc --kill-child python -m tests.chaos.reused
"""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from tests.whole.cluster import Cluster, alive, cluster, until

POOL = '[pools.web]\ncommand = ["sleep", "1000"]\nworkers = 2\n'


def there(pid: int) -> bool:
    """A zombie is, too."""
    return Path(f"/proc/{pid}").exists()


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)

    def gone() -> bool:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # what is orphaned is ours to reap
        return not there(pid)

    until(gone, f"{pid} is gone")


def stranger(pid: int) -> "subprocess.Popen[bytes]":
    """The same program as the workers', with the pid of one that has ended."""
    for _ in range(50):  # others start processes too
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        made = subprocess.Popen(["sleep", "1000"])
        if made.pid == pid:
            return made
        made.kill()
        made.wait()
    raise AssertionError(f"pid {pid} cannot be had")


def pids(made: Cluster) -> list[int]:
    return [row["pid"] for row in made.workers()]


def everything_died(made: Cluster) -> None:
    """Keeper, engine and one worker are killed, and strangers get all three pids."""
    first, second = pids(made)
    engine = made.snapshot()["engine"]
    for pid in (engine["keeper_pid"], engine["pid"], first):
        end(pid)
    strangers = [stranger(pid) for pid in (first, engine["keeper_pid"], engine["pid"])]
    told = made.verb("status")
    assert told.code == 3, told
    assert "1 worker still runs" in told.err, told
    made.up()
    assert pids(made)[1] == second
    assert pids(made)[0] != first
    made.down()
    assert all(one.poll() is None for one in strangers)
    assert not alive(second)
    made.up()


def under_a_stopped_engine(made: Cluster) -> None:
    """A worker's pid is a stranger's before its engine can have heard of its end."""
    first, _ = pids(made)
    engine = made.snapshot()["engine"]["pid"]
    os.kill(engine, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    until(lambda: not there(first), "its keeper has reaped it")
    one = stranger(first)
    os.kill(engine, signal.SIGCONT)
    made.until_pool(lambda pool: pool["ready"] == 2 and pool["workers"][0]["pid"] != first, "replaced")
    made.must("restart", "web.0", "--yes")
    assert one.poll() is None


def over_workers_that_were_kept(made: Cluster) -> None:
    """`down` ends the one that is left, starts none in the other's place, and leaves the stranger alone."""
    made.must("down", "--keep-workers", "--yes")
    first, second = sorted(pid for pid, words in made.processes().items() if "sleep" in words)
    end(first)
    one = stranger(first)
    made.must("down", "--yes")
    assert not alive(second)
    assert one.poll() is None
    events = (made.state / "events.jsonl").read_text()
    assert events.count('"kind":"worker-started"') == 2, events


def main() -> None:
    assert os.getpid() == 1, "only as the first process of a pid namespace"
    for act in (everything_died, under_a_stopped_engine, over_workers_that_were_kept):
        with cluster(POOL) as made:
            act(made)
        print(f"{act.__name__}: as it should be", flush=True)


if __name__ == "__main__":
    main()
