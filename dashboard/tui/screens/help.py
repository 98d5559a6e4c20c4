"""The page of all keys, made from the table of keys."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboard.mirror import Mirror
from dashboard.tui.facts import padded
from dashboard.tui.ink import Line, Span
from dashboard.tui.keys import GROUPS, LOG_KEYS, MAIN_KEYS, REPLAY_KEYS, Key, allowed
from dashboard.tui.screens.page import Page
from dashboard.tui.states import HEALTH, PHASES, ROTATION

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class HelpScreen(Page):
    def __init__(self, top: "TopApp", keys: tuple[Key, ...] = ()) -> None:
        super().__init__(top)
        all_keys = (*(REPLAY_KEYS if top.travel.recorded else MAIN_KEYS), *LOG_KEYS)
        self.keys = allowed(keys or all_keys, top.read_only)

    def title_line(self, mirror: Mirror) -> Line:
        return (" Keys ", "title"), ("  every key is a verb of `clusterctl` too; q never stops the cluster", "dim")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        columns = max(1, min(3, width // 58))
        return [*key_lines(self.keys, width, columns), (), *_legend()]


def key_lines(keys: Sequence[Key], width: int, columns: int) -> list[Line]:
    """Each group under its name; in as many columns as asked, filled from the left."""
    blocks: list[Line] = []
    for group in GROUPS:
        members = [key for key in keys if key.group == group]
        if members:
            blocks += [((group, "title"),), *(_key_line(key) for key in members), ()]
    tall = -(-len(blocks) // columns)
    each = width // columns
    lines: list[Line] = []
    for row in range(tall):
        spans: list[Span] = []
        for column in range(columns):
            at = column * tall + row
            spans += padded(blocks[at] if at < len(blocks) else (), each)
        lines.append(tuple(spans))
    return lines


def _key_line(key: Key) -> Line:
    return (f"  {key.name:<8}", "key"), (key.help, "text")


def _legend() -> list[Line]:
    looks = {look.text(): look for look in (*PHASES.values(), *HEALTH.values(), *ROTATION.values())}
    lines: list[Line] = [(("States", "title"),)]
    lines.append(tuple(span for look in looks.values() for span in ((f"  {look.text()}", look.token),))[:8])
    lines.append(tuple(span for look in looks.values() for span in ((f"  {look.text()}", look.token),))[8:])
    lines.append((("  – is not known; dim is old or of no weight; * is marked", "dim"),))
    return lines
