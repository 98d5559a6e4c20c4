"""A frame around one widget, with a title."""

from textual.containers import Container
from textual.content import Content

from dashboard.tui.states import to_ascii
from dashboard.tui.widgets.lines import Painted
from supervisor.model.text import clean


class Pane(Container):
    """A frame with a title; setting the same title again costs nothing."""

    def __init__(self, child: Painted, *, title: str, id: str) -> None:
        super().__init__(child, id=id, classes="pane")
        self.ink = child.ink
        self._said = ""
        self.say(title)

    def say(self, title: str) -> None:
        if title != self._said:
            self._said = title
            title = clean(title, 100)
            ink = self.ink
            self.border_title = Content(to_ascii(title) if ink.ascii_only else title)
