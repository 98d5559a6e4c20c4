"""What grows over an hour is seen on a worker's page, though its graphs hold two minutes."""

from datetime import timedelta
from itertools import pairwise

import pytest

from dashboard.tui.hour import LEAST, MOST, ROWS, WORTH, evenly, hour_lines, last_hour
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import START, Simulated


def remembered(seconds: int = 3_000, every: int = 15, web: int = 3) -> Simulated:
    source = Simulated(web=web)
    source.leaks["web.1"] = 1 << 20
    for second in range(0, seconds + 1, every):
        source.second = second
        source.kept.append(source.picture())
    return source


def test_stamps_that_lie_closer_together_the_newer_they_are_are_taken_evenly() -> None:
    seconds = [*range(0, 3_000, 15), *range(3_000, 3_600, 5), *range(3_600, 3_721)]
    stamps = [(START + timedelta(seconds=one)).isoformat() for one in seconds]
    taken = [seconds[stamps.index(one)] for one in evenly(stamps, 32)]
    assert taken[0] == 0
    assert taken[-1] == 3_720
    assert all(100 <= later - one <= 140 for one, later in pairwise(taken))


async def test_a_leak_is_a_slope() -> None:
    hour = await last_hour(remembered(), "web.1", 5)
    assert hour is not None
    assert hour.seconds == 3_000
    assert len(hour.memory) == MOST
    assert hour.memory[-1] - hour.memory[0] > 2_500 << 20
    text = "\n".join("".join(text for text, _ in line) for line in hour_lines(hour, 80))
    assert text.startswith("the last 50m")
    assert "≤3." in text


async def test_where_nobody_filled_the_slot_nothing_is_known() -> None:
    source = remembered()
    hour = await last_hour(source, "web.9", 5)
    assert hour is not None
    assert all(value != value for value in hour.memory)
    assert "".join(text for line in hour_lines(hour, 80) for text, _ in line) == "the last 50m00s  –"


@pytest.mark.parametrize(
    ("seconds", "rows"), [(int(WORTH) - 20, 5), (3_000, ROWS // LEAST + 1)], ids=["too short", "too many rows"]
)
async def test_what_shows_no_more_or_costs_too_much_is_not_asked_for(seconds: int, rows: int) -> None:
    assert await last_hour(remembered(seconds), "web.1", rows) is None


async def test_the_page_of_a_worker_shows_its_last_hour_and_in_the_past_it_does_not() -> None:
    async with screen(remembered(), (120, 60)) as s:
        await s.press("down", "enter")
        await s.see("worker web.1", "the last 50m", "≤3.")
        await s.press("[")
        await s.see("REPLAY")
        await s.until(lambda: "the last 50m" not in s.text())
