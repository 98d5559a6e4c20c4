"""The main screen: workers and their backends, what happened, what is chosen, and the keys that apply now."""

from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from dashboard.mirror import BackendView, Mirror, WorkerView, worker_key
from dashboard.tui import filters
from dashboard.tui.backend_columns import BACKEND_COLUMNS
from dashboard.tui.commands import Local, logged
from dashboard.tui.facts import backend_pane, event_line, faded, worker_pane
from dashboard.tui.heading import heading, silent_for
from dashboard.tui.ink import Line
from dashboard.tui.keys import MAIN_KEYS, REPLAY_KEYS, Key, Where, allowed, applying
from dashboard.tui.offering import able, offered
from dashboard.tui.say import UNKNOWN
from dashboard.tui.screens.finding import Finding
from dashboard.tui.screens.logs import LogScreen
from dashboard.tui.screens.opening import Opening
from dashboard.tui.screens.operating import Operating
from dashboard.tui.screens.page import bindings
from dashboard.tui.screens.rollouts import RolloutScreen
from dashboard.tui.screens.settling import Settling
from dashboard.tui.screens.sharing import Sharing
from dashboard.tui.states import phase
from dashboard.tui.tail import Tail
from dashboard.tui.verdict import NOT_OURS, Trouble, troubles
from dashboard.tui.widgets.box import Box
from dashboard.tui.widgets.footer import KeyLine
from dashboard.tui.widgets.lines import Lines
from dashboard.tui.widgets.live_table import LiveTable
from dashboard.tui.widgets.pane import Pane
from dashboard.tui.worker_columns import WORKER_COLUMNS, why
from supervisor.model.snapshot import PoolRow
from supervisor.model.text import clean

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


NO_WORKER = "no worker yet"
NO_BACKEND = "no backend: no proxy is watched"


