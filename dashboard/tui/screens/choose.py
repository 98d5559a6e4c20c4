"""Short lists: one to choose one of, by arrows, letters or the mouse; and one to choose several of."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from dashboard.tui.ink import Line
from dashboard.tui.screens.page import Dialog, Result
from supervisor.model.text import clean

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

ROOM = 6
"""Lines of the terminal that a list leaves to its box."""


class ListScreen(Dialog[Result]):
    """Lines of which one is lit; what taking it means is the business of those built on it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back"),
        Binding("down,j", "choose(1)", "Down"),
        Binding("up,k", "choose(-1)", "Up"),
        Binding("home", "choose(-1000)", "First"),
        Binding("end", "choose(1000)", "Last"),
        Binding("enter", "take", "Take"),
    ]

    def __init__(self, top: "TopApp", title: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(top)
        self.said = title
        self.choices = list(choices)
        self.chosen = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-calm"):
            yield self.body

    def on_mount(self) -> None:
        self.query_one("#box").border_title = Content(clean(self.said, 70))
        self.body.picked = self.picked
        self.tell()

    def on_resize(self) -> None:
        self.call_after_refresh(self.tell)

    @property
    def first(self) -> int:
        """The first line shown, where not all have room."""
        room = max(1, self.size.height - ROOM)
        return max(0, min(self.chosen - room // 2, len(self.choices) - room))

    def before(self, at: int) -> str:
        return ""

    def tell(self) -> None:
        first = self.first
        shown = list(enumerate(self.choices))[first : first + max(1, self.size.height - ROOM)]
        lines: list[Line] = [
            (
                ("› " if at == self.chosen else "  ", "key"),
                (self.before(at), "key"),
                (said, "strong" if at == self.chosen else "text"),
            )
            for at, (_, said) in shown
        ]
        self.set_body(lines)

    def picked(self, line: int, x: int) -> None:
        at = self.first + line
        if 0 <= at < len(self.choices):
            self.chosen = at
            self.action_take()

    def action_choose(self, step: int) -> None:
        if abs(step) == 1:
            self.chosen = (self.chosen + step) % len(self.choices)
        else:
            self.chosen = 0 if step < 0 else len(self.choices) - 1
        self.tell()

    def action_leave(self) -> None:
        raise NotImplementedError

    def action_take(self) -> None:
        raise NotImplementedError


class ChooseScreen(ListScreen[str | None]):
    """`letters` take a choice at once."""

    def __init__(
        self,
        top: "TopApp",
        title: str,
        choices: Sequence[tuple[str, str]],
        now: str = "",
        letters: Sequence[str] = (),
    ) -> None:
        super().__init__(top, title, choices)
        keys = [key for key, _ in self.choices]
        self.chosen = keys.index(now) if now in keys else 0
        self.letters = list(letters)

    def before(self, at: int) -> str:
        return f"{self.letters[at]:<6}" if self.letters else ""

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character in self.letters:
            event.stop()
            self.dismiss(self.choices[self.letters.index(event.character)][0])

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_take(self) -> None:
        if self.choices:
            self.dismiss(self.choices[self.chosen][0])


class SeveralScreen(ListScreen[frozenset[str]]):
    """Those that are on; leaving it is agreeing to them."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space,enter", "take", "Switch", priority=True)]

    def __init__(self, top: "TopApp", title: str, choices: Sequence[tuple[str, str]], on: Iterable[str]) -> None:
        super().__init__(top, title, choices)
        self.on = set(on)

    def before(self, at: int) -> str:
        return "■ " if self.choices[at][0] in self.on else "□ "

    def action_leave(self) -> None:
        self.dismiss(frozenset(self.on))

    def action_take(self) -> None:
        self.on ^= {self.choices[self.chosen][0]}
        self.tell()
