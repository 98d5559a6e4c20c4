"""The post-mortem: an operator looks at a recording, steps and plays it, and can change nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual import events
from textual.pilot import Pilot

from dashboard.replaying import Replay
from dashboard.tui.app import TopApp
from tests.dashboard.test_recording import recorded
from tests.dashboard.tui.driving import _NAMES


class Viewer:
    def __init__(self, app: TopApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    def text(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        for key in keys:
            self.app.post_message(events.Key(_NAMES.get(key, key), key if len(key) == 1 else None))
            await self.pilot._wait_for_screen()

    async def see(self, *words: str) -> None:
        for _ in range(500):
            if all(word in self.text() for word in words):
                return
            await self.pilot.pause(0.01)
        raise AssertionError(self.text())


@asynccontextmanager
async def replaying(path: Path) -> AsyncIterator[Viewer]:
    replay = Replay(path)
    app = TopApp(replay)
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        yield Viewer(app, pilot)
    app.ended.set()
    replay.close()


async def test_a_recording_begins_with_its_first_picture_and_is_stepped_through(tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 30)
    async with replaying(tmp_path / "rec") as viewer:
        await viewer.see("REPLAY", "1 of 30", "web.0", "second 1")
        await viewer.press("]", "]")
        await viewer.see("3 of 30", "second 3")
        await viewer.press("[")
        await viewer.see("2 of 30")
        assert "second 3" not in viewer.text()
        await viewer.press("}")
        await viewer.see("30 of 30")


async def test_a_recording_plays_to_its_end_and_stays_there(tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 20)
    async with replaying(tmp_path / "rec") as viewer:
        await viewer.see("1 of 20")
        await viewer.press(*"))))))))", "space")
        await viewer.see("playing 60x")
        await viewer.see("20 of 20 ")
        await viewer.press("(", "(", "(", "(", "space")
        await viewer.see("playing 2x")


async def test_nothing_can_be_changed_in_a_recording_and_no_such_key_is_offered(tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 3)
    async with replaying(tmp_path / "rec") as viewer:
        await viewer.see("1 of 3", "READ-ONLY")
        stack = list(viewer.app.screen_stack)
        await viewer.see("a recording has no log")
        await viewer.press("d", "r", "R", "x", "s", "+")
        assert viewer.app.screen_stack == stack
        await viewer.see("this is a recording: nothing can be changed")
        await viewer.press("question_mark")
        await viewer.see("play the recording, or hold")
        assert "replace the worker gracefully" not in viewer.text()


async def test_a_damaged_recording_says_what_is_lost_and_shows_the_rest(tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 10)
    whole = (tmp_path / "rec").read_bytes()
    (tmp_path / "rec").write_bytes(whole[:-100])
    async with replaying(tmp_path / "rec") as viewer:
        await viewer.see("1 of 9", "of no whole record")
