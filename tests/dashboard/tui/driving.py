"""A screen under test, driven by keys, read as text."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace
from rich.cells import cell_len
from textual import events
from textual.pilot import Pilot

from dashboard.tui.app import TopApp
from dashboard.tui.heading import Mood
from dashboard.tui.screens.main import MainScreen
from tests.dashboard.tui.simulated import Simulated

_NAMES = {" ": "space", "=": "equals_sign", "+": "plus", ".": "full_stop", ":": "colon", ">": "greater_than_sign"}
_NAMES |= {"[": "left_square_bracket", "]": "right_square_bracket", "`": "grave_accent", "/": "slash"}
_NAMES |= {"{": "left_curly_bracket", "}": "right_curly_bracket", "(": "left_parenthesis", ")": "right_parenthesis"}
_CHARACTERS = {name: character for character, name in _NAMES.items()}


class Driver:
    def __init__(self, app: TopApp, pilot: Pilot[int], source: Simulated) -> None:
        self.app = app
        self.pilot = pilot
        self.source = source

    @property
    def main(self) -> MainScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    def lines(self) -> list[str]:
        """What stands on the terminal now."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def text(self) -> str:
        return "\n".join(self.lines())

    async def press(self, *keys: str) -> None:
        """Keys as a person presses them: the next one when the screen has taken the last."""
        for key in keys:
            self._post(key)
            await self.pilot._wait_for_screen()
            await self.until(lambda: self.app.screen.is_mounted)
        await self.pilot.pause(0.005)

    async def click(self, words: str) -> None:
        """The mouse on the first place where these words stand."""
        line, text = next((y, text) for y, text in enumerate(self.lines()) if words in text)
        await self.pilot.click(offset=(cell_len(text[: text.index(words)]) + 1, line))
        await self.pilot.pause(0.02)

    async def type_ahead(self, *keys: str) -> None:
        """Keys that arrive all at once, as over a slow line or by a paste."""
        for key in keys:
            self._post(key)
        await self.pilot.pause(0.05)

    def _post(self, key: str) -> None:
        name = _NAMES.get(key, key)
        character = key if len(key) == 1 else _CHARACTERS.get(key)
        self.app.post_message(events.Key(name, character))

    async def until(self, condition: Callable[[], bool], within: float = 5.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, self.text()
            await self.pilot.pause(0.01)

    async def see(self, *words: str) -> None:
        await self.until(lambda: all(word in self.text() for word in words))

    async def step(self, seconds: int = 1) -> None:
        """Let the simulated time go on, and wait until the screen has it."""
        self.source.step(seconds)
        revision = self.source.second + 1
        await self.until(
            lambda: self.app.mirror.snapshot is not None and self.app.mirror.snapshot.revision == revision
        )
        await self.pilot.pause()

    @property
    def revision(self) -> int:
        snapshot = self.app.mirror.snapshot
        return snapshot.revision if snapshot else 0

    def changes(self) -> list[tuple[str, str, dict[str, object]]]:
        """Requests that were more than a question for the plan."""
        return [(method, path, body) for method, path, body, dry in self.source.asked if not dry]


class Ageless(TopApp):
    """A simulated cluster stands still between two steps: on a slow machine no picture of it gets old for that."""

    CSS_PATH = str(Path(inspect.getfile(TopApp)).with_name("theme.tcss"))

    @property
    def mood(self) -> Mood:
        mood = super().mood
        return mood if self.mirror.away is not None else replace(mood, now=self.mirror.received)


@asynccontextmanager
async def screen(
    source: Simulated | None = None,
    size: tuple[int, int] = (120, 40),
    *,
    read_only: bool = False,
    ascii: bool = False,
    filter: str = "",
    sort: str | None = None,
    state: Path | None = None,
    rows: bool = True,
) -> AsyncIterator[Driver]:
    source = source or Simulated()
    app = Ageless(source, read_only=read_only, ascii_only=ascii, filter=filter, sort=sort, state=state)
    async with app.run_test(size=size, notifications=True) as pilot:
        driver = Driver(app, pilot, source)
        await driver.until(
            lambda: app.mirror.snapshot is not None and (not rows or bool(driver.main.worker_table.order))
        )
        await pilot.pause()
        # How long a busy machine took to get here is no silence of the cluster's.
        app.live = replace(app.live, received=time.monotonic())
        app.show_all()
        await pilot.pause()
        yield driver
        await asyncio.sleep(0)
    app.ended.set()
