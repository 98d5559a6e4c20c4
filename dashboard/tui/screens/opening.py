"""From the main screen to the pages: details, pools, rollouts, logs, events, help, and all that can be done now."""

from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from dashboard.mirror import BackendView, WorkerView
from dashboard.tui.keys import ACT, SEE, Key, Where
from dashboard.tui.screens.choose import ChooseScreen
from dashboard.tui.screens.details import BackendScreen, WorkerScreen
from dashboard.tui.screens.events import EventsScreen
from dashboard.tui.screens.help import HelpScreen
from dashboard.tui.screens.inspect import InspectScreen
from dashboard.tui.screens.logs import LogScreen
from dashboard.tui.screens.pools import PoolScreen
from dashboard.tui.screens.rollouts import RolloutScreen
from dashboard.tui.widgets.live_table import LiveTable
from supervisor.model.snapshot import PoolRow

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class Opening(Screen[None]):
    """Opens a page on what is chosen."""

    top: "TopApp"
    worker_table: LiveTable[WorkerView]
    backend_table: LiveTable[BackendView]

    @property
    def where(self) -> Where:
        raise NotImplementedError

    @property
    def table(self) -> LiveTable[Any]:
        raise NotImplementedError

    def chosen_pool(self) -> PoolRow | None:
        raise NotImplementedError

    def chosen_workers(self) -> list[WorkerView]:
        raise NotImplementedError

    def applicable(self, every: bool = False) -> list[Key]:
        raise NotImplementedError

    def action_details(self) -> None:
        if self.where == "backends" and (backend := self.backend_table.current) is not None:
            self.app.push_screen(BackendScreen(self.top, backend.key))
        elif (worker := self.worker_table.current) is not None and self.where == "workers":
            self.app.push_screen(WorkerScreen(self.top, worker.key))

    def show_page(self, name: str) -> None:
        """Of whatever has this name."""
        mirror = self.top.mirror
        worker = next((view for view in mirror.workers.values() if view.worker.id == name), None)
        if mirror.pool(name) is not None:
            self.app.push_screen(PoolScreen(self.top, name))
        elif worker is not None:
            self.app.push_screen(WorkerScreen(self.top, worker.key))
        elif name in mirror.backends:
            self.app.push_screen(BackendScreen(self.top, name))
        else:
            self.top.say(f"no pool, worker or backend {name!r}", "warning")

    def action_pool(self) -> None:
        if (pool := self.chosen_pool()) is None:
            return self.top.say("no pool of ours is chosen", "warning")
        self.app.push_screen(PoolScreen(self.top, pool.name))

    def action_rollout(self) -> None:
        if (pool := self.chosen_pool()) is None:
            return self.top.say("no pool of ours is chosen", "warning")
        self.app.push_screen(RolloutScreen(self.top, pool.name))

    def action_inspect(self) -> None:
        if self.where == "backends" and (backend := self.backend_table.current) is not None:
            self.app.push_screen(InspectScreen(self.top, backend.key))
        elif (worker := self.worker_table.current) is not None:
            self.app.push_screen(InspectScreen(self.top, worker.worker.id))

    def action_actions(self) -> None:
        """Everything that can be done with the row now, each by one letter."""
        keys = [key for key in self.applicable(every=True) if key.group in (ACT, SEE)]
        choices = [(key.action, f"{key.label:<16} {key.help}") for key in keys]
        subject = self.table.current
        name = subject.key if isinstance(subject, BackendView) else subject.worker.id if subject else "nothing"
        screen = ChooseScreen(self.top, name, choices, letters=[key.name.split()[0] for key in keys])
        self.app.push_screen(screen, self._act)

    def _act(self, action: str | None) -> None:
        if action is not None:
            self.run_worker(self.run_action(action))

    def action_logs(self, whole: str = "") -> None:
        chosen = self.chosen_workers()
        if not chosen:
            return self.top.say("no worker of ours is chosen: no log", "warning")
        self.app.push_screen(LogScreen(self.top, chosen[0].pool.name if whole else chosen[0].worker.id))

    def action_events(self) -> None:
        self.app.push_screen(EventsScreen(self.top))

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.top))
