"""The log of one worker or of a pool: follow, search, scroll sideways, copy."""

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen

from dashboard.answers import NoAnswer, Refused
from dashboard.log_places import TOO_MANY, Places
from dashboard.tui.ink import Span
from dashboard.tui.keys import LOG_KEYS
from dashboard.tui.paging import copy, page_out
from dashboard.tui.say import UNKNOWN, clock, plural
from dashboard.tui.screens.page import bindings
from dashboard.tui.stamps import written_until
from dashboard.tui.travel import wall_of
from dashboard.tui.widgets.box import Box
from dashboard.tui.widgets.footer import KeyLine
from dashboard.tui.widgets.lines import Lines
from dashboard.tui.widgets.log_view import KEPT, LogView

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
        self.past = ""
        """Of which moment these lines are, where the screen shows the past."""
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
        self.view.picked = self.tell
        self.view.focus()
        self.foot.set_keys([key for key in sorted(LOG_KEYS, key=lambda key: key.rank) if key.rank != 99])
        past = self.top.travel.mirror if not self.top.travel.recorded else None
        reading = self._read_until(past.snapshot.time) if past and past.snapshot else self._read()
        self._reading = asyncio.create_task(reading)
        self.tell()

    def on_unmount(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        places = Places()
        while True:
            try:
                async for line in self.top.source.log(self.target, AT_FIRST, True, places):
                    self.state = "following"
                    if not self._pending:
                        self.set_timer(TOGETHER, self._show)
                    self._pending.append(line)
                self.state = "ended; asking again"
            except (NoAnswer, Refused) as lost:
                self.state = str(lost)
            if places.too_many:
                self.top.say(TOO_MANY, "warning")
            self.tell()
            await asyncio.sleep(1.0)

    async def _read_until(self, moment: str) -> None:
        """What was written by then, as far as the lines tell that; else all, and a word that it is of now."""
        try:
            lines = [line async for line in self.top.source.log(self.target, KEPT, False)]
        except (NoAnswer, Refused) as lost:
            self.state = str(lost)
            return self.tell()
        kept = written_until(lines, wall_of(moment))
        self.past = f"UNTIL {clock(moment)}" if kept is not None else f"OF NOW, not of {clock(moment)}"
        self.state = "following" if kept is not None else "its lines carry no time"
        if kept == []:
            self.state = f"all of the last {plural(len(lines), 'line')} were written later"
        self.view.add(lines if kept is None else kept)
        self.tell()

    def _show(self) -> None:
        pending, self._pending = self._pending, []
        self.view.add(pending)
        self.tell()

    def tell(self) -> None:
        view = self.view
        over = self.past or self.top.travel.recorded
        place = f"line {view.at + 1} of {len(view.rows)}" if not view.follow else "" if over else "following"
        spans: list[Span] = [(" log ", "dim"), (self.target, "title"), ("  ", "text")]
        spans += [(f" {self.past} ", "chip-warn"), (" ", "text")] if self.past else []
        spans += [(f" {place}", "text")] if place else []
        if view.sought:
            here, count = view.matches()
            spans += [(f"   /{view.sought} ", "match"), (f"{here or UNKNOWN} of {count}", "text")]
        spans += [("   " + word, "text") for word, on in (("only", view.only), ("wrapped", view.wrap)) if on]
        spans += [(f"   {self.state}", "warn")] if self.state != "following" else []
        self.heading.set_lines((tuple(spans),))

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
            self.view.next_match(-1, here=True) or self.view.next_match(1)
        self.tell()

    def action_next(self, step: int) -> None:
        if not self.view.next_match(step):
            self.top.say(self._no_more(step) if self.view.sought else "nothing is sought: / first", "warning")
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

    def _no_more(self, step: int) -> str:
        count = self.view.matches()[1]
        if not count:
            return f"no line here holds {self.view.sought!r}"
        return f"no match {'after' if step > 0 else 'before'} this one; {plural(count, 'line')} in all"

    def action_copy(self, what: str) -> None:
        view = self.view
        match what:
            case "line":
                lines = [view.chosen] if view.chosen is not None else []
                said = f"the line: {lines[0][:60]}" if lines else "nothing: no line is here"
            case "seen":
                lines = view.shown()
                said = f"{plural(len(lines), 'line')} that can be seen"
            case _:
                lines = list(view.ring)[-COPIED:]
                said = f"the last {plural(len(lines), 'line')}"
        copy(self.top, lines, said)

    def action_pager(self) -> None:
        page_out(self.top, list(self.view.ring))
