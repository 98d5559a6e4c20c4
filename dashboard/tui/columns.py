"""A column as data, and which columns a given width has room for."""

from collections.abc import Callable, Mapping, Sequence
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
    measured: bool = True
    """Whether it takes no more than its longest cell needs; else all that is to spare."""
    falling: bool = False
    """The first sort by it puts the highest on top."""


class Placed(NamedTuple, Generic[Row]):
    column: Column[Row]
    width: int


def place(columns: Sequence[Column[Row]], room: int, needs: Mapping[str, int] | None = None) -> list[Placed[Row]]:
    """Columns of the highest standing that fit into `room` with a gap of one; spare cells go to the flexible,
    but no more than the longest cell `needs`, where that is known.
    """
    shown = list(columns)

    def taken() -> int:
        return sum(column.width + 1 for column in shown) - 1

    while len(shown) > 1 and taken() > room:
        last = max(shown, key=lambda column: (column.priority, shown.index(column)))
        if last.priority == 0:
            break
        shown.remove(last)
    for column in sorted(columns, key=lambda column: column.priority):
        # A narrow one may still have room where a wide one had none.
        if column not in shown and taken() + 1 + column.width <= room:
            shown.append(column)
    shown.sort(key=columns.index)
    spare = max(0, room - taken())
    placed = []
    for column in sorted(shown, key=lambda column: column.priority):
        longest = (needs or {}).get(column.key, column.width + column.flex)
        more = min(spare, column.flex, max(0, longest - column.width))
        spare -= more
        placed.append(Placed(column, column.width + more))
    position = {column.key: at for at, column in enumerate(shown)}
    return sorted(placed, key=lambda one: position[one.column.key])
