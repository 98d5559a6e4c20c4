"""An operator looks: rows keep their place under the cursor, and the picture says how true it is."""

import random

import pytest

from dashboard.mirror import Mirror
from dashboard.tui.keys import MAIN_KEYS
from dashboard.tui.screens.main import MainScreen
from tests.dashboard.tui.driving import Driver, screen
from tests.dashboard.tui.simulated import HOSTILE, Simulated

SIZES = [(20, 5), (40, 12), (80, 24), (100, 30), (120, 40), (200, 60)]


def cursor(s: Driver) -> str:
    view = s.main.worker_table.current
    assert view is not None
    return view.worker.id


@pytest.mark.parametrize("size", SIZES)
async def test_every_size_shows_a_worker_and_its_state(size: tuple[int, int]) -> None:
    async with screen(size=size) as s:
        await s.see("web.0")
        assert all(len(line) <= size[0] for line in s.lines())
        for key in ("question_mark", "escape", "enter", "escape", "l", "escape", "d", "escape", "slash", "escape"):
            await s.press(key)
        assert isinstance(s.app.screen, MainScreen)


async def test_small_and_large_show_header_table_backends_and_events() -> None:
    source = Simulated()
    source.say("error", "web.1", "web.1 killed by SEGV")
    async with screen(source) as s:
        await s.see(
            "clusterctl demo", "5/5 serving", "Workers 5", "Backends 4", "web.1 killed by SEGV", "REQ", "not ours"
        )
        await s.pilot.resize_terminal(80, 24)
        # What is seen right after a change of size may be the picture from before it.
        await s.until(lambda: "Backends 4" not in s.text())
        await s.see("Workers 5", "web.1 killed by SEGV")
        await s.press("tab")
        await s.see("Backends 4", "web/legacy")


async def test_a_picture_that_comes_right_after_a_change_of_size_stays() -> None:
    async with screen() as s:
        newest = s.app.live
        s.app.live = Mirror(received=newest.received)
        s.main.on_resize()
        s.app.live = newest
        s.app.show_all()
        await s.pilot.pause(0.1)
        assert len(s.main.worker_table.order) == 5


async def test_the_cursor_stays_on_its_worker_while_rows_come_go_and_re_sort() -> None:
    async with screen(Simulated(web=6)) as s:
        await s.press("down", "down", "P")
        name = cursor(s)
        for _ in range(5):
            s.main.worker_table._touched = 0.0
            await s.step(3)
            assert cursor(s) == name
        s.source.gone.add("web.0" if name != "web.0" else "web.1")
        s.source.counts["web"] = 9
        await s.step()
        assert cursor(s) == name


async def test_the_cursor_goes_to_the_worker_that_takes_the_slot() -> None:
    async with screen() as s:
        await s.press("down")
        s.source.crash("web.1")
        await s.step()
        assert cursor(s) == "web.1"
        assert s.main.worker_table.current.worker.restarts == 1  # type: ignore[union-attr]


async def test_the_filter_works_as_one_types_and_escape_takes_it_away() -> None:
    async with screen() as s:
        await s.press("slash", *"jobs")
        await s.see("Workers 2/5")
        await s.press("enter")
        assert s.main.worker_table.order
        assert all("jobs" in key for key in s.main.worker_table.order)
        await s.press("escape")
        await s.see("Workers 5 ")


async def test_the_sort_goes_by_keys_and_shows_an_arrow() -> None:
    async with screen() as s:
        await s.press("M")
        await s.see("MEM▼")
        sizes = [s.main.worker_table.rows[key].worker.rss_bytes for key in s.main.worker_table.order]
        assert sizes == sorted(sizes, key=lambda size: -(size or 0))
        await s.press("I")
        await s.see("MEM▲")
        await s.press("f6", "home", "down", "enter")
        await s.press("greater_than_sign", "less_than_sign")


async def test_b_jumps_from_a_worker_to_its_backend_and_back() -> None:
    async with screen() as s:
        await s.press("down", "b")
        assert s.main.backend_table.has_focus
        assert s.main.backend_table.cursor == "lb/web/web.1"
        await s.press("up", "b")
        assert s.main.worker_table.has_focus
        assert cursor(s) == "web.0"


