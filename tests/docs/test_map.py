"""The map in docs/design.md names every file of every room, and no other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("api", "core", "engine", "host", "keeper", "model", "proxies", "settings")


def mapped(room: str) -> set[str]:
    """Names in the table, or the row, of a room."""
    text = (ROOT / "docs" / "design.md").read_text().partition("## A map of the rooms")[2].partition("\n## ")[0]
    table = re.search(rf"^\| in `{room}`.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M)
    row = re.search(rf"^\| `{room}` \|(.*)$", text, re.M)
    found = table or row
    assert found, f"{room} is not on the map"
    return set(re.findall(r"`([a-z_]+)`", found[1]))


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_is_on_the_map(room: str) -> None:
    there = {path.stem for path in (ROOT / "supervisor" / room).glob("*.py")} - {"__init__"}
    there -= {"__main__"} if room == "settings" else set()
    assert mapped(room) == there, f"docs/design.md: on the map of {room} or in its folder, and not in both"
