"""A column as data, and which columns a given width has room for."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from dashboard.tui.ink import Span

Row = TypeVar("Row")


class Column(NamedTuple, Generic[Row]):
    key: str
    title: str
    width: int
    priority: int
    """0 stays always; the highest goes first when room is short."""
    cell: Callable[[Row], Span]
    order: Callable[[Row], Any] | None = None
    """What it is sorted by; None: it cannot be. Unknown values are None and always come last."""
    right: bool = False
    flex: int = 0
    """Cells that it may take beyond its width, if there are any to spare."""
    falling: bool = False
    """The first sort by it puts the highest on top."""


class Placed(NamedTuple, Generic[Row]):
    column: Column[Row]
    width: int


def place(columns: Sequence[Column[Row]], room: int) -> list[Placed[Row]]:
    """Columns of the highest standing that fit into `room` with a gap of one; spare cells go to the flexible."""
    shown = list(columns)

    def taken() -> int:
        return sum(column.width + 1 for column in shown) - 1

    while len(shown) > 1 and taken() > room:
        last = max(shown, key=lambda column: (column.priority, shown.index(column)))
        if last.priority == 0:
            break
        shown.remove(last)
    spare = max(0, room - taken())
    placed = []
    for column in sorted(shown, key=lambda column: column.priority):
        more = min(spare, column.flex)
        spare -= more
        placed.append(Placed(column, column.width + more))
    position = {column.key: at for at, column in enumerate(shown)}
    return sorted(placed, key=lambda one: position[one.column.key])
