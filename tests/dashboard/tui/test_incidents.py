"""What an operator comes for: find what is wrong, see why, and put it right, without breaking more."""

from dashboard.answers import Refused
from supervisor.model.phases import Rotation
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import Simulated


async def test_an_operator_finds_the_worker_that_leaks() -> None:
    source = Simulated(web=6)
    source.leaks["web.4"] = 40 << 20
    async with screen(source) as s:
        for _ in range(30):
            source.second += 1
            s.app.take(source.picture())
        await s.press("M", "home")
        assert s.main.worker_table.current is not None
        assert s.main.worker_table.current.worker.id == "web.4"
        await s.press("enter")
        await s.see("worker web.4", "memory       1.3G")


async def test_an_operator_sees_why_a_worker_is_down_at_80_by_24_wherever_the_cursor_is() -> None:
    source = Simulated()
    source.phases["web.2"] = "failed"
    async with screen(source, (80, 24)) as s:
        await s.see("✖ 1 failed", "! ✖ web.2 failed: exit code 1; again in 4 s   l log  S start")
        await s.press("exclamation_mark")
        await s.see("web.2 ✖ failed  exit code 1")
        assert s.main.worker_table.current is not None
        assert s.main.worker_table.current.worker.id == "web.2"
        await s.press("slash", *"state:failed", "enter", "enter")
        await s.see("worker web.2", "exit code 1", "boom")


async def test_who_may_only_look_is_told_no_key_that_changes_something() -> None:
    source = Simulated()
    source.phases["web.2"] = "failed"
    async with screen(source, (80, 24), read_only=True) as s:
        await s.see("! ✖ web.2 failed", "l log")
        assert "S start" not in s.text()


async def test_an_operator_tries_again_what_was_given_up() -> None:
    source = Simulated()
    source.phases["web.2"] = "failed"
    async with screen(source) as s:
        await s.press("exclamation_mark", "S")
        await s.see("Start web.2?", "clusterctl start web.2")
        await s.press("y")
        await s.until(lambda: s.changes() == [("PATCH", "/v1/workers/web.2", {"stopped": False})])
        await s.press("colon", *"start web", "enter")
        await s.see("Start the pool web?", "1 slot of 3 tried again")
        await s.press("escape", "colon", *"start jobs", "enter")
        await s.see("jobs: no worker of it is stopped or failed")


async def test_a_long_reason_is_folded_in_a_question_and_not_cut() -> None:
    source = Simulated()
    source.refusal = Refused(409, "conflict", "web has no earlier complete generation to go back to, " * 3 + "END")
    async with screen(source, (80, 24)) as s:
        await s.press("d")
        await s.see("the engine would refuse", "END", "y: yes", "›Cancel")


async def test_a_rollout_that_is_turned_back_can_be_neither_held_nor_aborted_again() -> None:
    source = Simulated()
    source.roll("replacing", "old", "old", phase="aborting")
    async with screen(source) as s:
        for key in ("Z", "A"):
            await s.press(key)
            await s.see("web: its rollout is being turned back")
            assert s.app.screen is s.main


async def test_an_operator_drains_the_marked_backends_and_sees_it_happen() -> None:
    async with screen(Simulated(web=4)) as s:
        await s.press("b", "down", "space", "space", "d")
        await s.see(
            "Drain 2 backends?", "lb/web/web.1", "lb/web/web.2", "left after this: 2 of 4 serve lb/web (50 %)"
        )
        await s.press("y")
        await s.until(lambda: len(s.changes()) == 2)
        await s.step()
        assert [line for line in s.lines() if "web/web.1" in line and "◐ drain" in line]
        s.source.end("op-1")
        s.source.end("op-2")
        await s.step()
        await s.see("it is so")


