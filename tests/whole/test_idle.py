"""A cluster in which nothing happens."""

import time
from collections.abc import Callable

import pytest

from tests.benchmarks._readings import wakeups
from tests.whole.cluster import cluster, until

pytestmark = pytest.mark.real

JOBS = '[pools.jobs]\ncommand = ["sleep", "100000"]\nworkers = 3\n'


def test_an_idle_cluster_is_woken_by_its_sample_alone() -> None:
    """Once a second; what else is looked at now and then is looked at in the same waking."""
    with cluster(JOBS) as made:
        engine, keeper = (made.snapshot()["engine"][key] for key in ("pid", "keeper_pid"))
        until(woken(engine, 3), "what the start left to do is done")
        begun, before = time.monotonic(), wakeups([keeper])
        until(woken(engine, 6), "six more wakings")
        assert time.monotonic() - begun > 4.5, "the engine is woken by something else too"
        assert wakeups([keeper]) - before <= 7, "the keeper is woken by more than the engine's sign of life"


def woken(pid: int, times: int) -> Callable[[], bool]:
    since = wakeups([pid])
    return lambda: wakeups([pid]) - since >= times
