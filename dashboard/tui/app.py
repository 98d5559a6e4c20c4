"""The application: starts the streams, keeps the mirror, and passes every change to the screens that are seen."""

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual._styles_cache import StylesCache
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from dashboard.answers import NoAnswer, Refused
from dashboard.history import LONGEST
from dashboard.link import Away
from dashboard.mirror import Mirror, Missing, apply, with_past
from dashboard.tee import Tee
from dashboard.tui import hangup, signals
from dashboard.tui.heading import Mood
from dashboard.tui.ink import Ink
from dashboard.tui.keeping import Keeping, place
from dashboard.tui.keys import TIME_ACTIONS
from dashboard.tui.operator import Operator, Severity
from dashboard.tui.screens.main import MainScreen, ReplayScreen
from dashboard.tui.screens.shows import Shows
from dashboard.tui.source import Recorded, Source
from dashboard.tui.themes import CYCLE, DEFAULT, THEMES, with_tokens
from dashboard.tui.travel import Travel, wall_of
from supervisor.model.events import Event
from supervisor.model.snapshot import Snapshot
from supervisor.model.text import clean

PANES = 100
"""More than are ever open."""
TOGETHER = 0.1
"""Seconds in which events are gathered before they are shown."""

REMEMBERED = 3_000
"""Rows of workers that are asked of the engine's memory when the screen begins; 30 ms of work."""
REMEMBERED_EVERY = 2.0
"""Seconds between two pictures up to which the engine's, one a second, fit between them."""


