"""Following logs: every line once and in order, over rotation, truncation, removal and floods."""

import asyncio
import errno
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.host import logs
from supervisor.host.following import LONGEST_LINE, Log, LogMatcher, LogReader, Place, follow
from supervisor.host.logs import rotate
from supervisor.model.spec import LogSpec

from .test_logs import FLOOD, numbered, write

pytestmark = pytest.mark.real

SMALL = LogSpec(max_bytes=5000, keep=50)


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "web.0.log")


def rest(reader: LogReader) -> list[bytes]:
    found: list[bytes] = []
    while lines := reader.read():
        found += lines
    return found


def lines(first: int, last: int) -> list[bytes]:
    return numbered(first, last).split(b"\n")[:-1]


def test_new_lines_come_once_and_an_unfinished_one_when_it_is_finished(log: str) -> None:
    write(log, b"old\n")
    reader = LogReader(log)
    assert reader.read() == []
    write(log, b"one\ntw")
    assert reader.read() == [b"one"]
    write(log, b"o\n")
    assert reader.read() == [b"two"]
    assert reader.read() == []


@pytest.mark.parametrize("collapse", [True, False])
@pytest.mark.parametrize("rotations", [1, 2, 5])
def test_nothing_is_missed_over_rotations_between_two_looks(
    log: str, rotations: int, collapse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not collapse:
        monkeypatch.setattr(logs, "_fallocate", lambda *_: errno.EOPNOTSUPP)
    write(log, numbered(0, 40))
    reader = LogReader(log, 0)
    assert rest(reader) == lines(0, 40)
    write(log, b"half ")
    assert rest(reader) == []
    write(log, b"whole\n")
    for turn in range(rotations):
        write(log, numbered(turn * 100, turn * 100 + 100))
        assert rotate(log, SMALL)
    write(log, b"end\n")
    assert rest(reader) == [b"half whole", *lines(0, rotations * 100), b"end"]


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["write", "half", "rotate", "read"]), max_size=30), st.booleans())
def test_whatever_the_order_of_writing_rotating_and_reading_each_line_comes_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], collapse: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not collapse:
            patch.setattr(logs, "_fallocate", lambda *_: errno.EOPNOTSUPP)
        log = str(tmp_path_factory.mktemp("any") / "web.0.log")
        write(log, b"")
        reader = LogReader(log)
        written = b""
        found: list[bytes] = []
        for number, step in enumerate(steps):
            match step:
                case "write":
                    text = b"%d %s\n" % (number, b"x" * (number * 997 % 6000))
                    write(log, text)
                    written += text
                case "half":
                    write(log, b"%d-" % number)
                    written += b"%d-" % number
                case "rotate":
                    rotate(log, LogSpec(max_bytes=4096, keep=100))
                case "read":
                    found += reader.read()
        assert found + rest(reader) == written.split(b"\n")[:-1]


def test_more_rotations_than_files_are_kept_lose_only_what_is_gone(log: str) -> None:
    write(log, b"seen\n")
    reader = LogReader(log, 0)
    assert rest(reader) == [b"seen"]
    for turn in range(5):
        write(log, numbered(turn * 100, turn * 100 + 100))
        assert rotate(log, LogSpec(max_bytes=5000, keep=2))
    found = [line for line in rest(reader) if line.strip()]
    assert found[-200:] == lines(300, 500)


def test_a_log_that_is_truncated_or_replaced_is_read_from_its_beginning(log: str) -> None:
    write(log, numbered(0, 10))
    reader = LogReader(log)
    os.truncate(log, 0)
    write(log, b"after truncation\n")
    assert reader.read() == [b"after truncation"]
    os.unlink(log)
    assert reader.read() == []
    write(log, numbered(0, 20))
    assert rest(reader) == lines(0, 20)


def test_a_log_that_comes_later_is_read_from_its_beginning(log: str) -> None:
    reader = LogReader(log)
    assert reader.read() == []
    write(log, b"born\n")
    assert reader.read() == [b"born"]


def test_an_endless_line_is_cut_once_and_the_next_one_is_whole(log: str) -> None:
    reader = LogReader(log, 0)
    write(log, b"x" * 3_000_000)
    write(log, b"\nnext\n")
    assert rest(reader) == [b"x" * LONGEST_LINE, b"next"]


def test_a_pattern_is_found_in_lines_after_the_offset_and_not_before(log: str) -> None:
    write(log, b"listening on 1\n")
    matcher = LogMatcher(log, r"listening on \d+", os.stat(log).st_size)
    assert not matcher.feed()
    write(log, b"\xff\x1b[1mlisten")
    assert not matcher.feed()
    write(log, b"ing on 9001\r\n")
    assert matcher.feed()
    assert matcher.feed()
    assert matcher.matched is not None
    assert matcher.matched.endswith("listening on 9001")


def test_a_pattern_is_found_though_the_log_was_rotated_before_we_looked(log: str) -> None:
    write(log, numbered(0, 30))
    matcher = LogMatcher(log, "^ready$", os.stat(log).st_size)
    write(log, b"ready\n" + numbered(30, 100))
    assert rotate(log, SMALL)
    assert matcher.feed()


async def take(source: AsyncIterator[tuple[str, bytes] | Place], count: int) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            if not isinstance(item := await anext(source), Place):
                found.append(item)
    return found


