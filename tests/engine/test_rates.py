"""Rates from counters that may start again: never negative, never huge, None until two readings compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.engine.rates import WINDOW, Rates, Reading

KEY = ("web", "web.0")


def read(rates: Rates, at: float, requests: int | None, errors: int | None = 0) -> None:
    rates.add(KEY, Reading(at=at, requests=requests, errors=errors))


def test_one_reading_is_no_rate() -> None:
    rates = Rates()
    assert rates.of(KEY) == (None, None)
    read(rates, 1.0, 100)
    assert rates.of(KEY) == (None, None)


def test_two_readings_are_the_rate_between_them() -> None:
    rates = Rates()
    read(rates, 1.0, 100)
    read(rates, 3.0, 140, 4)
    assert rates.of(KEY) == (20.0, 2.0)


def test_two_readings_in_quick_succession_are_no_rate_yet() -> None:
    rates = Rates()
    read(rates, 1.0, 100)
    read(rates, 1.01, 112)
    assert rates.of(KEY) == (None, None)
    read(rates, 2.0, 130)
    assert rates.of(KEY) == (30.0, 0.0)


def test_a_counter_that_starts_again_is_waited_out() -> None:
    """The first reading after it says nothing; the next one does."""
    rates = Rates()
    read(rates, 1.0, 1_000_000)
    read(rates, 2.0, 3)
    assert rates.of(KEY) == (None, None)
    read(rates, 3.0, 13)
    assert rates.of(KEY) == (10.0, 0.0)


def test_what_is_not_counted_is_unknown_and_not_zero() -> None:
    rates = Rates()
    read(rates, 1.0, None, 1)
    read(rates, 2.0, None, 3)
    assert rates.of(KEY) == (None, 2.0)


def test_a_backend_that_went_is_forgotten() -> None:
    rates = Rates()
    read(rates, 1.0, 1)
    read(rates, 2.0, 2)
    rates.retain(set())
    assert rates.of(KEY) == (None, None)


@given(
    steps=st.lists(
        st.tuples(st.floats(0.01, 3.0), st.one_of(st.integers(0, 500), st.just(-1))), min_size=2, max_size=40
    )
)
def test_whatever_comes_a_rate_is_one_that_was(steps: list[tuple[float, int]]) -> None:
    """-1 is a counter that starts again. The rate lies between the slowest and the fastest step of the window."""
    rates, at, count = Rates(), 0.0, 0
    recent: list[tuple[float, float]] = []
    for seconds, more in steps:
        at += seconds
        if more < 0:
            count, recent = 0, []
        else:
            recent.append((at, more / seconds))
        count += max(0, more)
        read(rates, at, count)
        found = rates.of(KEY)[0]
        if found is not None:
            # A counter that starts again at no less than it had cannot be told from one that did not.
            assert found >= 0
            fastest = max(rate for _, rate in recent) if recent else 0.0
            assert found <= fastest * 1.001 + 0.001 or count == 0


def test_the_window_is_short() -> None:
    """What happened before it does not count any more."""
    rates = Rates()
    read(rates, 0.0, 0)
    read(rates, 1.0, 100_000)
    for second in range(2, 20):
        read(rates, float(second), 100_000)
    assert rates.of(KEY)[0] == pytest.approx(0.0)
    assert WINDOW < 18
