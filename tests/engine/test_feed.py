"""Events are numbered for ever and kept for a while; a reader that missed some is told so."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.engine import feed as rooms
from supervisor.engine.feed import KEPT, Feed
from supervisor.engine.spare import Spare

WALL = 1_800_000_000.0
LATER = 1_800_000_000_000
"""Its milliseconds."""


def publish(feed: Feed, count: int) -> None:
    for number in range(count):
        feed.publish("2026-01-01T00:00:00.000Z", "test", "web.0", f"line {number}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def memory() -> Iterator[int]:
    """Of a keeper, for one engine after another."""
    fd = os.memfd_create("events")
    yield fd
    os.close(fd)


def loaded(path: Path, memory: int | None = None) -> Feed:
    feed = Feed(path, Spare(memory), lambda: WALL)
    feed.load()
    return feed


def numbers(feed: Feed) -> list[int]:
    return [event.number for event in feed.events]


def test_numbers_go_on_in_the_next_engine(path: Path, memory: int) -> None:
    """It was killed, and its keeper was not."""
    publish(loaded(path, memory), 5)
    feed = loaded(path, memory)
    publish(feed, 1)
    assert [event.number for event in feed.events] == [1, 2, 3, 4, 5, 6]
    assert not feed.gap(3)
    assert [event.number for event in feed.after(4)] == [5, 6]


def test_numbers_go_on_under_the_next_keeper_where_the_last_engine_could_close(path: Path) -> None:
    for _ in range(3):
        feed = loaded(path)
        publish(feed, 2)
        feed.close()
    assert numbers(loaded(path)) == [1, 2, 3, 4, 5, 6]


def test_where_engine_and_keeper_were_killed_a_reader_is_told_that_events_may_be_missing(path: Path) -> None:
    """Whatever they published that no disk took: its numbers are given to nothing else."""
    feed = loaded(path)
    publish(feed, 3)
    feed.close()
    publish(loaded(path), 2)  # closed once, and no longer
    feed = loaded(path)
    publish(feed, 1)
    assert numbers(feed) == [1, 2, 3, 4, 5, LATER + 1]
    assert feed.gap(5)
    assert feed.gap(7), "it saw what no disk took"
    assert not feed.gap(LATER + 1)


@pytest.mark.parametrize("again", [1, 2])
def test_what_no_disk_took_outlives_the_engine(path: Path, memory: int, again: int) -> None:
    publish(loaded(path, memory), 2)
    path.rename(path.with_name("elsewhere"))
    path.mkdir()  # nothing can be appended to a directory
    for _ in range(again):
        publish(loaded(path, memory), 1)
    path.rmdir()
    path.with_name("elsewhere").rename(path)
    publish(loaded(path, memory), 1)
    whole = list(range(1, 4 + again))
    assert numbers(loaded(path, memory)) == whole
    assert numbers(loaded(path)) == whole, "the file has it all"


def test_a_number_is_not_given_twice_though_the_file_is_removed(path: Path, memory: int) -> None:
    publish(loaded(path, memory), 5)
    path.unlink()
    feed = loaded(path, memory)
    assert not feed.gap(5)
    publish(feed, 1)
    assert numbers(feed) == [6]
    assert feed.gap(3)


def test_the_keepers_memory_is_bounded(path: Path, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of events on a full disk: the last ones are held."""
    monkeypatch.setattr(rooms, "FILE_LIMIT", 400_000)
    path.mkdir()
    publish(loaded(path, memory), 4 * KEPT)
    assert os.fstat(memory).st_size < 2_000_000
    assert numbers(loaded(path, memory)) == list(range(3 * KEPT + 1, 4 * KEPT + 1))


def test_memory_and_file_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 events in memory; two files of no more than their limit and one event."""
    monkeypatch.setattr(rooms, "FILE_LIMIT", 20_000)
    feed = Feed(path)
    publish(feed, 3 * KEPT)
    feed.close()
    assert len(feed.events) == KEPT
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 50_000
    again = loaded(path)
    assert again.last == 3 * KEPT
    assert again.gap(1)


def test_a_reader_too_far_behind_has_missed_some(path: Path) -> None:
    feed = Feed(path)
    publish(feed, KEPT + 10)
    assert feed.gap(9)
    assert not feed.gap(10)


def test_a_reader_ahead_of_an_engine_that_forgot_starts_anew(path: Path) -> None:
    """A full disk took the last events, or somebody the file: its numbers are lower than the reader's."""
    publish(Feed(path), 50)
    path.unlink()
    feed = loaded(path)
    publish(feed, 2)
    assert feed.gap(50)


def test_what_a_reader_sees_is_written(path: Path) -> None:
    """Though it was published in the very moment, and would be written when the loop has the time."""

    async def moment() -> bytes:
        feed = Feed(path)
        publish(feed, 1)
        assert [event.number for event in feed.after(0)] == [1]
        return contents()

    def contents() -> bytes:
        return path.read_bytes()

    assert b'"number":1,' in asyncio.run(moment())


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_torn_file_costs_the_torn_event_alone(path: Path, cut: int) -> None:
    publish(Feed(path), 4)
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    feed = loaded(path)
    whole = numbers(feed)
    publish(feed, 1)
    assert whole == [1, 2, 3, 4][: len(whole)]
    assert numbers(loaded(path)) == [*whole, feed.last]


def test_what_a_full_disk_did_not_take_is_written_when_there_is_room(path: Path) -> None:
    feed = Feed(path)
    publish(feed, 2)
    path.rename(path.with_name("elsewhere"))
    path.mkdir()  # nothing can be appended to a directory
    publish(feed, 3)
    assert [event.number for event in feed.events] == [1, 2, 3, 4, 5]
    path.rmdir()
    path.with_name("elsewhere").rename(path)
    publish(feed, 1)
    assert numbers(loaded(path)) == [1, 2, 3, 4, 5, 6]


async def test_waiting_ends_with_the_next_event(path: Path) -> None:
    feed = Feed(path)
    waiting = asyncio.create_task(feed.wait())
    await asyncio.sleep(0)
    publish(feed, 1)
    await asyncio.wait_for(waiting, 1)
