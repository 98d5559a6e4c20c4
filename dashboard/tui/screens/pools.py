"""The page of one pool, with the keys that change all of it."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from dashboard.mirror import BackendView, Mirror, WorkerView
from dashboard.tui.ink import Line
from dashboard.tui.keys import Key
from dashboard.tui.pool_page import pool_page
from dashboard.tui.screens.acting import ActingPage, asked
from dashboard.tui.screens.logs import LogScreen
from dashboard.tui.screens.page import PAGE_KEYS, bindings
from dashboard.tui.screens.rollouts import RolloutScreen
from dashboard.tui.worker_page import Detail
from supervisor.model.snapshot import PoolRow

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

POOL_KEYS: tuple[Key, ...] = (
    Key("l", "log", "Log", "the log of the whole pool, merged", "Page", rank=1),
    Key("V", "rollout", "Rollout", "the page of its rollout", "Page", rank=2),
    Key("tab", "next_pool(1)", "Next pool", "the page of the next pool", "Page", rank=3),
    Key("shift+tab", "next_pool(-1)", "Pool before", "the page of the pool before", "Page"),
    Key(
        "plus,equals_sign",
        "scale(1)",
        "Add",
        "one worker more (asks first)",
        "Page",
        changes=True,
        rank=7,
        shown="+",
    ),
    Key("minus", "scale(-1)", "Remove", "one worker fewer (asks first)", "Page", changes=True, rank=8, shown="-"),
    Key("s", "scale(0)", "Scale to", "any number of workers", "Page", changes=True, rank=9),
    Key("R", "change('rolling')", "Rolling restart", "slot by slot", "Page", changes=True, rank=10),
    Key("X", "change('stop-pool')", "Stop", "take all down and keep them down", "Page", changes=True, rank=11),
    Key("S", "change('start')", "Start", "bring the pool back", "Page", changes=True, rank=12),
)


class PoolScreen(ActingPage):
    KEYS: ClassVar[tuple[Key, ...]] = (*PAGE_KEYS, *POOL_KEYS)
    BINDINGS: ClassVar[list[BindingType]] = bindings(POOL_KEYS)

    def __init__(self, top: "TopApp", pool: str) -> None:
        super().__init__(top)
        self.pool = pool
        self.detail: Detail = {}
        self._asking: asyncio.Task[None] | None = None

    def on_mount(self) -> None:
        super().on_mount()
        self._begin()

    def _begin(self) -> None:
        """Ask how its workers are started: slots of one pool are alike, what one was started by stands for all."""
        self.detail = {}
        if self._asking is not None:
            self._asking.cancel()
        self._asking = asyncio.create_task(self._ask())

    def _slot(self) -> str:
        return next((view.worker.id for view in self.chosen_workers()), "")

    def on_unmount(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        async for detail in asked(self.top, self._slot):
            self.detail = detail
            self.show_again()

    def title_line(self, mirror: Mirror) -> Line:
        return (" pool ", "dim"), (self.pool, "title")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        pool = mirror.pool(self.pool)
        if pool is None:
            return [((f"{self.pool} is gone", "warn"),), *self.body.lines[1:]]
        return pool_page(mirror, pool, width, self.detail)

    def chosen_workers(self) -> list[WorkerView]:
        return [view for view in self.top.mirror.workers.values() if view.pool.name == self.pool]

    def chosen_backends(self) -> list[BackendView]:
        return []

    def chosen_pool(self) -> PoolRow | None:
        return self.top.mirror.pool(self.pool)

    def action_next_pool(self, step: int) -> None:
        snapshot = self.top.mirror.snapshot
        names = [pool.name for pool in snapshot.pools] if snapshot else []
        if len(names) < 2 or self.pool not in names:
            return self.top.say("there is no other pool")
        self.pool = names[(names.index(self.pool) + step) % len(names)]
        self.body.top = 0
        self._begin()
        self.show_again()

    def action_log(self) -> None:
        self.app.push_screen(LogScreen(self.top, self.pool))

    def action_rollout(self) -> None:
        self.app.push_screen(RolloutScreen(self.top, self.pool))
