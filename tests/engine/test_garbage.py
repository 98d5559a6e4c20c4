"""What holds itself in a circle does not wait until there are many of its kind."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from supervisor.boot import Garbage


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def by_hand() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_circles_are_looked_for_every_fifteen_seconds(by_hand: None) -> None:
    now = 100.0
    garbage = Garbage(lambda: now)
    for turn in range(3):
        left = weakref.ref(Circle())
        now = 100 + 15 * turn + 14
        garbage.look()
        assert left() is not None
        now += 1
        garbage.look()
        assert left() is None
