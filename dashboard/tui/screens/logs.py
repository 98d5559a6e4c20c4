"""The log of one worker or of a pool: follow, search, scroll sideways, copy."""

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen

from dashboard.answers import NoAnswer, Refused
from dashboard.tui.keys import LOG_KEYS
from dashboard.tui.paging import copy, page_out
from dashboard.tui.say import plural
from dashboard.tui.screens.page import bindings
from dashboard.tui.widgets.box import Box
from dashboard.tui.widgets.footer import KeyLine
from dashboard.tui.widgets.lines import Lines
from dashboard.tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

TOGETHER = 0.1
"""Seconds in which lines are gathered before they are painted."""
AT_FIRST = 1_000
COPIED = 200


class LogScreen(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = bindings(LOG_KEYS)

    def __init__(self, top: "TopApp", target: str) -> None:
        super().__init__()
        self.top = top
        self.target = target
        self.heading = Lines(top.ink, id="title")
        self.view = LogView(top.ink)
        self.foot = KeyLine(top.ink, id="foot")
        self.box = Box("search")
        self.state = "reading"
        self._pending: list[str] = []
        self._reading: asyncio.Task[None] | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="log"):
            yield self.heading
            yield self.view
            yield self.box
            yield self.foot

    def on_mount(self) -> None:
        self.box.taken = self.seek
        self.view.focus()
        self.foot.set_keys([key for key in sorted(LOG_KEYS, key=lambda key: key.rank) if key.rank != 99])
        self._reading = asyncio.create_task(self._read())
        self.tell()

    def on_unmount(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        first = True
        while True:
            try:
                async for line in self.top.source.log(self.target, AT_FIRST if first else 0, True):
                    first, self.state = False, "following"
                    if not self._pending:
                        self.set_timer(TOGETHER, self._show)
                    self._pending.append(line)
                self.state = "ended; asking again"
            except (NoAnswer, Refused) as lost:
                self.state = str(lost)
            self.tell()
            await asyncio.sleep(1.0)

    def _show(self) -> None:
        pending, self._pending = self._pending, []
        self.view.add(pending)
        self.tell()

    def tell(self) -> None:
        follow = "following" if self.view.follow else f"line {self.view.top + 1} of {len(self.view.rows)}"
        sought = f"   /{self.view.sought}" if self.view.sought else ""
        sought += " only" if self.view.only else ""
        sought += "   wrapped" if self.view.wrap else ""
        state = "" if self.state == "following" else f"   {self.state}"
        self.heading.set_lines(
            (((" log ", "dim"), (self.target, "title"), (f"   {follow}{sought}", "text"), (state, "warn")),)
        )

    def action_help(self) -> None:
        from dashboard.tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.top, LOG_KEYS))

    def action_back(self) -> None:
        if self.box.typing:
            self._close_box()
        elif self.view.sought:
            self.view.seek("")
            self.tell()
        else:
            self.dismiss(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a word is typed, keys are letters."""
        return action == "back" or not self.box.typing

    def action_search(self) -> None:
        self.box.open()

    def _close_box(self) -> None:
        self.box.display = False
        self.set_focus(self.view)

    def seek(self, text: str) -> None:
        found = self.view.seek(text)
        self._close_box()
        if text and not found:
            self.top.say(f"no line here holds {text!r}", "warning")
        elif text:
            self.view.next_match(-1)
        self.tell()

    def action_next(self, step: int) -> None:
        if not self.view.next_match(step):
            self.top.say("no more matches" if self.view.sought else "nothing is sought: / first", "warning")
        self.tell()

    def action_follow(self) -> None:
        self.view.toggle_follow()
        self.tell()

    def action_move(self, lines: int) -> None:
        self.view.move(lines)
        self.tell()

    def action_page(self, pages: int) -> None:
        self.view.page(pages)
        self.tell()

    def action_shift(self, cells: int) -> None:
        self.view.shift(cells)

    def action_wrap(self) -> None:
        self.view.toggle_wrap()
        self.tell()

    def action_only(self) -> None:
        if not self.view.toggle_only():
            self.top.say("nothing is sought: / first", "warning")
        self.tell()

    def action_copy(self, whole: str = "") -> None:
        lines = list(self.view.ring)[-COPIED:] if whole else self.view.shown()
        copy(self.top, lines, plural(len(lines), "line"))

    def action_pager(self) -> None:
        page_out(self.top, list(self.view.ring))