class MainScreen(Finding, Operating, Opening, Sharing, Settling):
    KEYS: ClassVar[tuple[Key, ...]] = MAIN_KEYS
    BINDINGS: ClassVar[list[BindingType]] = bindings(MAIN_KEYS)

    def __init__(self, top: "TopApp") -> None:
        super().__init__()
        self.top = top
        ink = top.ink
        self.head = Lines(ink, id="head")
        self.worker_table: LiveTable[WorkerView] = LiveTable(ink, WORKER_COLUMNS, empty=NO_WORKER, id="workers")
        self.backend_table: LiveTable[BackendView] = LiveTable(
            ink, BACKEND_COLUMNS, empty=NO_BACKEND, id="backends"
        )
        self.details = Lines(ink, id="details")
        self.details_pane = Pane(self.details, title="Details", id="details-pane")
        self.events = Lines(ink, id="events")
        self.selected = Lines(ink, id="selected")
        self.box = Box("text  !text  state:failed  cpu>80")
        self.foot = KeyLine(ink, id="foot")
        self.troubles: list[Trouble] = []
        self.tail = Tail(top.source, self.show_details)

    def compose(self) -> ComposeResult:
        yield self.top.ink
        yield self.head
        with Container(id="body"):
            yield Pane(self.worker_table, title="Workers", id="workers-pane")
            yield Pane(self.backend_table, title="Backends", id="backends-pane")
            yield self.details_pane
            yield Pane(self.events, title="Events", id="events-pane")
        yield self.selected
        yield self.box
        yield self.foot

    def on_mount(self) -> None:
        self.worker_table.on_cursor = self.moved
        self.backend_table.on_cursor = self.moved
        self.worker_table.on_open = self.backend_table.on_open = self.action_details
        self.box.taken = self.take_filter
        self.settle(self.top.asked_sort)
        if self.top.asked_filter:
            self.set_filter(self.top.asked_filter)
            self.tell_filter()
        self.worker_table.focus()
        self.show_again()

    def on_unmount(self) -> None:
        self.tail.stop()

    def on_screen_resume(self) -> None:
        # Back from a page: the picture is as old as the visit there was long.
        if self.is_mounted:
            self.show_again()

    # What is shown

    @property
    def where(self) -> Where:
        # Not `has_focus`, which lags behind: a key's next step would be of the other table.
        return "backends" if self.focused is self.backend_table else "workers"

    def show_mirror(self, mirror: Mirror) -> None:
        """The newest picture in every pane; each paints only what differs."""
        if not self.is_mounted:
            return
        self.share_room(mirror)
        mood = self.top.mood
        self.troubles = troubles(mirror, self.top.fixed)
        worst = self.troubles[0] if self.troubles else None
        width, high = self.head.size
        self.head.set_lines(heading(mirror, mood, width or self.size.width, worst, high or 3))
        stale = silent_for(mirror, mood) is not None
        for table in (self.worker_table, self.backend_table):
            table.dimmed = stale
        self.worker_table.set_rows(mirror.workers)
        self.backend_table.set_rows(mirror.backends)
        self.show_titles()
        self.show_events(mirror)
        self.moved()

    def show_events(self, mirror: Mirror) -> None:
        """Them alone: they come between two pictures, and nothing else of the screen is made of them."""
        room = max(1, self.events.size.height)
        self.events.set_lines([event_line(event) for event in mirror.events[-room:]])

    def show_titles(self) -> None:
        for name, table, none in (
            ("Workers", self.worker_table, NO_WORKER),
            ("Backends", self.backend_table, NO_BACKEND),
        ):
            nothing = f"nothing matches {self.filter}" + (
                f"  ({said})" if (said := filters.trouble(self.filter)) else ""
            )
            table.empty = nothing if table.rows else none
            shown, whole = len(table.order), len(table.rows)
            title = f"{name} {shown}" if shown == whole else f"{name} {shown}/{whole}"
            if table.marks:
                title += f" · {len(table.marks)} marked"
            if self.filter:
                title += f" · /{self.filter}"
            pane = table.parent
            if isinstance(pane, Pane):
                pane.say(title)

    def moved(self) -> None:
        """The cursor stands elsewhere, or what it stands on has changed: its partner is lit in the other table."""
        self._show_partner()
        self.show_details()
        self.selected.set_lines((self._selected_line(),))
        self._show_keys()

    def _show_partner(self) -> None:
        if self.where == "workers":
            view = self.worker_table.current
            self.backend_table.follow(view.worker.backend if view else None)
        elif (backend := self.backend_table.current) is not None and backend.worker is not None:
            self.worker_table.follow(worker_key(backend.worker))

    def show_details(self) -> None:
        if not self.details.is_attached:
            return  # the screen is being taken down, and a log line came in
        pane = self.details_pane
        if not pane.display or not self.details.size.width:
            self.tail.aim(None)
            return
        width, height = self.details.size
        if self.where == "backends" and (backend := self.backend_table.current) is not None:
            pane.say(backend.key)
            self.tail.aim(None)
            lines = backend_pane(backend, width, height)
        elif (worker := self.worker_table.current) is not None:
            pane.say(worker.worker.id)
            travel = self.top.travel
            past = travel.mirror is not None  # its log would be that of now
            self.tail.aim(worker.worker.id if height > 5 and not past else None)
            none = "a recording has no log" if travel.recorded else "l: up to then" if past else "no line read yet"
            lines = worker_pane(worker, width, height, self.tail.lines, none)
        else:
            pane.say("Details")
            self.tail.aim(None)
            lines = [(("nothing is chosen", "dim"),)]
        self.details.set_lines(faded(lines) if self.worker_table.dimmed else lines)

    def _selected_line(self) -> Line:
        """In a small window, in place of the details: the worst, or why the chosen row is as it is."""
        chosen = self.table.cursor
        ours = [trouble for trouble in self.troubles if trouble.rank < NOT_OURS]
        if ours and all(trouble.key != chosen for trouble in ours):
            return (" ", "text"), *ours[0].line(self.selected.size.width - 1)
        if self.where == "backends" and (backend := self.backend_table.current) is not None:
            said = backend.proxy.why or backend.backend.health_reason or ""
            return (f" {backend.key} ", "strong"), (f"{backend.backend.address}  {said}", "dim")
        if (view := self.worker_table.current) is None:
            return ()
        look = phase(view.worker.phase)
        said = (
            why(view) or f"pid {view.worker.pid or UNKNOWN}  @{view.worker.generation}  {view.worker.address or ''}"
        )
        token = look.token if why(view) else "dim"
        return (f" {view.worker.id} ", "strong"), (look.text(), look.token), (f"  {said}", token)

    def applicable(self, every: bool = False) -> list[Key]:
        """Those that apply to what is chosen."""
        capabilities = able(self.chosen_backends())
        row = self.backend_table.current if self.where == "backends" else self.worker_table.current
        return applying(allowed(self.KEYS, self.top.fixed), self.where, capabilities, row is not None, every)

    def _show_keys(self) -> None:
        keys = offered(
            self.applicable(every=True), self.chosen_workers(), self.chosen_backends(), self.chosen_pool()
        )
        label = "Workers" if self.where == "backends" else "Backends"
        self.foot.set_keys([key._replace(label=label) if key.action == "pane" else key for key in keys])

    # What is chosen

    def chosen_workers(self) -> list[WorkerView]:
        """As they are now, whatever the table shows: where the picture is held, its numbers are old."""
        known = self.top.mirror.workers
        if self.where == "workers":
            return [known[view.key] for view in self.worker_table.chosen() if view.key in known]
        paths = {view.key for view in self.backend_table.chosen()}
        return [view for view in known.values() if view.worker.backend in paths]

    def chosen_backends(self) -> list[BackendView]:
        known = self.top.mirror.backends
        if self.where == "backends":
            return [known[view.key] for view in self.backend_table.chosen() if view.key in known]
        paths = dict.fromkeys(view.worker.backend for view in self.chosen_workers())
        return [known[path] for path in paths if path in known]

    def chosen_pool(self) -> PoolRow | None:
        chosen = self.chosen_workers()
        if chosen:
            return self.top.mirror.pool(chosen[0].pool.name)
        pools = self.top.mirror.snapshot.pools if self.top.mirror.snapshot else ()
        # A pool scaled to nothing has no row to stand on.
        return pools[0] if len(pools) == 1 else None

    def clear_marks(self) -> None:
        for table in (self.worker_table, self.backend_table):
            if table.marks:
                table.marks = set()
                table.paint_changes()
        self.show_titles()

    @property
    def table(self) -> LiveTable[Any]:
        return self.backend_table if self.where == "backends" else self.worker_table

    # Moving

    def action_move(self, lines: int) -> None:
        self.table.move(lines)

    def action_page(self, pages: int) -> None:
        self.table.move(pages * max(1, self.table.height - 1))

    def action_mark(self) -> None:
        self.table.mark()
        self.show_titles()
        self.moved()

    def action_mark_all(self) -> None:
        self.table.mark_all()
        self.show_titles()
        self.moved()

    def action_unmark(self) -> None:
        self.clear_marks()
        self.moved()

    def action_follow(self) -> None:
        table = self.table
        table.stays = not table.stays
        self.top.say("the cursor goes with its row" if table.stays else "the cursor stays on its line")

    def action_table(self, where: Where) -> None:
        self.focus_table(where)

    def action_zoom(self) -> None:
        self.toggle_class("-zoom")
        self.planned = (0, 0)
        self.call_after_refresh(self.show_again)

    def action_pane(self) -> None:
        self.focus_table("workers" if self.where == "backends" else "backends")

    def focus_table(self, where: Where) -> None:
        self.set_class(where == "backends", "-backends")
        # At once: the next key must not reach the other table.
        self.set_focus(self.backend_table if where == "backends" else self.worker_table)
        self.call_after_refresh(self.moved)

    def action_partner(self) -> None:
        """From a worker to its backend, and back."""
        if self.where == "workers":
            view = self.worker_table.current
            path = view.worker.backend if view else None
            if path is None or not self.backend_table.select(path):
                return self.top.say("this worker has no backend at a proxy" if not path else f"{path} is not shown")
            return self.focus_table("backends")
        backend = self.backend_table.current
        partner = next(
            (v for v in self.top.mirror.workers.values() if backend and v.worker.backend == backend.key), None
        )
        if partner is None or not self.worker_table.select(partner.key):
            return self.top.say(
                "no worker of ours fills this backend" if partner is None else "its worker is not shown"
            )
        self.focus_table("workers")

    def action_copy(self) -> None:
        view = self.table.current
        if view is not None:
            name = view.key if isinstance(view, BackendView) else view.worker.id
            self.app.copy_to_clipboard(clean(name))
            self.top.say(f"copied {name}")

    # The screen itself

    def action_pause(self) -> None:
        if self.top.travel.mirror is not None:
            return self.top.travel.play()
        self.top.paused = not self.top.paused
        self.show_again()

    def action_theme(self) -> None:
        self.top.action_theme()

    def action_leave(self) -> None:
        self.top.action_leave()

    def do_locally(self, local: Local) -> None:
        """What was typed after `:` and concerns the screen alone."""
        match local.action:
            case "logs":
                chosen = self.chosen_workers()
                target = local.argument or (chosen[0].worker.id if chosen else "")
                if logged(target, self.top.mirror):
                    self.app.push_screen(LogScreen(self.top, target))
                else:
                    self.top.say(f"no pool, worker or embedded proxy {target!r}", "warning")
            case "rollout" if self.top.mirror.pool(local.argument) is not None:
                self.app.push_screen(RolloutScreen(self.top, local.argument))
            case "rollout":
                self.top.say(f"no pool {local.argument!r}", "warning")
            case "at":
                self.top.travel.go_to(local.argument)
            case "show":
                self.show_page(local.argument)
            case "filter":
                self.set_filter(local.argument)
                self.tell_filter()
            case "sort":
                self.focus_table("workers")
                self.worker_table.sort_by(local.argument or None)
            case "theme":
                self.top.set_theme(local.argument) if local.argument else self.top.action_theme()
            case "events":
                self.action_events()
            case "operations":
                self.action_operations()
            case "help":
                self.action_help()
            case _:
                self.top.action_leave()


class ReplayScreen(MainScreen, inherit_bindings=False):
    """A recording is looked at, and played."""

    KEYS = REPLAY_KEYS
    # Those that change something say why nothing happens.
    BINDINGS: ClassVar[list[BindingType]] = bindings((*REPLAY_KEYS, *(key for key in MAIN_KEYS if key.changes)))