async def test_what_the_engine_will_not_do_without_a_yes_is_asked_for_before_enter_can_do_it() -> None:
    source = Simulated()
    source.wants_yes = "web.0 is the last that serves lb/web"
    async with screen(source) as s:
        await s.press("r")
        await s.see("web.0 is the last that serves lb/web", "restart web.0 --yes")
        await s.press("enter")
        assert s.changes() == []
        await s.press("r")
        await s.see("--yes")
        await s.press("y")
        await s.until(lambda: len(s.changes()) == 1)
        assert s.changes()[0][2] == {"yes": True}


async def test_an_operator_quicker_than_the_plan_is_asked_again_for_a_yes() -> None:
    source = Simulated()
    source.wants_yes, source.plans = "web.0 is the last that serves lb/web", False
    async with screen(source) as s:
        await s.press("r")
        await s.see("would wait until nothing is in flight")
        await s.press("y")
        await s.see("restart web.0: web.0 is the last that serves lb/web", "restart web.0 --yes")
        await s.press("y")
        await s.until(lambda: len(s.changes()) == 2)
        assert s.changes()[1][2] == {"yes": True}


async def test_a_refusal_that_a_yes_would_not_overcome_is_not_asked_again() -> None:
    source = Simulated()
    async with screen(source) as s:
        await s.press("r")
        source.refusal = Refused(409, "conflict", "op-7 holds web")
        await s.press("y")
        await s.see("refused: op-7 holds web")
        assert "--yes" not in s.text()


async def test_the_mouse_presses_the_buttons_of_a_question_takes_from_lists_and_opens_rows() -> None:
    async with screen() as s:
        await s.press("d")
        await s.click(" Cancel ")
        assert s.app.screen is s.main
        assert s.changes() == []
        await s.press("d")
        await s.click("›Drain   enter")
        await s.until(lambda: len(s.changes()) == 1)
        await s.press("f6")
        await s.see("Sort by")
        await s.click("MEM        memory")
        await s.see("MEM▼")
        await s.click("jobs.1")
        assert s.main.worker_table.current is not None
        assert s.main.worker_table.current.worker.id == "jobs.1"
        await s.pilot.click(offset=(4, next(n for n, line in enumerate(s.lines()) if "jobs.0" in line)), times=2)
        await s.see("worker jobs.0")


async def test_during_a_drain_the_reason_stands_whole_in_its_column() -> None:
    source = Simulated()
    source.rotation["lb/web/web.0"] = Rotation.DRAIN
    source.phases["web.1"] = "backing-off"
    async with screen(source) as s:
        assert "exit code 1; again in 4 s" in next(
            line for line in s.lines() if "▲ back-off" in line and "web.1" in line
        )


async def test_every_event_stands_with_its_subject_in_one_column() -> None:
    source = Simulated()
    source.say("info", "web.0", "serves: web.0 is up and in rotation")
    source.say("error", "lb", "unreachable")
    async with screen(source) as s:
        await s.see("· web.0        serves: web.0", "✖ lb           unreachable")


async def test_graphs_begin_with_what_the_engine_remembers() -> None:
    source = Simulated()
    for _ in range(40):
        source.second += 1
        source.kept.append(source.picture())
    source.second += 1
    async with screen(source) as s:
        key = s.main.worker_table.order[0]
        await s.until(lambda: len(s.app.mirror.workers[key].history.cpu) == 41)
        await s.until(lambda: len(s.app.mirror.backends["lb/web/web.0"].history.rate) == 41)
        assert len(s.app.mirror.backends["lb/web/web.0"].turns) == 1


async def test_a_small_window_still_says_why_something_is_down() -> None:
    source = Simulated()
    source.phases["web.2"] = "failed"
    async with screen(source, (60, 15)) as s:
        await s.see("✖ 1 failed", "! ✖ web.2 failed: exit code 1", "? Help")
        await s.pilot.resize_terminal(60, 8)
        await s.until(lambda: "! ✖ web.2" not in s.text())
        await s.see("✖ 1 failed", "web.0", "? Help")
