"""Nothing that an engine tells steers the screen's terminal, whichever of its texts holds it."""

import random
from enum import Enum
from typing import Any

import msgspec
from msgspec.structs import replace

from supervisor.model.snapshot import Snapshot
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import HOSTILE, Simulated

TIMES = ("time", "started", "asked", "ended", "seen")
NAMES = ("id", "name", "worker", "backend")
"""Rows are known by them: they stay different."""


def poisoned(value: Any, dice: random.Random, key: str = "") -> Any:
    """The same picture with a hostile text in the place of many of its texts."""
    match value:
        case msgspec.Struct():
            fields = {f: poisoned(getattr(value, f), dice, f) for f in value.__struct_fields__ if f not in TIMES}
            return replace(value, **fields)
        case tuple():
            return tuple(poisoned(one, dice) for one in value)
        case str() if not isinstance(value, Enum) and dice.random() < 0.5:
            return dice.choice(HOSTILE) + (value if key in NAMES else "")
    return value


class Poisoned(Simulated):
    """Each of its pictures is another one."""

    def picture(self) -> Snapshot:
        found: Snapshot = poisoned(super().picture(), self.random)
        return found


async def test_a_hostile_text_in_any_place_of_a_picture() -> None:
    source, seen = Poisoned(web=4), set[str]()
    source.crash("web.1", "\x1b[2Jdied\u202e")
    source.roll("web.0", waiting_for="[red]a\x07b[/]")
    async with screen(source, (100, 30)) as s:
        await s.see("web")
        for key in ("enter", "escape", "l", "escape", "d", "escape", "b", "b", "e", "escape", "r", "escape"):
            await s.press(key)
            source.step()
            await s.pilot.pause()
            # Unbroken: the text of each place of the screen is a line.
            shown = s.text().replace("\n", "")
            assert all(c.isprintable() or c == "\u3000" for c in shown), (key, shown)
            seen |= set(shown)
        assert s.app.is_running
        assert {"␛", "[", "工"} <= seen
