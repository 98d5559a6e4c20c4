"""An operator reads a log: levels, search, wrapping, only what matters, out to the clipboard and the pager."""

import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dashboard.tui.widgets.log_view import broken, level
from supervisor.model.text import clean
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import Simulated


def with_log(lines: list[str]) -> Simulated:
    source = Simulated()
    source.log_lines["web.0"] = lines
    return source


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("2026 ERROR no", "down"),
        ("warning: hm", "warn"),
        ("[debug] x", "dim"),
        ("GET / 200", "text"),
        ("terror", "text"),
    ],
)
def test_a_level_is_found_by_its_word(line: str, token: str) -> None:
    assert level(line) == token


@given(st.text(max_size=200), st.integers(min_value=2, max_value=40))
def test_a_wrapped_line_loses_nothing_and_fits(line: str, width: int) -> None:
    line = clean(line)  # as the view keeps it
    parts = broken(line, width)
    assert all(cell_len(part) <= max(4, width) for part in parts)
    assert parts[0] + "".join(part[2:] for part in parts[1:]) == line


async def test_long_lines_are_wrapped_on_w_and_whole_again() -> None:
    async with screen(with_log(["x" * 100 + "END", "short"]), (60, 20)) as s:
        await s.press("l")
        await s.see("short")
        assert "END" not in s.text()
        await s.press("w")
        await s.see("END", "wrapped")
        await s.pilot.resize_terminal(40, 20)
        await s.see("END")
        await s.press("w")
        assert "END" not in s.text()
        await s.press("right", "right", "right", "right", "right")
        await s.see("END")


async def test_only_the_lines_that_hold_what_is_sought() -> None:
    lines = [f"INFO tick {n}" for n in range(50)] + ["ERROR needle one"] + ["INFO tock"] * 40 + ["needle two"]
    async with screen(with_log(lines)) as s:
        await s.press("l")
        await s.press("ampersand")
        await s.see("nothing is sought")
        await s.press("slash", *"needle", "enter", "ampersand")
        await s.see("needle one", "needle two", "only")
        assert "tock" not in s.text()
        await s.press("n", "N", "ampersand")
        await s.see("tock")


async def test_what_is_seen_and_what_came_last_is_copied() -> None:
    async with screen(with_log([f"line {n}" for n in range(300)]), (80, 24)) as s:
        await s.press("l")
        await s.see("line 299")
        await s.press("c")
        assert len(s.app.clipboard.splitlines()) == 22
        await s.press("C")
        assert s.app.clipboard.startswith("line 100\n")


async def test_a_terminal_that_cannot_be_lent_says_so_instead_of_failing() -> None:
    async with screen() as s:
        await s.press("l", "o")
        await s.see("cannot be lent")
        await s.press("escape", "enter", "o")
        assert s.app.is_running
        assert not s.app.suspended


async def test_the_pager_gets_the_text_harmless_and_the_interrupt_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\ncp "$2" {tmp_path}/seen\nkill -INT $PPID\n')
    pager.chmod(pager.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PAGER", f"{pager} -R")
    async with screen(with_log(["fine", "bad \x1b]0;owned\x07"])) as s:

        @contextmanager
        def suspend() -> Iterator[None]:
            assert s.app.suspended
            yield

        monkeypatch.setattr(s.app, "suspend", suspend)
        before = signal.getsignal(signal.SIGINT)
        await s.press("l")
        await s.see("fine")
        await s.press("o")
        assert (tmp_path / "seen").read_text() == "fine\nbad ␛]0;owned␇\n"
        assert signal.getsignal(signal.SIGINT) is before
        monkeypatch.setenv("PAGER", "/nowhere/pager")
        await s.press("o")
        await s.see("set PAGER to one that can")


async def test_the_keys_of_a_log_are_told_there_and_on_the_page_of_all_keys() -> None:
    async with screen(size=(120, 90)) as s:
        await s.press("l", "question_mark")
        await s.see("only the lines that hold what is sought, or all")
        assert "rolling" not in s.text()
        await s.press("escape", "escape", "question_mark")
        await s.see("In a log", "only the lines that hold what is sought, or all")
