"""Every screen looks as it did when somebody last looked at it: at three sizes, in two themes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.tui.goldens import GOLDEN, in_utc, picture
from tests.dashboard.tui.scenes import SCENES

pytestmark = pytest.mark.real
"""No process is started, but it takes a while, and `make check` is to take none."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    in_utc()
    yield
    monkeypatch.undo()


@pytest.mark.parametrize("name", SCENES)
async def test_a_screen_looks_as_it_did(name: str) -> None:
    seen = await picture(name)
    before = (GOLDEN / f"{name}.txt").read_text()
    assert seen == before, f"if it is meant: python -m tests.dashboard.tui.goldens {name}, and look at git diff"


def test_no_golden_is_of_a_screen_that_is_no_more() -> None:
    assert {path.stem for path in Path(GOLDEN).glob("*.txt")} == set(SCENES)
