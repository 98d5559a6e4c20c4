"""The page of all events kept, newest at the end."""

from collections.abc import Sequence

from dashboard.mirror import Mirror
from dashboard.tui.facts import event_line
from dashboard.tui.ink import Line
from dashboard.tui.say import plural
from dashboard.tui.screens.page import Page


class EventsScreen(Page):
    def title_line(self, mirror: Mirror) -> Line:
        return (" Events ", "title"), (f"  {plural(len(mirror.events), 'event')}; G: follow the newest", "dim")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        return [event_line(event) for event in mirror.events] or [(("nothing happened yet", "dim"),)]

    def show_mirror(self, mirror: Mirror) -> None:
        at_end = self.body.top >= self.body.last_top
        super().show_mirror(mirror)
        if at_end:
            self.body.move(1_000_000)
