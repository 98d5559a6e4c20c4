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

from dashboard.tui.stamps import stamp
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


async def test_one_line_what_is_seen_and_what_came_last_is_copied() -> None:
    async with screen(with_log([f"line {n}" for n in range(300)]), (80, 24)) as s:
        await s.press("l")
        await s.see("line 299")
        await s.press("C")
        assert len(s.app.clipboard.splitlines()) == 22
        await s.press("y")
        assert s.app.clipboard.startswith("line 100\n")
        await s.press("k", "k", "c")
        assert s.app.clipboard == "line 297"
        await s.see("line 298 of 300", "copied the line: line 297")
        await s.click("line 290")
        await s.press("c")
        assert s.app.clipboard == "line 290"
        await s.press("G", "c")
        assert s.app.clipboard == "line 299"
        await s.see("following")


async def test_a_wrapped_line_is_chosen_and_copied_whole() -> None:
    long = "x" * 100 + "END"
    async with screen(with_log(["before", long, "after"]), (60, 20)) as s:
        await s.press("l")
        await s.see("after")
        await s.press("w", "k", "c")
        assert s.app.clipboard == long
        await s.press("w", "c")
        assert s.app.clipboard == long, "the line stays chosen when it is no longer wrapped"


async def test_a_search_tells_which_of_how_many_and_finds_what_is_in_sight() -> None:
    lines = [f"needle {n}" if n in (3, 50, 298) else f"line {n}" for n in range(300)]
    async with screen(with_log(lines), (80, 24)) as s:
        await s.press("l")
        await s.see("line 299")
        await s.press("slash", *"needle", "enter")
        await s.see("/needle 3 of 3")
        await s.press("n")
        await s.see("no match after this one; 3 lines in all")
        await s.press("N", "c")
        assert s.app.clipboard == "needle 50"
        await s.see("/needle 2 of 3")
        await s.press("j")
        await s.see("/needle – of 3")
        await s.press("N", "N")
        await s.see("/needle 1 of 3")
        await s.press("slash", *"[b]nowhere", "enter")
        await s.see("no line here holds '[b]nowhere'", "– of 0")


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-11-23T12:00:05Z INFO up", 1_795_435_205.0),
        ("web.0 | 2026-11-23 12:00:05,250+00:00 WARNING", 1_795_435_205.25),
        ('::1 - - [23/Nov/2026:13:00:05 +0100] "GET /"', 1_795_435_205.0),
        ("2026-13-45 99:00:05 no moment", None),
        ("GET / 200 0 ms", None),
    ],
)
def test_a_line_tells_when_it_was_written(line: str, moment: float | None) -> None:
    assert stamp(line) == moment


async def test_in_the_past_a_log_ends_where_the_picture_is() -> None:
    source = with_log(
        [f"2026-11-23T12:00:{second:02}.5Z tick {second}{end}" for second in range(60) for end in ("", "\n  more")]
    )
    source.log_lines["web.0"] = "\n".join(source.log_lines["web.0"]).split("\n")
    async with screen(source) as s:
        for _ in range(9):
            await s.step()
        await s.press("[", "[")
        await s.until(lambda: s.app.mirror.snapshot is not None and "12:00:08" in s.app.mirror.snapshot.time)
        await s.press("l")
        await s.see("UNTIL", "tick 8")
        assert "tick 9" not in s.text()
        assert "following" not in s.text()


async def test_in_the_past_a_log_that_tells_no_time_is_said_to_be_of_now() -> None:
    async with screen(with_log(["GET / 200"])) as s:
        await s.step(9)
        await s.press("[", "l")
        await s.see("OF NOW, not of", "its lines carry no time", "GET / 200")


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
        monkeypatch.setenv("PAGER", "less '")
        await s.press("o")
        await s.see("$PAGER makes no sense")
        monkeypatch.setenv("PAGER", "less")
        monkeypatch.setattr("tempfile.tempdir", "/proc")  # as a full disk
        await s.press("o")
        await s.see("no file to show it from")


async def test_the_keys_of_a_log_are_told_there_and_on_the_page_of_all_keys() -> None:
    async with screen(size=(120, 90)) as s:
        await s.press("l", "question_mark")
        await s.see("only the lines that hold what is sought, or all")
        assert "rolling" not in s.text()
        await s.press("escape", "escape", "question_mark")
        await s.see("In a log", "only the lines that hold what is sought, or all")


async def test_in_16_colours_what_is_sought_stands_out_of_the_chosen_line() -> None:
    async with screen(with_log(["one boom two", "three"])) as s:
        s.app.theme = "ansi-dark"
        await s.press("l")
        await s.see("three")
        await s.press("slash", *"boom", "enter")
        await s.see("/boom 1 of 1")
        line = next(strip for strip in s.app.screen._compositor.render_strips() if "one boom" in strip.text)
        reversed_ = {segment.text: bool(segment.style and segment.style.reverse) for segment in line}
        assert (reversed_["one "], reversed_["boom"]) == (True, False)