async def test_an_engine_that_is_away_is_said_above_the_last_picture_and_forgotten_when_it_is_back() -> None:
    async with screen() as s:
        before = next(line for line in s.lines() if "web.0" in line)
        s.source.leave()
        await s.see(
            "nothing supervises the workers now: `clusterctl up` brings it back", "last picture of", "nobody"
        )
        after = next(line for line in s.lines() if "web.0" in line)
        assert before == after
        assert s.main.worker_table.dimmed
        await s.step()
        assert "supervises" not in s.text()
        assert not s.main.worker_table.dimmed


async def test_a_proxy_that_cannot_be_reached_is_said_with_its_reason_and_the_age_of_the_reading() -> None:
    async with screen() as s:
        s.source.reachable = False
        await s.step()
        await s.see("lb ✖ 21s old", "lb: no answer in 2 s")


async def test_the_pause_holds_the_picture() -> None:
    async with screen() as s:
        await s.press("p")
        await s.see("PAUSED")
        s.source.counts["web"] = 7
        s.source.step()
        await s.until(lambda: s.app.mirror.pool("web").desired == 7)  # type: ignore[union-attr]
        assert "Workers 5" in s.text()
        await s.press("p")
        await s.see("Workers 9")


async def test_the_help_lists_every_key() -> None:
    async with screen(size=(120, 80)) as s:
        await s.press("question_mark")
        await s.see("Keys", "Operate")
        shown = s.text()
        for key in MAIN_KEYS:
            assert key.help in shown, key


async def test_the_details_say_how_the_last_worker_of_the_slot_ended() -> None:
    source = Simulated()
    source.restarts["web.0"] = 2
    async with screen(source, size=(120, 60)) as s:
        await s.press("enter")
        await s.see("worker web.0", "last exit", "exit code 1", "boom", "␛[31mbad", "open files", "what happened")
        await s.press("escape", "b", "enter")
        await s.see("backend lb/web/web.0", "balance roundrobin", "stot")


async def test_the_log_follows_searches_and_goes_back() -> None:
    source = Simulated()
    source.log_lines["web.0"] = [f"INFO line {n}" for n in range(200)] + ["ERROR the needle \x1b]0;x\x07", "last"]
    async with screen(source) as s:
        await s.press("l")
        await s.see("following", "last", "␛]0;x")
        assert s.lines()[1].startswith("INFO line")
        await s.press("slash", *"line 77", "enter")
        await s.see("/line 77", "INFO line 77")
        await s.press("escape", "escape")
        assert isinstance(s.app.screen, MainScreen)


async def test_events_and_operations_have_pages() -> None:
    source = Simulated()
    source.say("warning", "web", "web scaled")
    async with screen(source) as s:
        await s.press("e")
        await s.see("1 event", "web scaled")
        await s.press("escape", "o")
        await s.see("nothing was asked yet")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_hostile_names_are_shown_harmlessly_everywhere(size: tuple[int, int]) -> None:
    source = Simulated(web=len(HOSTILE), names=HOSTILE)
    source.log_lines = {name: [*HOSTILE, "x" * 100_000] for name in HOSTILE}
    for name in HOSTILE:
        source.say("error", name, f"{name} died of {name}")
    async with screen(source, size) as s:
        await s.see("[red]web[/red]")
        for _ in range(5):
            for key in ("d", "escape", "enter", "escape", "l", "escape", "b", "b", "down"):
                await s.press(key)
                shown = s.text().replace("\n", "")
                assert shown.isprintable() or all(c.isprintable() or c == "\u3000" for c in shown)
        await s.press("e", "escape", "colon", *"dra", "escape")
        assert s.app.is_running


async def test_in_ascii_nothing_else_is_painted() -> None:
    source = Simulated()
    source.phases["web.1"] = "failed"
    async with screen(source, ascii=True) as s:
        inner = [line.strip("╭╮╰╯│─ ") for line in s.lines()[:3] + s.lines()[5:12]]
        assert all(c.isascii() or c in "╭╮╰╯│─" for line in inner for c in line)
        assert "x failed" in s.text()


