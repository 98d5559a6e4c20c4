"""The slope that the pages tell, and how sure it is."""

import random
from itertools import accumulate

import pytest

from tests.benchmarks.growth import slope

TIMES = [30.0 * n for n in range(80)]


def test_a_straight_line_is_told_as_it_is() -> None:
    grown, error = slope([(at, 40 + 2 * at / 3600) for at in TIMES])
    assert grown == pytest.approx(2)
    assert error == pytest.approx(0, abs=1e-6)


def test_what_only_wanders_is_seldom_called_growth() -> None:
    """Of 200 heaps that keep nine tenths of their deviation from one reading to the next, and grow by nothing."""
    dice = random.Random(1)
    called = 0
    for _ in range(200):
        off = accumulate((dice.gauss(0, 0.1) for _ in TIMES), lambda before, new: 0.9 * before + new)
        grown, error = slope(list(zip(TIMES, off, strict=True)))
        called += abs(grown) > 2 * error
    assert called < 60  # were the readings independent, it would be more than half


def test_growth_in_noise_is_seen() -> None:
    dice = random.Random(1)
    grown, error = slope([(at, 40 + 2 * at / 3600 + dice.gauss(0, 0.1)) for at in TIMES])
    assert grown > 2 * error
