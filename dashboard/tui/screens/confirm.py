"""The question before a change: exact targets, what is left, the engine's plan, the same as a verb."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from dashboard.answers import NoAnswer, Refused
from dashboard.mirror import Mirror
from dashboard.tui.facts import folded
from dashboard.tui.ink import Line, Span
from dashboard.tui.intents import Intent, Refusal
from dashboard.tui.operator import NEEDS_YES
from dashboard.tui.screens.page import Dialog
from supervisor.model.snapshot import PoolRow
from supervisor.model.text import clean

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

SEEN = 0.15
"""Seconds that a question stands before it can be answered: no key typed ahead is taken for a yes."""
PLAN_WITHIN = 2.0
"""Seconds for the engine to tell its plan; the question does not wait for it."""


FRAME = 2
WIDTH = 76
"""Cells of the box at most, as the style has it; 6 of them are its frame and its padding."""


def fitted(
    room: int, middle: Sequence[Line], plan: Sequence[Line], verbs: Sequence[Line], last: Line
) -> list[Line]:
    """What is asked, in so many lines: the buttons stay, and of the rest what matters least goes first."""
    middle, plan, verbs = list(middle), list(plan), list(verbs)
    if room >= len(middle) + len(plan) + len(verbs) + 4:
        return [(), *middle, *plan, (), *verbs, (), last]
    while len(middle) + len(plan) + len(verbs) + 1 > room:
        if plan:
            plan.pop()
        elif len(verbs) > 1:
            verbs.pop()
        elif len(middle) > 1:
            middle.pop(1 if len(middle) > 2 else 0)  # what is left to serve stands at the end
        else:
            break
    return [*middle, *plan, *verbs, last]


class ConfirmScreen(Dialog[Intent | None]):
    """Enter presses the button that is lit; for what is grave that is Cancel."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press", "Press"),
        Binding("left,right,tab,shift+tab", "switch", "Switch"),
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, top: "TopApp", intent: Intent) -> None:
        super().__init__(top)
        self.intent = intent
        self.lit = not intent.grave
        """Whether the button that does it is lit, and not Cancel."""
        self._plan: tuple[Line, ...] = ()
        self._planning: asyncio.Task[None] | None = None
        self._since: float | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-grave" if self.intent.grave else ""):
            yield self.body

    def on_mount(self) -> None:
        self._since = time.monotonic()
        self.body.picked = self.picked
        self.query_one("#box").border_title = Content(clean(self.intent.title, 70) or "?")
        self.tell()
        self.ask_plan()

    def on_resize(self) -> None:
        self.call_after_refresh(self.tell)

    def on_unmount(self) -> None:
        if self._planning is not None:
            self._planning.cancel()

    def ask_plan(self) -> None:
        if self._planning is not None:
            self._planning.cancel()
        self._planning = asyncio.create_task(self._ask_plan(self.intent))

    async def _ask_plan(self, intent: Intent) -> None:
        try:
            async with asyncio.timeout(PLAN_WITHIN):
                steps = await self.top.operator.plan(intent)
        except Refused as refused:
            if refused.code == NEEDS_YES and not intent.sure:
                if intent is not self.intent:
                    return
                reason: Line = ((refused.detail, "down"),)
                self.intent = replace(intent, sure=True, grave=True, lines=(*intent.lines, reason))
                self.lit = False
                self.query_one("#box").add_class("-grave")
                return self.ask_plan()
            self._plan = (((f"the engine would refuse: {refused.detail}", "down"),),)
            self.lit = False
        except (NoAnswer, TimeoutError):
            self._plan = ((("no plan from the engine just now", "dim"),),)
        else:
            shown: list[Line] = [(("· ", "dim"), (step, "dim")) for step in steps[:6]]
            if len(steps) > 6:
                shown.append(((f"· and {len(steps) - 6} steps more", "dim"),))
            self._plan = tuple(shown)
        self.tell()

    def middle(self) -> tuple[Line, ...]:
        return self.intent.lines

    def tell(self) -> None:
        asked = self.intent.verbs
        said: list[Line] = [(("$ ", "dim"), (verb, "strong")) for verb in asked[:3]]
        if len(asked) > 3:
            said.append(((f"  and {len(asked) - 3} more of the kind", "dim"),))
        room, width = self.app.size.height - FRAME, min(WIDTH, self.app.size.width) - 6
        # What is too long goes on in the next line: what a change would do is not cut off.
        middle, plan, verbs = (
            [piece for line in part for piece in folded(line, width, 2)]
            for part in (self.middle(), self._plan, said)
        )
        self.set_body(fitted(room, middle, plan, verbs, self.buttons()))

    def buttons(self) -> Line:
        cancel: Span = (" Cancel ", "button") if self.lit else ("›Cancel ", "button-on")
        do: Span = (f"›{self.intent.button} ", "button-on") if self.lit else (f" {self.intent.button} ", "button")
        hint = "  enter: lit one  y: yes  esc: no"
        return cancel, ("  ", "text"), do, (hint, "dim")

    def picked(self, line: int, x: int) -> None:
        """A click presses the button under it."""
        if line != len(self.body.lines) - 1:
            return
        cancel, gap, do = (cell_len(text) for text, _ in self.buttons()[:3])
        if x < cancel:
            self.action_answer(False)
        elif cancel + gap <= x < cancel + gap + do:
            self.action_answer(True)

    def action_switch(self) -> None:
        self.lit = not self.lit
        self.tell()

    def action_press(self) -> None:
        self.action_answer(self.lit)

    def action_answer(self, yes: bool) -> None:
        if self._since is None or (yes and self.top.pressed_at - self._since < SEEN):
            return
        self.dismiss(self.intent if yes else None)


