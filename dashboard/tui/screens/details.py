"""The page of one worker or one backend: every fact, its graphs, its end, its counters, what happened to it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboard.mirror import Mirror, slot_of
from dashboard.tui.facts import backend_page, worker_page
from dashboard.tui.ink import Line
from dashboard.tui.screens.page import Page

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class WorkerScreen(Page):
    def __init__(self, top: "TopApp", key: str) -> None:
        super().__init__(top)
        self.key = key

    def title_line(self, mirror: Mirror) -> Line:
        return (" worker ", "dim"), (slot_of(self.key), "title")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        view = mirror.workers.get(self.key)
        if view is None:
            slot = slot_of(self.key)
            successor = next((key for key in mirror.workers if slot_of(key) == slot), None)
            if successor is None:
                return [((f"{slot} is gone", "warn"),), *self.body.lines[1:]]
            self.key, view = successor, mirror.workers[successor]
        return worker_page(mirror, view, width)


class BackendScreen(Page):
    def __init__(self, top: "TopApp", key: str) -> None:
        super().__init__(top)
        self.key = key

    def title_line(self, mirror: Mirror) -> Line:
        return (" backend ", "dim"), (self.key, "title")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        view = mirror.backends.get(self.key)
        if view is None:
            return [((f"{self.key} is gone", "warn"),), *self.body.lines[1:]]
        return backend_page(mirror, view, width)
