"""Readings in shared columns against what they stand for: a list for each row, begun anew when it comes again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.history import LONGEST, Coming, History, after, summed

NAMES = "abcd"
PICTURES = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.tuples(*[st.none() | st.integers(0, 1 << 20)] * 3)), max_size=12
)
Rows = dict[str, tuple[int | None, int | None, int | None]]
Lists = dict[str, list[tuple[int | None, int | None, int | None]]]


def picture(before: dict[str, History], rows: Rows) -> dict[str, History]:
    coming = Coming(before.values)
    return {name: coming.take(History, before.get(name), *readings) for name, readings in rows.items()}


def told(tracks: dict[str, History]) -> Lists:
    return {
        name: [
            (
                None if math.isnan(a) else int(a),
                None if math.isnan(b) else int(b),
                None if math.isnan(c) else int(c),
            )
            for a, b, c in zip(track.cpu, track.memory, track.rate, strict=True)
        ]
        for name, track in tracks.items()
    }


@given(PICTURES)
def test_every_picture_tells_what_its_rows_have_seen_however_many_come_after(pictures: list[Rows]) -> None:
    lists: Lists = {}
    tracks: dict[str, History] = {}
    made, meant = [], []
    for rows in pictures:
        lists = {name: [*lists.get(name, []), readings] for name, readings in rows.items()}
        tracks = picture(tracks, rows)
        made.append(tracks)
        meant.append(lists)
    assert [told(one) for one in made] == meant


@given(PICTURES, PICTURES)
def test_a_past_that_is_learnt_later_comes_before_what_was_seen(then: list[Rows], now: list[Rows]) -> None:
    past: dict[str, History] = {}
    for rows in then:
        past = picture(past, rows)
    seen: dict[str, History] = {}
    for rows in now:
        seen = picture(seen, rows)
    before, alone = told(past), told(seen)
    # Who was not there all the time is another one: its past is its own.
    pictures = max((len(track.columns.kept) for track in seen.values()), default=0)
    meant = {
        name: (before.get(name, []) if len(lines) == pictures else []) + lines for name, lines in alone.items()
    }
    assert told(after(past, seen)) == meant
    assert told(seen) == alone


def test_seats_of_those_that_are_gone_are_given_again() -> None:
    tracks: dict[str, History] = {}
    for number in range(100):
        tracks = picture(tracks, {str(number + at): (number, None, None) for at in range(10)})
    assert len(next(iter(tracks.values())).columns.kept[-1]) <= 3 * (10 + 10)


def test_no_more_than_the_longest_is_kept_of_what_is_seen_and_of_what_was() -> None:
    tracks: dict[str, History] = {}
    for number in range(LONGEST + 7):
        tracks = picture(tracks, {"a": (number, None, None)})
    assert list(tracks["a"].cpu) == list(range(7, LONGEST + 7))
    assert list(tracks["a"].last(3).cpu) == [LONGEST + 4, LONGEST + 5, LONGEST + 6]
    new = picture({}, {"a": (1000, None, None)})
    assert list(after(tracks, new)["a"].cpu) == [*range(8, LONGEST + 7), 1000]


@pytest.mark.parametrize("unknown", [True, False])
def test_a_sum_counts_each_row_while_it_was_there(unknown: bool) -> None:
    tracks = picture({}, {"a": (1, None, None)})
    tracks = picture(tracks, {"a": (2, None, None), "b": (None if unknown else 10, None, None)})
    tracks = picture(tracks, {"a": (3, None, None), "b": (20, None, None)})
    assert list(summed(tracks.values(), 0)) == [1, 2 if unknown else 12, 23]
    assert list(summed([], 0)) == []
