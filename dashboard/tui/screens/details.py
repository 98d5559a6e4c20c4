"""The page of one worker or one backend: every fact, its graphs, its end, its counters, what happened to it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from dashboard.mirror import Mirror, slot_of
from dashboard.tui.facts import backend_page, worker_page
from dashboard.tui.ink import Line
from dashboard.tui.keys import Key
from dashboard.tui.screens.logs import LogScreen
from dashboard.tui.screens.page import PAGE_KEYS, Page, bindings

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


LOG = Key("l", "log", "Log", "the worker's log", "Page", rank=1)


class WorkerScreen(Page):
    KEYS: ClassVar[tuple[Key, ...]] = (*PAGE_KEYS, LOG)
    BINDINGS: ClassVar[list[BindingType]] = bindings((LOG,))

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

    def action_log(self) -> None:
        self.app.push_screen(LogScreen(self.top, slot_of(self.key)))


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
