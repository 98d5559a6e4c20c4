"""Settings of the main screen: theme, columns, order; kept from one day to the next."""

from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from dashboard.mirror import BackendView, WorkerView
from dashboard.tui.keeping import Order
from dashboard.tui.screens.choose import ChooseScreen, SeveralScreen
from dashboard.tui.widgets.live_table import LiveTable

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class Settling(Screen[None]):
    """Takes what was kept when the screen is made, and keeps what is set on it."""

    top: "TopApp"
    worker_table: LiveTable[WorkerView]
    backend_table: LiveTable[BackendView]

    @property
    def tables(self) -> dict[str, LiveTable[Any]]:
        return {"workers": self.worker_table, "backends": self.backend_table}

    def settle(self, sort: str | None) -> None:
        """As it was left; `sort` is the order asked for this time, empty: the cluster's own, whatever was kept."""
        kept = self.top.keeping.kept
        for name, table in self.tables.items():
            order = kept.order.get(name)
            if order is not None and sort != "" and _sortable(table, order.column):
                table.sort, table.falling = order.column, order.falling
            table.hide(kept.hidden.get(name, ()))
            table.on_sort = self._keep_order
        if not sort:
            return
        if _sortable(self.worker_table, sort):
            column = next(one for one in self.worker_table.columns if one.key == sort)
            self.worker_table.sort, self.worker_table.falling = sort, column.falling
        else:
            known = ", ".join(one.key for one in self.worker_table.columns if one.order)
            self.top.say(f"no column {sort!r} to sort by; there are {known}", "warning")

    def _keep_order(self) -> None:
        orders = {name: Order(table.sort, table.falling) for name, table in self.tables.items() if table.sort}
        self.top.keeping.kept.order = orders
        self.top.keeping.write()

    def action_settings(self) -> None:
        kept = self.top.keeping
        where = f"  kept in {kept.path}" if kept.path else ""
        choices = [
            ("theme", f"theme                {self.top.theme}"),
            ("workers", "columns of workers"),
            ("backends", "columns of backends"),
            ("reset", "all as it comes" + where),
        ]
        self.app.push_screen(ChooseScreen(self.top, "Settings", choices), self._set)

    def _set(self, what: str | None) -> None:
        match what:
            case "theme":
                self._choose_theme()
            case "workers" | "backends":
                self._choose_columns(what)
            case "reset":
                for table in self.tables.values():
                    table.hide(())
                    table.sort_by(None)
                self.top.keeping.kept.hidden = {}
                self.top.set_theme(self.top.default_theme)
            case _:
                pass

    def _choose_theme(self) -> None:
        names = sorted(self.top.available_themes)
        screen = ChooseScreen(self.top, "Theme", [(name, name) for name in names], self.top.theme)
        self.app.push_screen(screen, lambda name: self.top.set_theme(name) if name else None)

    def _choose_columns(self, name: str) -> None:
        table = self.tables[name]
        choices = [(one.key, f"{one.title:<10} {one.key}") for one in table.columns[1:]]
        on = [key for key, _ in choices if key not in table.hidden]

        def chosen(shown: frozenset[str] | None) -> None:
            if shown is not None:
                table.hide(key for key, _ in choices if key not in shown)
                self.top.keeping.kept.hidden[name] = sorted(table.hidden)
                self.top.keeping.write()

        screen = SeveralScreen(self.top, f"Columns of {name}: space switches, esc goes back", choices, on)
        self.app.push_screen(screen, chosen)


def _sortable(table: LiveTable[Any], key: str) -> bool:
    return any(column.key == key and column.order for column in table.columns)
