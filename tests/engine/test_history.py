"""What is kept of the last hour: how fine, how much, and what it costs."""

import asyncio
import time
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from supervisor.engine.history import SHARE, History, keep
from supervisor.model.snapshot import Snapshot
from tests.api.fake_door import picture

BEGIN = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC).timestamp()


def at(second: float, base: Snapshot) -> Snapshot:
    """The picture of that second."""
    time = datetime.fromtimestamp(BEGIN + second, UTC).isoformat(timespec="milliseconds")
    return replace(base, time=time, revision=int(second))


def an_hour(kept: History, base: Snapshot, seconds: int = 5000) -> None:
    for second in range(seconds):
        if second % kept.step == 0:
            kept.add(at(second, base), 7000.0 + second)
    kept.thin(7000.0 + seconds)


def ages(kept: History, seconds: int = 5000) -> list[float]:
    return [BEGIN + seconds - one.wall for one in kept.until(BEGIN + seconds, 10_000)]


def test_the_last_hour_is_kept_and_gets_coarser_with_age() -> None:
    """1 s for two minutes, 5 s for a quarter of an hour, 15 s for the hour; and nothing older."""
    kept = History()
    an_hour(kept, picture(2))
    found = ages(kept)
    gaps = [(older, older - newer) for older, newer in pairwise(found)]
    assert {gap for age, gap in gaps if age <= 120} == {1.0}
    assert {gap for age, gap in gaps if 125 < age <= 900} == {5.0}
    assert {gap for age, gap in gaps if age > 920} == {15.0}
    assert 3585 <= found[0] <= 3600
    assert kept.stretch == 1


def test_each_picture_is_what_it_was_however_much_was_let_go_before_it() -> None:
    """They are moved together in memory, and are of different sizes."""
    kept = History(limit=40_000)
    for second in range(1000):
        kept.add(at(second, picture(second % 7)), 7000.0 + second)
    assert kept.stretch > 1
    found = kept.until(BEGIN + 1000, 10_000)
    assert len(found) == len(kept) > 20
    for one in found:
        second = round(one.wall - BEGIN)
        assert msgspec.json.decode(one.snapshot(), type=Snapshot) == at(second, picture(second % 7))


def test_a_thousand_workers_stay_within_the_bound_and_the_hour_stays_whole() -> None:
    """At the bound every step doubles until all fits; the hour is not cut."""
    kept = History(limit=2 << 20)  # a quarter of the real one, so that the test is quick
    worst = 0
    base = picture(1000)
    for second in range(0, 5000, 5):
        if second % kept.step == 0 or kept.step < 5:
            kept.add(at(second, base), float(second))
            worst = max(worst, kept.size)
    kept.thin(5000.0)
    assert worst <= kept.limit
    assert kept.size == sum(len(one.packed) for one in kept.until(BEGIN + 5000, 10_000))
    assert kept.stretch > 1
    assert ages(kept)[0] > 3600 - 15 * kept.stretch * 2
    assert kept.step == kept.stretch


def test_after_a_shrink_the_steps_get_fine_again() -> None:
    kept = History(limit=1_000_000)
    an_hour(kept, picture(500), 300)
    assert kept.stretch > 1
    for second in range(300, 5000):
        if second % kept.step == 0:
            kept.add(at(second, picture(0)), 7000.0 + second)
    assert kept.stretch == 1


def test_a_picture_larger_than_the_bound_is_kept_alone() -> None:
    kept = History(limit=10)
    for second in range(3):
        kept.add(at(second, picture(2)), float(second))
    assert len(kept) == 1
    assert kept.until(BEGIN + 10)[0].time.startswith("2026-11-23T12:00:02")


def test_the_picture_nearest_before_a_moment_is_found() -> None:
    kept = History()
    for second in (0, 1, 2):
        kept.add(at(second, picture(1)), float(second))
    (found,) = kept.until(BEGIN + 1.7)
    assert msgspec.json.decode(found.snapshot(), type=Snapshot) == at(1, picture(1))
    assert [one.wall - BEGIN for one in kept.until(BEGIN + 9, 2)] == [1, 2]
    assert kept.until(BEGIN - 0.1) == []


@pytest.mark.parametrize("count", [100, 1000])
async def test_pictures_are_taken_no_oftener_than_their_share_of_a_core_allows(count: int) -> None:
    """The pause after a picture is at least its processor time divided by the share."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    began = time.thread_time()
    with pytest.raises(asyncio.CancelledError):
        await keep(History(), lambda: at(0, picture(count)), pause)
    spent = time.thread_time() - began
    assert all(pause >= 1.0 for pause in pauses)
    assert spent / (spent + sum(pauses)) < SHARE * 1.5
