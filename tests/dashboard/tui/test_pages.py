"""An operator looks closer: the pages of a worker, a backend, a pool and a rollout, and acts from them."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from dashboard.tui.say import clock
from dashboard.tui.screens import acting
from dashboard.tui.screens.confirm import ConfirmScreen
from dashboard.tui.screens.main import MainScreen
from supervisor.model.phases import Rotation
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import HOSTILE, START, Simulated

TALL = (120, 90)


async def test_a_workers_page_has_its_command_environment_limits_and_questions() -> None:
    async with screen(size=TALL) as s:
        await s.press("enter")
        await s.see("node server.js --name 'the shop'", "NODE_ENV=production", "API_TOKEN=…", "memory 512M")
        await s.see(
            "open files 4096", "GET /healthz, every 0.2 s, within 30s", "a TCP connection", "TERM, KILL after 10s"
        )
        await s.see("/srv/shop/state/logs/web.0.log", "web.0 says line 11", "1, itself and its children")


async def test_the_page_of_an_empty_pool_tells_how_its_workers_are_started_once_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acting, "ASK_EVERY", 0.01)
    async with screen(Simulated(web=0), TALL) as s:
        s.main.show_page("web")
        await s.see("none runs", "asking the engine")
        s.source.counts["web"] = 1
        await s.step()
        await s.see("1 of generation 1", "node server.js")


async def test_a_workers_page_tells_every_death_that_the_engine_remembers_with_its_last_lines() -> None:
    source = Simulated()
    source.restarts["web.0"] = 3
    async with screen(source, TALL) as s:
        await s.press("enter")
        await s.see("3 deaths that count towards giving up", "killed by SEGV", "out of memory", "boom", "␛[31mbad")


async def test_a_backends_page_has_every_counter_and_how_its_health_and_rotation_went() -> None:
    async with screen(size=TALL) as s:
        s.source.rotation["lb/web/web.0"] = Rotation.DRAIN
        await s.step(5)
        s.source.phases["web.0"] = "starting"
        await s.step(7)
        await s.press("b", "enter")
        await s.see("stot", "1234", "balance roundrobin", "as this screen has seen them")
        seen = [line for line in s.lines() if "ready" in line or "drain" in line]
        order = [next(n for n, line in enumerate(seen) if words in line)
                 for words in ("✖ down     ◐ drain", "● up       ◐ drain", "● up       ● ready")]  # fmt: skip
        assert order == sorted(order)
        assert "7s" in next(line for line in seen if "● up       ◐ drain" in line)


async def test_a_pools_page_has_slots_totals_and_spec() -> None:
    source = Simulated(web=5)
    source.phases["web.3"] = "backing-off"
    async with screen(source, TALL) as s:
        await s.press("v")
        await s.see(
            "pool web", "4 of 5 workers serve", "● ● ● ▲ ●", "1 back-off", "node server.js", "4 of generation 1"
        )
        await s.see("lb/web: 4 of 6 backends serve")
        await s.press("plus")
        await s.see("clusterctl scale web=6")
        await s.press("y")
        await s.until(lambda: s.changes() == [("PATCH", "/v1/pools/web", {"desired": 6})])


async def test_a_rollouts_page_puts_the_canary_beside_the_old_and_shows_what_is_worse() -> None:
    source = Simulated(web=4)
    source.roll("new", "old", "old", "old", phase="holding")
    source.errors["web.0"] = 12.5
    async with screen(source, TALL) as s:
        for _ in range(3):
            await s.step()
        await s.press("V")
        await s.see("rollout of web", "1 → 2", "1 of 4 replaced", "holding", "waits for", "you: it is holding")
        await s.see("■ □ □ □", "■ 1 new", "□ 3 old", "new @2", "old @1")
        errors = next(line for line in s.lines() if "errors/s" in line)
        assert errors.split()[2:4] == ["12.5", "0"]


async def test_an_operator_stops_a_rollout_half_way_from_its_page() -> None:
    source = Simulated(web=4)
    async with screen(source) as s:
        await s.press("R", "y")
        await s.until(lambda: len(s.changes()) == 1)
        source.roll("new", "replacing", "old", "old", waiting_for="web.1: its new worker to be up at the proxy")
        await s.step()
        await s.see("waits for", "web.1: its new worker to be up at the proxy", "■ ◐ □ □")
        await s.press("Z")
        await s.see("Pause the rollout of web?", "clusterctl rollout pause web", "the slot under way is finished")
        assert len(s.changes()) == 1, "nothing is sent before they agree"
        await s.press("y")
        await s.until(lambda: s.changes()[-1] == ("PATCH", "/v1/pools/web/rollouts", {"action": "pause"}))
        source.roll("new", "replacing", "old", "old", phase="paused")
        await s.step()
        assert "Z Go on" in s.lines()[-1]
        await s.press("r", "a", "p")
        assert not isinstance(s.app.screen, ConfirmScreen)
        await s.press("A")
        await s.see("Abort the rollout of web?", "all slots go back to generation 1")
        assert len(s.changes()) == 2
        await s.press("y")
        await s.until(lambda: s.changes()[-1][2] == {"action": "abort"})


async def test_a_rollouts_page_tells_how_it_ended() -> None:
    source = Simulated()
    async with screen(source) as s:
        await s.press("R", "y")
        await s.until(lambda: len(s.changes()) == 1)
        source.end("op-1", "aborted", "web.0 did not get ready in 60 s")
        await s.step()
        await s.see("why: web.0 did not get ready in 60 s", "no rollout of web is under way")


async def test_the_page_of_a_rollout_heads_with_the_newest_though_it_was_aborted_and_tells_all_of_its_reason() -> (
    None
):
    source = Simulated(web=3)
    why = "web.0: exit code 3, again and again, " + "because the new release cannot read its own configuration " * 2
    asked = (
        ("restart web", "done", None),
        ("reload", "aborted", why + "at line 7"),
        ("rollout abort web", "done", None),
    )
    for verb, phase, reason in asked:
        await source.ask("POST", "/v1/pools/web/rollouts")
        row = replace(source.operations[-1], verb=verb, pool="web" if verb != "reload" else None)
        if verb.startswith("rollout"):
            row = replace(row, steps=((source.stamp(), "web.0: generation 1 again"),), asked=START.isoformat())
        else:
            row = replace(row, asked=(START - timedelta(seconds=5)).isoformat())
        source.operations[-1] = row
        source.end(row.id, phase, reason)
    source.last_rollout = f"op-2 to generation 2 aborted 2026-11-25T23:11:25.672Z: {why}at line 7"
    async with screen(source, (80, 24)) as s:
        await s.press("V")
        await s.see("▲ reload", "why: web.0: exit code 3", "at line 7", "web.0: generation 1 again")
        assert "restart web" not in s.text()
        source.operations.clear()
        await s.step()
        await s.see(f"aborted at {clock('2026-11-25T23:11:25.672Z')}", "at line 7")


async def test_a_rollout_that_holds_says_so_at_any_size_and_that_it_waits_for_an_operator() -> None:
    for size in ((80, 24), (120, 40), (200, 60)):
        source = Simulated(web=3)
        source.roll("new", "old", "old", phase="holding")
        await source.ask("POST", "/v1/pools/web/rollouts")
        async with screen(source, size) as s:
            await s.see("▲ web holds at 1 of 3", "V page  Z go on  A abort", "REQ", "QUEUE")
            source.phases["web.2"] = "failed"
            await s.step()
            await s.see("✖ web.2 failed", "▲ web holds at", "V shows it, Z (rollout resume) goes on")


async def test_the_page_of_a_pool_says_who_does_not_serve_and_how_the_other_pools_are() -> None:
    source = Simulated()
    source.phases["jobs.1"] = "failed"
    async with screen(source) as s:
        await s.press("v")
        await s.see("pool web", "all pools (tab: the next)", "web", "3/3", "jobs", "1/2")
        await s.press("tab")
        await s.see("pool jobs", "1 of 2 workers serve", "jobs.1  ✖ failed  exit code 1")
        await s.press("S")
        await s.see("Start jobs.1?")
        await s.press("escape", "tab")
        await s.see("pool web")
    async with screen(Simulated(jobs=0)) as s:
        del s.source.counts["jobs"]
        await s.step()
        await s.press("v", "tab")
        await s.see("there is no other pool")


async def test_a_worker_is_drained_from_its_page() -> None:
    async with screen() as s:
        await s.press("down", "enter", "d")
        await s.see("Drain lb/web/web.1?")
        await s.press("y")
        await s.until(lambda: s.changes() == [("PATCH", "/v1/backends/lb/web/web.1", {"rotation": "drain"})])


async def test_pages_of_a_read_only_screen_change_nothing() -> None:
    async with screen(read_only=True) as s:
        for page, keys in (("enter", "drxmuS"), ("v", "+-sRXS"), ("V", "ZA")):
            await s.press(page)
            for key in keys:
                await s.press(key)
            assert "Restart" not in s.lines()[-1]
            await s.press("escape")
            assert isinstance(s.app.screen, MainScreen)
        assert s.source.asked == []


async def test_the_same_as_the_api_gives_it_can_be_read_and_copied() -> None:
    async with screen(size=TALL) as s:
        await s.press("i")
        await s.see('"NODE_ENV": "production"')
        await s.press("c")
        assert '"command"' in s.app.clipboard
        await s.press("escape", "b", "i")
        await s.see('"requests_total": 1234')


async def test_the_menu_of_actions_has_one_letter_for_each_that_applies() -> None:
    async with screen(Simulated(capabilities=("add",))) as s:
        await s.press("a")
        await s.see("r     Restart", "v     Pool")
        assert "d     Drain" not in s.text()
        await s.press("v")
        await s.see("pool web")


async def test_show_opens_the_page_of_whatever_has_the_name() -> None:
    async with screen() as s:
        for name, words in (
            ("jobs", "pool jobs"),
            ("web.2", "worker web.2"),
            ("lb/web/legacy", "backend lb/web/legacy"),
        ):
            await s.press("colon", *f"show {name}", "enter")
            await s.see(words)
            await s.press("escape")
        await s.press("colon", *"show nobody", "enter")
        await s.see("no pool, worker or backend 'nobody'")


@pytest.mark.parametrize(("size", "each"), [((20, 5), 4), ((80, 24), 1), ((200, 60), 4)])
async def test_pages_stand_at_any_size_and_with_any_name(size: tuple[int, int], each: int) -> None:
    names = HOSTILE[::each]
    source = Simulated(web=len(names), names=names)
    source.roll(*["old"] * len(names), waiting_for="[red]\x1b[31m")
    for name in names:
        source.restarts[name] = 2
    async with screen(source, size) as s:

        async def look(key: str) -> None:
            await s.press(key)
            assert all(char.isprintable() or char == "\u3000" for char in s.text().replace("\n", ""))
            await s.press("escape")

        for key in ("v", "V"):
            await look(key)
        for _ in names:
            await look("enter")
            await look("i")
            await s.press("down")


async def test_the_page_of_a_worker_behind_no_proxy_offers_no_rotation() -> None:
    async with screen() as s:
        s.main.show_page("jobs.0")
        await s.see("worker jobs.0", "Restart")
        assert [word for word in ("d Drain", "u Undrain", "m Maint") if word in s.text()] == []
        await s.press("escape")
        s.main.show_page("web.0")
        await s.see("worker web.0", "d Drain", "m Maint")


async def test_the_page_of_a_backend_offers_what_its_proxy_can_do() -> None:
    async with screen(Simulated(capabilities=("drain",))) as s:
        s.main.show_page("lb/web/web.0")
        await s.see("backend lb/web/web.0", "d Drain")
        assert "m Maint" not in s.text()