async def test_keys_at_random_while_workers_crash_never_break_the_screen() -> None:
    dice = random.Random(7)
    source = Simulated(web=6)
    keys = [key for one in MAIN_KEYS for key in one.keys.split(",") if one.action != "leave"]
    keys = [*keys, "escape", "escape", "y", "left", "1", "A", "n", "backspace", "x"]
    async with screen(source, (90, 28)) as s:
        for turn in range(200):
            key = dice.choice(keys)
            if key in ("q", "ctrl+c"):
                continue
            await s.press(key)
            if turn % 8 == 0:
                name = f"web.{dice.randrange(6)}"
                source.phases[name] = dice.choice(["ready", "failed", "starting", "backing-off", "draining"])
                source.crash(f"web.{dice.randrange(6)}")
                source.step()
            if turn % 50 == 0:
                await s.pilot.resize_terminal(*dice.choice(SIZES))
        assert s.app.is_running


async def test_q_leaves_with_nothing_asked() -> None:
    async with screen() as s:
        await s.press("q")
        assert s.app.return_value == 0
        assert s.source.asked == []


async def test_every_theme_paints_the_screen_and_the_states_keep_their_words() -> None:
    async with screen() as s:
        for name in sorted(s.app.available_themes):
            s.app.theme = name
            await s.pilot.pause()
            assert "● ready" in s.text(), name
        await s.press("t")
        await s.press("colon", *"theme nonsense", "enter")
        await s.see("no theme 'nonsense'")


async def test_a_filter_that_nothing_matches_says_so_and_a_word_that_is_none_is_named() -> None:
    async with screen() as s:
        await s.press("/", *"zzz", "enter")
        await s.see("nothing matches zzz")
        await s.press("d", "enter")
        assert s.app.screen is s.main, "nothing is done to a row that is not seen"
        await s.press("escape", "/", *"err>0", "enter")
        await s.see("nothing matches err>0  (err>0: err is no number; cpu,")
        await s.press("escape", "/", *"!cpu>abc", "enter")
        await s.see("cpu>abc: abc is no number")
        await s.press("escape", "/", *"127.0.0.1:9001", "enter")
        await s.see("Workers 1/5")
        assert "no worker yet" not in s.text()
    async with screen(Simulated(web=0, jobs=0), filter="zzz", rows=False) as s:
        await s.see("no worker yet")


async def test_words_to_the_operator_cover_neither_the_keys_nor_the_buttons_of_a_dialog() -> None:
    async with screen(size=(80, 24)) as s:
        await s.press("u")
        await s.see("lb/web/web.0: ready already")
        assert "? Help" in s.lines()[-1]
        await s.press("d")
        await s.see("›Drain", "y: yes")
        assert "ready already" in s.lines()[0]
        buttons = next(line for line in s.lines() if "›Drain" in line)
        assert "esc: no" in buttons
    async with screen(size=(60, 15)) as s:
        await s.press("X")
        await s.see("Cancel", "Stop", "y: yes")
        s.app.say("a word " * 20, "error")
        await s.see("a word a word")
        assert "Cancel" in s.text()
        assert "y: yes" in s.text()


async def test_a_key_that_sorts_puts_the_cursor_on_the_first_row_and_a_new_picture_leaves_it_on_its_row() -> None:
    async with screen(Simulated(web=6)) as s:
        await s.press("down", "down", "M")
        first = s.main.worker_table.order[0]
        assert s.main.worker_table.cursor == first
        await s.press("I")
        assert s.main.worker_table.cursor == s.main.worker_table.order[0] != first


async def test_a_worker_without_traffic_has_no_graph_of_requests() -> None:
    async with screen() as s:
        await s.press("enter")
        await s.see("REQ/S")
        await s.press("escape", "end", "enter")
        await s.see("worker jobs.1")
        assert "REQ/S" not in s.text()


async def test_the_mark_of_the_row_under_the_cursor_comes_and_goes_at_once() -> None:
    async with screen() as s:
        await s.press("asterisk")
        await s.see("*web.0", "*web.1")
        await s.press("U")
        await s.until(lambda: "*web" not in s.text())
