"""The screen is as its operator left it: theme, order, columns and filters; never marks, and no file stops it."""

from pathlib import Path

import msgspec
import pytest

from dashboard.tui.app import TopApp
from dashboard.tui.keeping import FILTERS, Keeping, Kept, place
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import Simulated


async def test_theme_order_columns_and_filters_are_kept_and_marks_are_not(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "top.json"
    async with screen(state=state) as s:
        await s.press("t", "M", "I", "space", "slash", *"web", "enter", "escape")
        await s.press("comma", "down", "enter")
        await s.see("Columns of workers")
        await s.press("space", "escape")
        await s.until(lambda: "STATE" not in s.text())
        theme = s.app.theme
    assert state.stat().st_mode & 0o777 == 0o600
    async with screen(state=state) as s:
        assert s.app.theme == theme
        assert s.main.worker_table.marks == set()
        await s.see("MEM▲")
        assert "STATE" not in s.text()
        await s.press("slash", "up")
        await s.see("Workers 3/5 · /web")
        await s.press("down")
        await s.see("Workers 5 ")


async def test_a_demo_begins_in_its_own_order_and_leaves_the_one_kept_alone(tmp_path: Path) -> None:
    state = tmp_path / "top.json"
    async with screen(state=state) as s:
        await s.press("M")
    async with screen(state=state, sort="") as s:
        assert s.main.worker_table.sort is None
    async with screen(state=state) as s:
        assert s.main.worker_table.sort == "memory"


async def test_settings_go_back_to_how_it_comes(tmp_path: Path) -> None:
    async with screen(state=tmp_path / "top.json") as s:
        await s.press("t", "M", "comma", "end", "enter")
        assert s.app.theme == s.app.default_theme
        assert s.main.worker_table.sort is None


async def test_the_theme_is_chosen_from_a_list() -> None:
    async with screen() as s:
        await s.press("f2", "enter")
        await s.see("Theme", "colour-blind")
        await s.press("home", "enter")
        assert s.app.theme == sorted(s.app.available_themes)[0]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1]", b'{"filters": 3}', b'{"theme": "\xff"}', b'{"order": {"workers": 1}}']
)
def test_a_damaged_file_is_as_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "top.json").write_bytes(damage)
    assert Keeping(tmp_path / "top.json").kept == Kept()


def test_a_place_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Keeping(tmp_path / "file" / "top.json").write()


def test_filters_are_kept_once_and_bounded(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "top.json")
    for number in range(2 * FILTERS):
        keeping.remember_filter(f"web.{number}")
    keeping.remember_filter(f"web.{FILTERS}")
    kept = msgspec.json.decode((tmp_path / "top.json").read_bytes(), type=Kept).filters
    assert len(kept) == FILTERS
    assert kept[-1] == f"web.{FILTERS}"


def test_the_file_has_its_place_by_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert place() == tmp_path / "clusterctl" / "top.json"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place() == tmp_path / ".local" / "state" / "clusterctl" / "top.json"


async def test_filter_and_order_can_be_given_on_the_command_line() -> None:
    async with screen(filter="jobs", sort="memory") as s:
        await s.see("Workers 2/5 · /jobs", "MEM▼")


async def test_an_order_that_does_not_exist_is_said_with_those_that_do() -> None:
    async with screen(sort="beauty") as s:
        await s.see("no column 'beauty' to sort by; there are worker")


async def test_a_table_stands_alone_when_zoomed_and_the_cursor_may_stay_on_its_line() -> None:
    async with screen() as s:
        await s.press("z")
        await s.until(lambda: "Backends 4" not in s.text())
        assert "Events" not in s.text()
        await s.press("2")
        await s.see("Backends 4")
        await s.press("z", "1")
        await s.see("Workers 5", "Backends 4", "Events")
        await s.press("F", "N", "I")
        await s.see("the cursor stays on its line")
        assert s.main.worker_table.cursor == s.main.worker_table.order[0]
        await s.press("space", "space", "U")
        assert s.main.worker_table.marks == set()


async def test_in_ascii_frames_and_titles_are_ascii_too() -> None:
    async with screen(ascii=True) as s:
        await s.press("space")
        await s.see("1 marked")
        assert s.text().isascii()
        for key in ("enter", "v", "l", "d", "question_mark"):
            await s.press(key)
            await s.pilot.pause(0.05)
            assert s.text().isascii(), s.text()
            await s.press("escape")


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = TopApp(Simulated())
    app.keeping.remember_filter("web")
    assert list(tmp_path.iterdir()) == []
