"""The page of one worker and the page of one backend, with the keys to act on it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from dashboard.answers import NoAnswer, Refused
from dashboard.mirror import BackendView, Mirror, WorkerView, slot_of
from dashboard.tui.backend_page import backend_page
from dashboard.tui.hour import ASK_EVERY, Hour, last_hour
from dashboard.tui.ink import Line
from dashboard.tui.keys import Key
from dashboard.tui.screens.acting import ACTING_KEYS, ROTATING_KEYS, ActingPage, asked
from dashboard.tui.screens.inspect import InspectScreen
from dashboard.tui.screens.logs import LogScreen
from dashboard.tui.screens.page import PAGE_KEYS, bindings
from dashboard.tui.tail import Tail
from dashboard.tui.worker_page import Detail, worker_page
from supervisor.model.snapshot import PoolRow

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

LOOKING: tuple[Key, ...] = (
    Key("l", "log", "Log", "its log: follow, search", "Page", rank=1),
    Key("v", "pool", "Pool", "the page of its pool", "Page", rank=2),
    Key("i", "inspect", "JSON", "the same as the API gives it", "Page", rank=3),
)


NOW = ("ends", "deaths_in_window")


class WorkerScreen(ActingPage):
    OWN: ClassVar[tuple[Key, ...]] = (*LOOKING, *ACTING_KEYS, *ROTATING_KEYS)
    KEYS: ClassVar[tuple[Key, ...]] = (*PAGE_KEYS, *OWN)
    BINDINGS: ClassVar[list[BindingType]] = bindings(OWN)

    def __init__(self, top: "TopApp", key: str) -> None:
        super().__init__(top)
        self.key = key
        self.detail: Detail = {}
        self.tail = Tail(top.source, self.show_again)
        self.hour: Hour | None = None
        self._asking: tuple[asyncio.Task[None], ...] = ()

    def on_mount(self) -> None:
        super().on_mount()
        self.tail.aim(slot_of(self.key))
        self._asking = (asyncio.create_task(self._ask()), asyncio.create_task(self._remember()))

    def on_unmount(self) -> None:
        self.tail.stop()
        for asking in self._asking:
            asking.cancel()

    async def _remember(self) -> None:
        while not self.top.travel.recorded:
            with suppress(NoAnswer, Refused):
                self.hour = await last_hour(self.top.source, slot_of(self.key), len(self.top.mirror.workers))
                self.show_again()
            await asyncio.sleep(ASK_EVERY)

    async def _ask(self) -> None:
        async for detail in asked(self.top, lambda: slot_of(self.key)):
            self.detail = detail
            self.show_again()

    def title_line(self, mirror: Mirror) -> Line:
        return (" worker ", "dim"), (slot_of(self.key), "title")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        view = self.view
        if view is None:
            return [((f"{slot_of(self.key)} is gone", "warn"),), *self.body.lines[1:]]
        if self.top.travel.mirror is not None:
            # Deaths and log are those of now.
            then = {key: value for key, value in self.detail.items() if key not in NOW}
            return worker_page(mirror, view, width, then, [])
        return worker_page(mirror, view, width, self.detail, self.tail.lines, self.hour)

    @property
    def view(self) -> WorkerView | None:
        """The worker, or the one that took its slot after it."""
        workers = self.top.mirror.workers
        if self.key not in workers:
            slot = slot_of(self.key)
            self.key = next((key for key in workers if slot_of(key) == slot), self.key)
        return workers.get(self.key)

    def chosen_workers(self) -> list[WorkerView]:
        return [self.view] if self.view else []

    def chosen_backends(self) -> list[BackendView]:
        path = self.view.worker.backend if self.view else None
        return [self.top.mirror.backends[path]] if path in self.top.mirror.backends else []

    def chosen_pool(self) -> PoolRow | None:
        return self.top.mirror.pool(self.view.pool.name) if self.view else None

    def action_log(self) -> None:
        self.app.push_screen(LogScreen(self.top, slot_of(self.key)))

    def action_inspect(self) -> None:
        self.app.push_screen(InspectScreen(self.top, slot_of(self.key)))


class BackendScreen(ActingPage):
    OWN: ClassVar[tuple[Key, ...]] = (LOOKING[2], *ROTATING_KEYS)
    KEYS: ClassVar[tuple[Key, ...]] = (*PAGE_KEYS, *OWN)
    BINDINGS: ClassVar[list[BindingType]] = bindings(OWN)

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

    def chosen_backends(self) -> list[BackendView]:
        view = self.top.mirror.backends.get(self.key)
        return [view] if view else []

    def chosen_workers(self) -> list[WorkerView]:
        return [view for view in self.top.mirror.workers.values() if view.worker.backend == self.key]

    def chosen_pool(self) -> PoolRow | None:
        chosen = self.chosen_workers()
        return self.top.mirror.pool(chosen[0].pool.name) if chosen else None

    def action_inspect(self) -> None:
        self.app.push_screen(InspectScreen(self.top, self.key))
