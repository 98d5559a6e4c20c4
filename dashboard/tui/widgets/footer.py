"""The bottom line: the keys that apply now, each of which can be clicked."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events

from dashboard.tui.ink import Ink, Span
from dashboard.tui.keys import Key
from dashboard.tui.states import to_ascii
from dashboard.tui.widgets.lines import Lines


class KeyLine(Lines):
    """As many keys as there is room for, the first ones first; whole ones only."""

    def __init__(self, ink: Ink, *, id: str | None = None) -> None:
        super().__init__(ink, id=id)
        self._keys: Sequence[Key] = ()
        self._places: list[tuple[int, int, str]] = []

    def set_keys(self, keys: Sequence[Key]) -> None:
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self.lay_out()

    def lay_out(self) -> None:
        spans: list[Span] = [(" ", "text")]
        self._places = []
        x = 1
        for key in self._keys:
            name = to_ascii(key.name) if self.ink.ascii_only else key.name
            width = cell_len(name) + 1 + cell_len(key.label) + 2
            if x + width > self.size.width:
                break
            spans += [(name, "key"), (f" {key.label}  ", "text")]
            self._places.append((x, x + width - 2, key.action))
            x += width
        self.set_lines((tuple(spans),))

    def on_resize(self) -> None:
        super().on_resize()
        self.lay_out()

    async def _on_click(self, event: events.Click) -> None:
        for start, end, action in self._places:
            if start <= event.x < end:
                await self.screen.run_action(action)
