"""The base of full-screen pages (a title, a text that scrolls, keys) and of dialogs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from dashboard.mirror import Mirror
from dashboard.tui.heading import past_chip, stale_chip
from dashboard.tui.ink import Line
from dashboard.tui.keys import MAIN_KEYS, TIME, Key, allowed
from dashboard.tui.paging import copy, page_out, plain
from dashboard.tui.say import plural
from dashboard.tui.screens.shows import Showing
from dashboard.tui.widgets.footer import KeyLine
from dashboard.tui.widgets.lines import Lines
from dashboard.tui.widgets.pager import Pager

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

Result = TypeVar("Result")

PAGE_KEYS: tuple[Key, ...] = (
    Key("escape,q", "dismiss_page", "Back", "leave this page", "Page", rank=0, shown="esc"),
    Key("down,j", "move(1)", "Down", "one line down", "Page", rank=60, shown="↓ j"),
    Key("up,k", "move(-1)", "Up", "one line up", "Page", rank=61, shown="↑ k"),
    Key("pagedown,space,ctrl+d", "page(1)", "Page", "a page down", "Page", rank=62, shown="PgDn"),
    Key("pageup,ctrl+u", "page(-1)", "Page", "a page up", "Page", rank=63, shown="PgUp"),
    Key("home,g", "move(-1000000)", "Top", "the first line", "Page", rank=64, shown="g"),
    Key("end,G", "move(1000000)", "End", "the last line", "Page", rank=65, shown="G"),
    Key("o", "pager", "Pager", "this text in $PAGER", "Page", rank=50),
    Key("c", "copy", "Copy", "copy this text (OSC 52)", "Page", rank=51),
    *(key._replace(rank=90) for key in MAIN_KEYS if key.group == TIME),
)


def bindings(keys: Sequence[Key]) -> list[BindingType]:
    """With priority: the application then does one key after the other. Without, keys typed ahead would still
    reach the table after the first of them has opened a dialog.
    """
    return [Binding(key.keys, key.action, key.label, show=False, priority=True) for key in keys]


class Page(Showing):
    """A text made from the mirror, again at each change."""

    KEYS: ClassVar[tuple[Key, ...]] = PAGE_KEYS
    BINDINGS: ClassVar[list[BindingType]] = bindings(PAGE_KEYS)

    def __init__(self, top: "TopApp") -> None:
        super().__init__()
        self.top = top
        self.heading = Lines(top.ink, id="title")
        self.body: Pager = Pager(top.ink)
        self.foot = KeyLine(top.ink, id="foot")

    def title_line(self, mirror: Mirror) -> Line:
        raise NotImplementedError

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield self.heading
        with Vertical(id="frame", classes="pane"):
            yield self.body
        yield self.foot

    def on_mount(self) -> None:
        self.body.focus()
        self.foot.set_keys(self.keys_now())
        self.call_after_refresh(self.show_again)

    def keys_now(self) -> list[Key]:
        """Those to offer, the best first."""
        return sorted(allowed(self.KEYS, self.top.fixed), key=lambda key: key.rank)

    def on_resize(self) -> None:
        self.call_after_refresh(self.show_again)

    def show_mirror(self, mirror: Mirror) -> None:
        if self.is_mounted and self.body.size.width:
            self.foot.set_keys(self.keys_now())
            mood = self.top.mood
            title = (*stale_chip(mirror, mood), *self.title_line(mirror), *past_chip(mood.past))
            self.heading.set_lines((title,))
            self.body.set_lines(self.text(mirror, self.body.size.width))

    def action_pager(self) -> None:
        page_out(self.top, plain(self.body.lines))

    def action_copy(self) -> None:
        lines = plain(self.body.lines)
        copy(self.top, lines, plural(len(lines), "line"))

    def action_dismiss_page(self) -> None:
        self.dismiss(None)

    def action_move(self, lines: int) -> None:
        self.body.move(lines)

    def action_page(self, pages: int) -> None:
        self.body.page(pages)


class Dialog(ModalScreen[Result]):
    """A box in the middle; its words are lines, so nothing in them is markup."""

    def __init__(self, top: "TopApp") -> None:
        super().__init__()
        self.top = top
        self.body = Lines(top.ink)

    def set_body(self, lines: Sequence[Line]) -> None:
        grown = len(lines) != len(self.body.lines)
        self.body.set_lines(lines)
        if grown:
            self.body.refresh(layout=True)
