"""Events are numbered for ever and kept for a while; a reader that missed some is told so."""

from pathlib import Path

import pytest

from supervisor.engine import feed as rooms
from supervisor.engine.feed import KEPT, Feed


def publish(feed: Feed, count: int) -> None:
    for number in range(count):
        feed.publish("2026-01-01T00:00:00.000Z", "test", "web.0", f"line {number}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def loaded(path: Path) -> Feed:
    feed = Feed(path)
    feed.load()
    return feed


def test_numbers_go_on_in_the_next_engine(path: Path) -> None:
    publish(Feed(path), 5)
    feed = loaded(path)
    publish(feed, 1)
    assert [event.number for event in feed.events] == [1, 2, 3, 4, 5, 6]
    assert not feed.gap(3)
    assert [event.number for event in feed.after(4)] == [5, 6]


def test_memory_and_file_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 events in memory; two files of no more than their limit and one event."""
    monkeypatch.setattr(rooms, "FILE_LIMIT", 20_000)
    feed = Feed(path)
    publish(feed, 3 * KEPT)
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


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_torn_file_costs_the_torn_event_alone(path: Path, cut: int) -> None:
    publish(Feed(path), 4)
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    feed = loaded(path)
    whole = feed.last
    publish(feed, 1)
    assert [event.number for event in loaded(path).events] == list(range(1, whole + 2))


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
    assert [event.number for event in loaded(path).events] == [1, 2, 3, 4, 5, 6]


async def test_waiting_ends_with_the_next_event(path: Path) -> None:
    import asyncio

    feed = Feed(path)
    waiting = asyncio.create_task(feed.wait())
    await asyncio.sleep(0)
    publish(feed, 1)
    await asyncio.wait_for(waiting, 1)
