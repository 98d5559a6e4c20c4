"""What the main screen's keys change in the cluster: first the question, then the request, then the following."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from textual.screen import Screen

from dashboard.mirror import BackendView, WorkerView
from dashboard.tui import intents
from dashboard.tui.commands import Local
from dashboard.tui.ink import Line
from dashboard.tui.intents import Ask, Intent, Refusal
from dashboard.tui.screens.confirm import ConfirmScreen, ScaleScreen
from dashboard.tui.screens.operations import OperationsScreen
from dashboard.tui.screens.palette import PaletteScreen
from dashboard.tui.screens.rollouts import RolloutScreen
from supervisor.model.snapshot import PoolRow

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class Operating(Screen[None]):
    """Asks, performs and follows; the screen built on it says what is chosen."""

    top: "TopApp"

    def chosen_workers(self) -> list[WorkerView]:
        raise NotImplementedError

    def chosen_backends(self) -> list[BackendView]:
        raise NotImplementedError

    def chosen_pool(self) -> PoolRow | None:
        raise NotImplementedError

    def clear_marks(self) -> None:
        raise NotImplementedError

    def do_locally(self, local: Local) -> None:
        raise NotImplementedError

    # Keys

    def action_change(self, what: str) -> None:
        if self.top.only_now():
            self.propose(self._intent(what))

    def _intent(self, what: str) -> Intent | Refusal:
        mirror = self.top.newest
        if what in ("drain", "ready", "maint"):
            return intents.rotate(mirror, self.chosen_backends(), what)
        workers: Sequence[WorkerView] = self.chosen_workers()
        pool = self.chosen_pool()
        if pool is None:
            return Refusal("choose a worker first: this is done to workers and pools")
        match what:
            case "restart":
                return intents.restart(mirror, workers)
            case "stop":
                return intents.hold(mirror, workers, True)
            case "start" if pool.stopped:
                return intents.hold_pool(mirror, pool, False)
            case "start":
                return intents.hold(mirror, workers, False)
            case "stop-pool":
                return intents.hold_pool(mirror, pool, True)
            case "rolling":
                return intents.rolling(mirror, pool)
            case "pause":
                return intents.steer(mirror, pool, intents.toggled(pool))
            case _:
                return intents.steer(mirror, pool, what)

    def action_scale(self, change: int) -> None:
        if not self.top.only_now():
            return
        pool = self.chosen_pool()
        if pool is None:
            self.top.say("choose a worker first: its pool is scaled", "warning")
            return
        self.app.push_screen(ScaleScreen(self.top, pool, change), self.go)

    def action_palette(self) -> None:
        self.app.push_screen(PaletteScreen(self.top), self._typed)

    def action_operations(self) -> None:
        self.app.push_screen(OperationsScreen(self.top))

    # From the question to the end

    def propose(self, intent: Intent | Refusal) -> None:
        """Ask before anything is sent; what cannot be done says why."""
        if isinstance(intent, Refusal):
            self.top.say(intent.why, "warning")
        else:
            self.app.push_screen(ConfirmScreen(self.top, intent), self.go)

    def go(self, intent: Intent | None) -> None:
        if intent is not None and intent.asks:
            self.run_worker(self._perform(intent), group="operations")

    async def _perform(self, intent: Intent) -> None:
        unsure: list[tuple[Ask, str]] = []
        rows = await self.top.operator.perform(intent, unsure)
        if unsure:
            self.propose(self._again(intent, unsure))
        if rows:
            self.clear_marks()
        running = [row for row in rows if row.ended is None]
        if not intent.stays or len(running) != 1 or not self.is_current:
            return
        if intent.rolls:
            self.app.push_screen(RolloutScreen(self.top, intent.rolls, running[0].id))
        else:
            self.app.push_screen(OperationsScreen(self.top, running[0].id))

    @staticmethod
    def _again(intent: Intent, unsure: list[tuple[Ask, str]]) -> Intent:
        """The same for what the engine would not do without a yes, with its reasons."""
        reasons: list[Line] = [((f"{ask.verb}: {why}", "down"),) for ask, why in unsure[:4]]
        return replace(intent, asks=tuple(ask for ask, _ in unsure), lines=tuple(reasons), grave=True, sure=True)

    def _typed(self, answer: Any) -> None:
        match answer:
            case Intent():
                if self.top.only_now():
                    self.propose(answer)
            case Local():
                self.do_locally(answer)
            case _:
                pass
