"""The command line inside the screen: the verbs of `clusterctl`, with completion and the key of each."""

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from dashboard.tui import commands
from dashboard.tui.commands import Local
from dashboard.tui.ink import Line
from dashboard.tui.intents import Intent, Refusal
from dashboard.tui.screens.page import Dialog

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

SHOWN = 10


class PaletteScreen(Dialog[Intent | Local | None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("down,ctrl+n", "choose(1)", "Down", priority=True),
        Binding("up,ctrl+p", "choose(-1)", "Up", priority=True),
        Binding("tab", "take", "Complete", priority=True),
    ]

    def __init__(self, top: "TopApp", text: str = "") -> None:
        super().__init__(top)
        self.input = Input(text, select_on_focus=False, compact=True)
        self.chosen = 0
        self.error = ""
        self.found: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-calm"):
            yield self.input
            yield self.body

    def on_mount(self) -> None:
        self.query_one("#box").border_title = Content("clusterctl …")
        self.input.cursor_blink = False
        self.input.focus()
        self.tell()

    def on_key(self, event: events.Key) -> None:
        """What was typed before the box was there."""
        if event.is_printable and event.character:
            self.input.insert_text_at_cursor(event.character)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.chosen, self.error = 0, ""
        self.tell()

    def tell(self) -> None:
        self.found = commands.complete(self.input.value, self.top.newest, self.top.read_only)
        first = max(0, min(self.chosen - SHOWN // 2, len(self.found) - SHOWN))
        lines: list[Line] = []
        for at, (text, said) in enumerate(self.found[first : first + SHOWN], first):
            mark = "› " if at == self.chosen else "  "
            lines.append(
                ((mark, "key"), (f"{text:<24} ", "strong" if at == self.chosen else "text"), (said, "dim"))
            )
        lines += [()] * (SHOWN - len(lines))
        hint = "tab: complete   ↑ ↓: choose   enter: do it   esc: back"
        self.set_body([*lines, ((self.error or hint, "down" if self.error else "dim"),)])

    def action_choose(self, step: int) -> None:
        if self.found:
            self.chosen = (self.chosen + step) % len(self.found)
            self.tell()

    def action_take(self) -> None:
        if self.found:
            self.input.value = self.found[self.chosen][0]
            self.input.cursor_position = len(self.input.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value
        if self.found and (self.chosen or text.strip() not in {verb.name for verb in commands.VERBS}):
            text = self._completed(text)
        answer = commands.read(text, self.top.newest, self.top.read_only)
        if isinstance(answer, Refusal):
            self.error = answer.why
            if self.found and text != event.value:
                self.input.value = text
                self.input.cursor_position = len(text)
            self.tell()
            return
        self.dismiss(answer)

    def _completed(self, text: str) -> str:
        """What was chosen by the arrows; else the line as typed, unless it is only the beginning of a verb."""
        chosen = self.found[self.chosen][0]
        whole = " " in text.strip()
        return chosen if self.chosen or not whole else text
