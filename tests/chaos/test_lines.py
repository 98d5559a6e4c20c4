"""No line of a log is lost, and none is there twice: in the files, and for who follows, whenever we die."""

import asyncio
import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.answers import NoAnswer
from dashboard.link import Link
from dashboard.log_places import Places
from tests.chaos.test_state import engine, kill_both, pids
from tests.whole.cluster import PYTHON, Cluster, until
from tests.whole.cluster import cluster as running

pytestmark = pytest.mark.real

COUNTING = """
import itertools, os, time
for number in itertools.count():
    os.write(1, b"%d %d %s\\n" % (os.getpid(), number, b"x" * 100))
    time.sleep(0.0005)
"""
POOL = f"""
[pools.web]
command = ["{PYTHON}", "-S", "-E", "-c", '''{COUNTING}''']
workers = 2
log = {{ max_size = "64K", keep = 500 }}
"""
LINE = re.compile(rb"(?:web\.[01] \| )?([0-9]+) ([0-9]+) x{100}")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running(POOL) as made:
        yield made


def counted(lines: list[bytes]) -> dict[int, list[int]]:
    """What each worker has counted, in the order in which it is there."""
    found: dict[int, list[int]] = {}
    for line in lines:
        whole = LINE.fullmatch(line)
        assert whole, line
        found.setdefault(int(whole[1]), []).append(int(whole[2]))
    return found


def without_a_gap(numbers: list[int]) -> bool:
    return all(after == before + 1 for before, after in itertools.pairwise(numbers))


def kill_engine(cluster: Cluster) -> None:
    before = engine(cluster)["pid"]
    os.kill(before, signal.SIGKILL)
    cluster.until(lambda s: s["engine"]["pid"] != before, "another engine")


def files_of(cluster: Cluster) -> list[bytes]:
    """All lines of all files, each slot's from the oldest on; without what a rotation leaves at a file's front."""
    lines: list[bytes] = []
    for live in sorted((cluster.state / "logs").glob("web.*.log")):
        rotated = sorted(live.parent.glob(f"{live.name}.*"), key=lambda path: -int(path.suffix[1:]))
        for path in (*rotated, live):
            lines += [line for line in path.read_bytes().splitlines() if line.strip(b" ")]
    return lines


def stopped(cluster: Cluster) -> None:
    """Nobody writes any more."""
    cluster.must("stop", "web", "--timeout", "20s")


def test_lines_written_while_nobody_of_us_lives_are_in_the_files_once(cluster: Cluster) -> None:
    """Engine and keeper are killed; a worker dies too; both come back, and rotate what has grown meanwhile."""
    logs = cluster.state / "logs"
    for dies in (False, True):
        kill_both(cluster)
        size = (logs / "web.1.log").stat().st_size
        if dies:
            os.kill(int((logs / "web.0.log").read_bytes().splitlines()[-1].split()[0]), signal.SIGKILL)
        until(lambda before=size: (logs / "web.1.log").stat().st_size > before + 100_000, "much is written")  # type: ignore[misc]
        cluster.up()
        until(lambda: (logs / "web.1.log").stat().st_size < 100_000, "it is rotated")
    stopped(cluster)
    found = counted(files_of(cluster))
    assert len(found) == 3
    for numbers in found.values():
        assert numbers == list(range(len(numbers)))


def test_who_follows_logs_misses_nothing_over_killed_engines_and_sees_nothing_twice(cluster: Cluster) -> None:
    """The verb, for a pool; what is written while there is no engine comes when there is one again."""
    seen = cluster.root / "seen"
    command = [PYTHON, "-m", "dashboard", "logs", "-f", "web", "-c", str(cluster.config)]
    with seen.open("wb") as file:
        follower = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
    try:
        until(lambda: seen.stat().st_size > 50_000, "it follows")
        for _ in range(4):
            kill_engine(cluster)
            size = seen.stat().st_size
            until(lambda before=size: seen.stat().st_size > before + 50_000, "it follows again")  # type: ignore[misc]
        workers = pids(cluster).values()
        stopped(cluster)
        last = {pid: numbers[-1] for pid, numbers in counted(files_of(cluster)).items()}
        until(lambda: all(b"%d %d x" % pair in tail_of(seen) for pair in last.items()), "it has the last lines")
    finally:
        follower.kill()
        follower.wait()
    found = counted(seen.read_bytes().splitlines())
    assert found.keys() == set(workers)
    assert all(without_a_gap(numbers) for numbers in found.values())


def tail_of(seen: Path) -> bytes:
    return seen.read_bytes()[-1_000_000:]


async def test_the_screen_misses_no_line_of_a_log_over_kills_of_both(cluster: Cluster) -> None:
    """As its page of a log reads on, through whatever comes."""
    lines: list[bytes] = []

    async def read() -> None:
        places = Places()
        async with Link(str(cluster.state / "clusterctl.sock")) as link:
            while True:
                try:
                    async for line in link.log("web.0", 100, True, places):
                        lines.append(line.encode())
                except NoAnswer:
                    await asyncio.sleep(0.05)

    async def more() -> None:
        begun = len(lines)
        await asyncio.to_thread(until, lambda: len(lines) > begun + 500, "the next lines")

    def die() -> None:
        kill_both(cluster)
        cluster.up()

    reading = asyncio.create_task(read())
    await more()
    for act in (kill_engine, kill_engine):
        await asyncio.to_thread(act, cluster)
        await more()
    await asyncio.to_thread(die)
    await more()
    reading.cancel()
    numbers = next(iter(counted(lines).values()))
    assert len(numbers) == len(lines)
    assert without_a_gap(numbers)
