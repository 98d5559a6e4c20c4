"""The short form of `python -m tests.benchmarks growth`: what thousands of operations leave behind is nothing."""

import random
from statistics import median

import pytest

from tests.benchmarks._cluster import cluster
from tests.benchmarks._readings import anonymous_mib
from tests.benchmarks.growth import POOLS, one_operation

pytestmark = pytest.mark.real

FULL = 1_500
"""Operations until what is kept of them is full: 2,000 events, 50 operations."""
MORE = 3_000
MOST = 1.5
"""MiB: 500 bytes an operation would be seen. Heaps go up and down by half a MiB."""


def test_thousands_of_random_operations_leave_the_memory_as_it_was() -> None:
    dice = random.Random(3)
    sizes = []
    with cluster(POOLS) as here:
        here.settle()
        for done in range(FULL + MORE):
            one_operation(here, dice)
            if done >= FULL and done % 100 == 0:
                sizes.append(anonymous_mib(here.own))
        assert here.snapshot()["pools"]
    tenth = len(sizes) // 10
    assert median(sizes[-tenth:]) - median(sizes[:tenth]) < MOST, sizes
