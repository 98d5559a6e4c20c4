"""A short list to choose one of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from dashboard.tui.ink import Line
from dashboard.tui.screens.page import Dialog

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class ChooseScreen(Dialog[str | None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Back"),
        Binding("down,j", "choose(1)", "Down"),
        Binding("up,k", "choose(-1)", "Up"),
        Binding("enter", "take", "Take"),
    ]

    def __init__(self, top: "TopApp", title: str, choices: Sequence[tuple[str, str]], now: str) -> None:
        super().__init__(top)
        self.said = title
        self.choices = list(choices)
        keys = [key for key, _ in self.choices]
        self.chosen = keys.index(now) if now in keys else 0

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-calm"):
            yield self.body

    def on_mount(self) -> None:
        self.query_one("#box").border_title = Content(self.said)
        self.tell()

    def tell(self) -> None:
        lines: list[Line] = [
            (("› " if at == self.chosen else "  ", "key"), (said, "strong" if at == self.chosen else "text"))
            for at, (_, said) in enumerate(self.choices)
        ]
        self.set_body(lines)

    def action_choose(self, step: int) -> None:
        self.chosen = (self.chosen + step) % len(self.choices)
        self.tell()

    def action_take(self) -> None:
        self.dismiss(self.choices[self.chosen][0])
