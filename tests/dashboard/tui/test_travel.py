"""Time travel: an operator steps the whole screen back to what was, and forth to now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from supervisor.model.snapshot import Snapshot
from tests.dashboard.tui.driving import Driver, screen
from tests.dashboard.tui.simulated import START, Simulated


@asynccontextmanager
async def after_a_minute(web: int = 3) -> AsyncIterator[Driver]:
    """A cluster of which sixty pictures are kept; at its 30th second web.1 crashed and stayed down."""
    source = Simulated(web=web)
    for second in range(60):
        if second == 29:
            source.crash("web.1")
            source.phases["web.1"] = "backing-off"
        source.second += 1
        source.kept.append(source.picture())
    async with screen(source) as driver:
        await driver.step()
        yield driver


def shown(driver: Driver) -> int:
    snapshot = driver.app.mirror.snapshot
    return snapshot.revision - 1 if snapshot else -1


async def test_an_operator_steps_back_and_sees_the_picture_of_then_and_how_old_it_is() -> None:
    async with after_a_minute() as driver:
        await driver.press("[", "[", "[")
        await driver.until(lambda: shown(driver) == 59)
        await driver.see("REPLAY", " ago")
        await driver.press("]")
        await driver.until(lambda: shown(driver) == 60)


async def test_a_minute_back_and_what_had_crashed_since_is_alive_again() -> None:
    async with after_a_minute() as driver:
        await driver.see("back-off")
        await driver.press("{")
        await driver.until(lambda: shown(driver) == 1)
        assert "back-off" not in driver.text()
        assert driver.app.mirror.events == ()


class Slow(Simulated):
    """Its past comes only when a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for = 0
        self.let = asyncio.Event()

    async def past(self, at: str, count: int) -> list[Snapshot]:
        if self.kept:
            self.asked_for += 1
            await self.let.wait()
        return await super().past(at, count)


async def test_who_goes_back_to_now_stays_there_though_the_past_comes_later() -> None:
    source = Slow()
    async with screen(source) as driver:
        await driver.step()
        await driver.press("[")
        await driver.until(lambda: source.asked_for == 1)
        await driver.press("`")
        source.let.set()
        await driver.step()
        await driver.press("?", "escape")
        assert driver.app.travel.mirror is None
        assert "REPLAY" not in driver.text()
        await driver.press("[")
        await driver.see("REPLAY")


async def test_news_do_not_move_the_past_and_now_is_one_key_away() -> None:
    async with after_a_minute() as driver:
        await driver.press("[")
        await driver.see("REPLAY")
        at = shown(driver)
        driver.source.step()
        await driver.until(lambda: driver.app.live.snapshot is not None and driver.app.live.snapshot.revision == 63)
        assert shown(driver) == at
        await driver.press("`")
        assert shown(driver) == 62
        assert "REPLAY" not in driver.text()


async def test_stepping_on_past_the_newest_picture_is_now() -> None:
    async with after_a_minute() as driver:
        await driver.press("[")
        await driver.see("REPLAY")
        await driver.press("]")
        await driver.until(lambda: driver.app.travel.mirror is None)
        assert "REPLAY" not in driver.text()


async def test_a_time_of_day_is_gone_to_by_its_name() -> None:
    then = datetime.fromtimestamp(START.timestamp() + 17)
    async with after_a_minute() as driver:
        await driver.press("colon", *f"at {then:%H:%M:%S}", "enter")
        await driver.until(lambda: shown(driver) == 17)
        await driver.press("colon", *f"at {then - timedelta(hours=2):%H:%M}", "enter")
        await driver.see("is kept: there are those of")
        assert shown(driver) == 17
        await driver.press("colon", *"at noon", "enter")
        await driver.see("at noon? a time of day")
        await driver.press("colon", *"at now", "enter")
        await driver.until(lambda: driver.app.travel.mirror is None)


async def test_graphs_of_the_past_are_those_of_then() -> None:
    async with after_a_minute() as driver:
        await driver.press("{")
        await driver.until(lambda: shown(driver) == 1)
        await driver.press("]")
        await driver.until(lambda: shown(driver) == 2)
        views = driver.app.mirror.workers.values()
        assert {len(view.history.cpu) for view in views} == {2}


async def test_nothing_can_be_changed_in_the_past() -> None:
    async with after_a_minute() as driver:
        await driver.press("[")
        await driver.see("REPLAY")
        for key in ("d", "r", "R", "+", "x", "m"):
            await driver.press(key)
            assert driver.app.screen is driver.main
        await driver.see("this picture is of")
        assert driver.source.asked == []


async def test_before_the_oldest_picture_there_is_nothing_and_that_is_said() -> None:
    async with after_a_minute() as driver:
        await driver.press("{", "{")
        await driver.see("the oldest picture")
        assert shown(driver) == 1


async def test_an_engine_that_keeps_nothing_yet_is_no_trouble() -> None:
    async with screen(Simulated()) as driver:
        await driver.press("[")
        await driver.see("no picture of the past is kept yet")
        assert driver.app.travel.mirror is None


async def test_brackets_are_letters_where_a_text_is_typed() -> None:
    async with after_a_minute() as driver:
        await driver.press("/", "[", "`")
        await driver.until(lambda: driver.main.filter == "[`")
        assert driver.app.travel.mirror is None


async def test_the_past_plays_on_until_it_is_now() -> None:
    async with after_a_minute() as driver:
        await driver.press(*"[[[[[[")
        await driver.until(lambda: shown(driver) == 56)
        await driver.press(*"))))))))", "p")
        await driver.see("playing 60x")
        await driver.until(lambda: driver.app.travel.mirror is None)
        assert not driver.app.travel.playing


async def test_a_page_of_a_worker_goes_back_in_time_too() -> None:
    async with after_a_minute() as driver:
        await driver.press("enter", "{")
        await driver.until(lambda: shown(driver) == 1)
        await driver.see("worker web.0", "REPLAY")