async def test_several_logs_are_merged_each_with_its_last_lines_first(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one.log"), str(tmp_path / "two.log")
    write(one, numbered(0, 50))
    source = follow(lambda: {"web.0": Log(one), "web.1": Log(two)}, lines=2)
    assert await take(source, 2) == [("web.0", line) for line in lines(48, 50)]
    write(two, b"born\n")
    write(one, b"more\n")
    assert sorted(await take(source, 2)) == [("web.0", b"more"), ("web.1", b"born")]
    await source.aclose()  # type: ignore[attr-defined]


async def test_a_replaced_worker_s_last_words_and_its_successor_s_first_are_followed(tmp_path: Path) -> None:
    old, new = str(tmp_path / "web.0.log"), str(tmp_path / "web.0+1.log")
    write(old, b"old\n")
    write(new, b"somebody else's, of long ago\n")
    logs = {"web.0": Log(old)}
    source = follow(lambda: logs)
    assert await take(source, 1) == [("web.0", b"old")]
    logs = {"web.0": Log(old), "web.0#2": Log(new, begins=os.stat(new).st_size)}
    write(new, b"born\n")
    assert await take(source, 1) == [("web.0#2", b"born")]
    write(old, b"ending\nunfinished")
    logs = {"web.0": Log(new, begins=0)}
    assert await take(source, 2) == [("web.0", b"ending"), ("web.0", b"unfinished")]
    write(new, b"alone\n")
    assert await take(source, 1) == [("web.0", b"alone")]
    await source.aclose()  # type: ignore[attr-defined]


async def test_an_unfinished_line_at_the_start_comes_once_and_whole(log: str) -> None:
    write(log, b"one\ntw")
    source = follow(lambda: {"web.0": Log(log)})
    assert await take(source, 1) == [("web.0", b"one")]
    write(log, b"o\n")
    assert await take(source, 1) == [("web.0", b"two")]
    await source.aclose()  # type: ignore[attr-defined]


async def test_a_flood_that_is_rotated_while_it_is_followed_arrives_complete(log: str) -> None:
    count, turns = 7_000, 3
    write(log, b"")
    source = follow(lambda: {"web.0": Log(log)})
    reading = asyncio.create_task(take(source, count * turns))
    rotations = 0
    for _ in range(turns):
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", FLOOD, log, str(count))
        ended = False
        while not ended:
            ended = writer.returncode is not None
            rotations += await asyncio.to_thread(rotate, log, LogSpec(max_bytes=300_000, keep=200))
    numbers = [int(line.split(b" ")[0]) for _, line in await reading]
    assert numbers == list(range(count)) * turns
    assert rotations >= turns
    await source.aclose()  # type: ignore[attr-defined]


class Follower:
    """Somebody who is cut off again and again, and goes on where it was told that it is."""

    def __init__(self, *paths: str) -> None:
        self.logs = {os.path.basename(path)[:-4]: Log(path) for path in paths}
        self.places: dict[str, Place] = {}
        self.seen: dict[str, list[bytes]] = {name: [] for name in self.logs}

    async def read(self, count: int) -> None:
        """So many lines, and not one more."""
        known = {self.logs[name].path: (name, place) for name, place in self.places.items()}
        source = follow(lambda: self.logs, 0, known)
        at = ""
        while count:
            if isinstance(item := await anext(source), Place):
                at = item.log
                self.places[at] = item
                continue
            self.seen[item[0]].append(item[1])
            self.places[at] = self.places[at]._replace(lines=self.places[at].lines + 1)
            count -= 1
        await source.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(8))
async def test_who_was_cut_off_goes_on_where_it_was(tmp_path: Path, seed: int) -> None:
    """At any line, behind one that is cut, over rotations meanwhile: no line is lost, none comes twice."""
    dice = random.Random(seed)
    paths = [str(tmp_path / f"web.{number}.log") for number in range(3)]
    for path in paths:
        write(path, b"long ago\n")
    follower = Follower(*paths)
    written: dict[str, list[bytes]] = {name: [] for name in follower.logs}
    source = follow(lambda: follower.logs, 0)
    while len(follower.places) < 3:  # all are told at first, before anything is written
        place = await anext(source)
        assert isinstance(place, Place)
        follower.places[place.log] = place
    await source.aclose()  # type: ignore[attr-defined]
    owed = 0
    for turn in range(60):
        for name, log in follower.logs.items():
            new = [b"%d %d " % (turn, at) + b"x" * dice.choice((3, 100, 90_000)) for at in range(dice.randrange(6))]
            write(log.path, b"".join(line + b"\n" for line in new))
            written[name] += [line[: 64 * 1024] for line in new]
            owed += len(new)
        for log in follower.logs.values():
            if dice.random() < 0.3:
                rotate(log.path, LogSpec(max_bytes=30_000, keep=200))
        count = dice.randrange(owed + 1)
        async with asyncio.timeout(20):
            await follower.read(count)
        owed -= count
    async with asyncio.timeout(20):
        await follower.read(owed)
    assert follower.seen == written


def test_a_reader_leaves_nothing_open(log: str) -> None:
    write(log, b"x\n")
    reader = LogReader(log, 0)
    before = os.listdir("/proc/self/fd")
    reader.read()
    assert os.listdir("/proc/self/fd") == before