class TopApp(App[int]):
    """`clusterctl top`."""

    CSS_PATH = "theme.tcss"
    TITLE = "clusterctl"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-xl")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (16, "-low"), (30, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "leave", "Quit", show=False, priority=True),
        Binding("ctrl+z", "shell", "Shell", show=False, priority=True),
    ]

    def __init__(
        self,
        source: Source,
        *,
        read_only: bool = False,
        interval: float = 1.0,
        theme: str | None = None,
        ascii_only: bool = False,
        filter: str = "",
        sort: str | None = None,
        state: Path | None = None,
    ) -> None:
        # Without colour, Textual's own palette would be greys in truecolor: so the terminal's own it is.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.pressed_at = 0.0
        """When the newest key or click was made, in monotonic seconds."""
        for one in THEMES:
            self.register_theme(one)
        self.keeping = Keeping(state)
        self.default_theme = theme if theme in self.available_themes else DEFAULT
        kept = self.keeping.kept.theme
        self.theme = kept if not theme and kept in self.available_themes else self.default_theme
        self._unknown_theme = theme if theme and theme != self.theme else None
        self.asked_filter, self.asked_sort = filter, sort
        self.set_class(ascii_only, "-ascii")
        self.source = source
        self.read_only = read_only or isinstance(source, Recorded)
        self.interval = interval
        self.ink = Ink(ascii_only)
        self.live = Mirror(received=time.monotonic())
        recorded = source if isinstance(source, Recorded) else None
        happened = recorded.happened_until if recorded else self._happened
        self.travel = Travel(source, self.show_all, self.say, happened, recorded is not None)
        self.paused = False
        self.suspended = False
        """The terminal is lent to a pager."""
        self.operator = Operator(source, self.say)
        self._streams: list[asyncio.Task[None]] = []
        self._gathering = False
        self._said = ("", 0.0)
        self.ended = threading.Event()
        """Set when the terminal is left; not by on_unmount, after which the driver writes its last."""

    def get_css_variables(self) -> dict[str, str]:
        return with_tokens(super().get_css_variables())

    def get_default_screen(self) -> Screen[Any]:
        if self.travel.recorded:
            return ReplayScreen(self)
        return MainScreen(self)

    @property
    def mirror(self) -> Mirror:
        """What is shown: the cluster as it is, or was."""
        return self.travel.mirror or self.live

    @property
    def newest(self) -> Mirror:
        """What a question starts from: what was asked for from here counts, though no picture shows it yet."""
        return self.operator.wanting.newest(self.mirror)

    @property
    def mood(self) -> Mood:
        return Mood(
            interval=self.interval,
            paused=self.paused,
            read_only=self.read_only,
            now=time.monotonic(),
            past=self.travel.label(time.time()),
            later=self.operator.later,
            recording=self.source.recording if isinstance(self.source, Tee) else "",
        )

    # Streams

    def on_mount(self) -> None:
        self._stream(self._watch())
        self._stream(self._listen())
        if isinstance(self.source, Recorded):
            self.travel.step(1)
            if self.source.trouble:
                self.say(self.source.trouble, "warning")
        self.set_interval(1.0, self._tick)
        if self._unknown_theme:
            self.set_theme(self._unknown_theme)
        loop = asyncio.get_running_loop()
        signals.listen(loop, self.exit, self._go_on)

        def leave() -> None:
            loop.call_soon_threadsafe(self.exit, 128 + signal.SIGHUP)

        def writer() -> object:
            lent = self.suspended or signals.lent(self._driver)
            return None if lent else getattr(self._driver, "_writer_thread", None)

        hangup.watch(writer, leave, self.ended)

    def _go_on(self) -> None:
        if self._driver is not None and not self._exit:
            signals.take_terminal(self._driver)
            self.refresh(layout=True)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.MouseDown | events.Click):
            # When it was pressed, not when we came to it: on a busy machine that is much later.
            self.pressed_at = event.time
        await super().on_event(event)

    async def on_unmount(self) -> None:
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        await self.travel.close()
        signals.unlisten(asyncio.get_running_loop())

    def _stream(self, work: Coroutine[Any, Any, None]) -> None:
        self._streams.append(asyncio.create_task(work))

    async def _watch(self) -> None:
        async for news in self.source.watch(self.interval):
            if isinstance(news, Away):
                self.take(Missing(since=news.since, why=news.why))
            else:
                first = self.live.snapshot is None
                self.take(news)
                if first and self.interval <= REMEMBERED_EVERY and not self.travel.recorded:
                    self._stream(self._remember(news))

    async def _remember(self, first: Snapshot) -> None:
        """Graphs begin with what the engine has kept, and not empty; as much of it as costs next to nothing."""
        workers = sum(len(pool.workers) for pool in first.pools)
        frames = min(LONGEST - 1, REMEMBERED // max(1, workers))
        if frames < 10:
            return
        try:
            pictures = await self.source.past(first.time, frames)
        except (NoAnswer, Refused):
            return
        past = Mirror()
        for picture in pictures:
            if picture.revision < first.revision:
                past = apply(past, picture, 0.0)
        self.live = with_past(self.live, past)
        if not self.paused and self.travel.mirror is None:
            self.show_all()

    async def _listen(self) -> None:
        async for event in self.source.events(0):
            self.live = apply(self.live, event, time.monotonic())
            if not self._gathering:
                self._gathering = True
                self.set_timer(TOGETHER, self._show_events)

    def take(self, news: Snapshot | Event | Missing) -> None:
        """One piece of news, at once on the screen unless that is paused."""
        self.live = apply(self.live, news, time.monotonic())
        self.operator.look(self.live)
        if not self.paused and self.travel.mirror is None:
            self.show_all()

    def _show_events(self) -> None:
        self._gathering = False
        if self.paused or self.travel.mirror is not None:
            return
        match self.screen_stack:
            case [*_, MainScreen() as screen]:
                screen.show_events(self.live)
            case _:  # another one; or none any more, where we are ending
                self.show_all()

    def show_all(self) -> None:
        """The mirror, on every screen that can be seen: from the top down to the first that hides the rest."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Shows):
                screen.show_mirror(self.mirror)
            if not isinstance(screen, ModalScreen):
                return

    def _tick(self) -> None:
        """Ages grow though no news comes."""
        if StylesCache.get_inner_outer.cache_info().currsize > PANES:
            # Meant to be kept for the class, it is kept for each pane: hundreds that were closed long ago.
            StylesCache.get_inner_outer.cache_clear()
        if (
            self.travel.mirror
            or self.mirror.away is not None
            or time.monotonic() - self.mirror.received > 1.5 * self.interval
        ):
            self.show_all()

    # The past

    def _happened(self, wall: float) -> tuple[Event, ...]:
        return tuple(event for event in self.live.events if wall_of(event.time) <= wall)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where a text is typed, the keys of time are letters."""
        return not (action in TIME_ACTIONS and isinstance(self.focused, Input))

    def action_step(self, frames: int, seconds: float = 0.0) -> None:
        self.travel.step(frames, seconds)

    def action_now(self) -> None:
        self.travel.now()

    def action_faster(self, by: int) -> None:
        self.travel.faster(by)

    @property
    def fixed(self) -> bool:
        """Nothing can be changed."""
        return self.read_only or self.travel.mirror is not None

    def only_now(self) -> bool:
        """Whether a change may be asked for; if not, the operator is told why."""
        if self.travel.recorded:
            self.say("this is a recording: nothing can be changed", "warning")
        elif self.read_only:
            self.say("this screen is read-only", "warning")
        elif self.travel.mirror is not None:
            self.say(f"this picture is of {self.travel.label(time.time())}: ` is now, then change it", "warning")
        return not self.fixed

    # What every screen can do

    def say(self, message: str, severity: Severity = "information") -> None:
        """A word to the operator; the same word again within a few seconds would only cover the screen."""
        now = time.monotonic()
        if message == self._said[0] and now - self._said[1] < 5.0:
            return
        self._said = (message, now)
        self.notify(clean(message, 400), severity=severity, markup=False, timeout=5 if severity != "error" else 12)

    def action_leave(self) -> None:
        self.exit(0)

    def action_shell(self) -> None:
        if not signals.stop(self._driver):
            self.say("no shell waits behind this screen", "warning")

    def action_theme(self) -> None:
        at = CYCLE.index(self.theme) if self.theme in CYCLE else -1
        self.set_theme(CYCLE[(at + 1) % len(CYCLE)])

    def set_theme(self, name: str) -> None:
        if name not in self.available_themes:
            self.say(f"no theme {name!r}; there are {', '.join(sorted(self.available_themes))}", "warning")
            return
        self.theme = name
        self.keeping.kept.theme = name
        self.keeping.write()
        self.say(f"theme {name}")

    def on_app_blur(self, event: events.AppBlur) -> None:
        event.stop()

    def _fatal_error(self) -> None:
        """As Textual's, but without the values of local variables: they may hold an operator's secrets."""
        from rich.segment import Segments
        from rich.traceback import Traceback

        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()


def few_colours(environ: Mapping[str, str]) -> bool:
    """Whether the terminal has 16 colours or fewer, as Rich finds it out."""
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return False
    return environ.get("TERM", "").rpartition("-")[2] not in ("256color", "kitty", "direct")


def run(
    link: Source,
    *,
    read_only: bool = False,
    interval: float = 1.0,
    theme: str | None = None,
    ascii: bool = False,
    filter: str = "",
    sort: str | None = None,
    mouse: bool = True,
    colour: bool = True,
) -> int:
    """The screen on one cluster, until the operator leaves it; what `clusterctl top` exits with."""
    plain = ascii or "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
    if theme is None and few_colours(os.environ):
        theme = "ansi-dark"  # 16 colours turn pastels white
    if not colour:
        os.environ["NO_COLOR"] = "1"  # Textual reads it, and so does a pager that the operator calls
    # What was imported stays: looked through again and again, it would hold up keys for 50 ms.
    gc.freeze()
    app = TopApp(
        link,
        read_only=read_only,
        interval=interval,
        theme=theme,
        ascii_only=plain,
        filter=filter,
        sort=sort,
        state=place(),
    )
    try:
        result = app.run(mouse=mouse)
    finally:
        app.ended.set()
    return result if isinstance(result, int) else app.return_code or 0
