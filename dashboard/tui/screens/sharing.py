"""The room of the main screen shared among its panes: again when its size changes, or many rows come or go."""

from dashboard.mirror import Mirror
from dashboard.tui.room import LEAST, TINY, WIDE, XL, shares, steady
from dashboard.tui.screens.shows import Showing


class Sharing(Showing):
    """Sets how many lines each row of panes has; which panes are seen is the style's, by the classes set here."""

    planned: tuple[int, int] = (0, 0)
    """Rows of workers and backends that the panes have been made for."""

    def on_resize(self) -> None:
        self.planned = (0, 0)
        self.share_room(self.top.mirror)
        self.call_after_refresh(self.show_again)

    def share_room(self, mirror: Mirror) -> None:
        """Panes as high as their rows need; details at the right of everything, or below beside the backends."""
        before, size = self.planned, self.size
        self.planned = steady(before[0], len(mirror.workers)), steady(before[1], len(mirror.backends))
        if self.planned == before and before != (0, 0):
            return
        narrow, tiny = size.width < WIDE, size.height < TINY
        given = shares(size.width, size.height - 4 - narrow, *self.planned)
        self.set_class(narrow or tiny or not given.lower, "-single")
        self.set_class(bool(given.lower) and not tiny, "-details")
        self.set_class(size.height < LEAST, "-least")
        body = self.query_one("#body")
        body.styles.grid_rows = f"{given.table} {given.lower} 1fr" if given.lower else f"{given.table} 1fr"
        if tiny or self.has_class("-zoom"):
            body.styles.grid_rows = "1fr"
        details, backends = self.query_one("#details-pane"), self.query_one("#backends-pane")
        first = size.width >= XL
        if first != (body.children.index(details) < body.children.index(backends)):
            if first:
                body.move_child(details, before=backends)
            else:
                body.move_child(details, after=backends)