class ScaleScreen(ConfirmScreen):
    """The number of workers, staged: + and - change it, digits set it, and every number is explained."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign,up,right", "more(1)", "More"),
        Binding("minus,down,left", "more(-1)", "Fewer"),
        Binding("backspace", "rub", "Rub out"),
        *(Binding(str(digit), f"digit({digit})", show=False) for digit in range(10)),
    ]
    MOST = 9_999

    def __init__(self, top: "TopApp", pool: PoolRow, change: int) -> None:
        self.pool = top.newest.pool(pool.name) or pool
        self.wanted = max(0, self.pool.desired + change)
        self.typed = False
        super().__init__(top, self._intent(top.newest))

    def _intent(self, mirror: Mirror) -> Intent:
        from dashboard.tui import intents

        found = intents.scale(mirror, self.pool, self.wanted)
        if isinstance(found, Refusal):
            return Intent(title=f"Scale {self.pool.name}", button="Close", asks=(), lines=(((found.why, "dim"),),))
        return found

    def middle(self) -> tuple[Line, ...]:
        number: Line = (
            ("workers  ", "dim"),
            (f"{self.pool.desired}", "strong"),
            ("  →  ", "dim"),
            (f" {self.wanted} ", "chip-warn"),
            ("   + - or type a number", "dim"),
        )
        return number, *self.intent.lines

    def _stage(self, wanted: int) -> None:
        self.wanted = max(0, min(wanted, self.MOST))
        # Others scale too while this stands here.
        self.pool = self.top.newest.pool(self.pool.name) or self.pool
        self.intent = self._intent(self.top.newest)
        self.lit = not self.intent.grave
        self._plan = ()
        self.query_one("#box").set_class(self.intent.grave, "-grave")
        self.tell()
        self.ask_plan()

    def buttons(self) -> Line:
        return (*super().buttons()[:3], ("  enter: lit one  tab: other  esc: no", "dim"))

    def action_more(self, change: int) -> None:
        self._stage(self.wanted + change)

    def action_digit(self, digit: int) -> None:
        self._stage(self.wanted * 10 + digit if self.typed else digit)
        self.typed = True

    def action_rub(self) -> None:
        self.typed = True
        self._stage(self.wanted // 10)
