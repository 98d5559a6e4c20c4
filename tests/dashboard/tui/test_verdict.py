"""Whoever is called at night reads the first line: what is worst, why, and how old the picture is."""

import re

import pytest
from msgspec.structs import replace

from dashboard.mirror import Mirror, Missing, apply, client_rates
from dashboard.tui.heading import Mood, heading
from dashboard.tui.ink import Line
from dashboard.tui.verdict import MOST, REMEMBERED, Trouble, troubles
from supervisor.model.phases import Rotation
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import Simulated

AT = 30
"""Seconds after the start: long enough that no worker is only just coming."""


def seen(source: Simulated) -> Mirror:
    source.second = max(source.second, AT)
    return apply(Mirror(), source.picture(), 0.0)


def worst(source: Simulated, fixed: bool = False) -> Trouble | None:
    return next((one for one in troubles(seen(source), fixed) if "legacy" not in one.said), None)


def said(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def test_where_all_is_well_nothing_of_ours_is_told() -> None:
    assert worst(Simulated()) is None


def test_requests_that_fail_everywhere_are_told_of_the_section() -> None:
    source = Simulated()
    source.errors = {f"web.{slot}": 25.0 for slot in range(3)}
    trouble = worst(source)
    assert trouble is not None
    assert re.fullmatch(r"✖ lb/web: \d\d % of requests fail, 75.0/s", trouble.said)
    assert trouble.key.startswith("web."), "it leads to a log"


def test_requests_that_fail_at_one_worker_are_told_of_that_one() -> None:
    source = Simulated(web=4)
    source.errors = {"web.2": 20.0, "web.0": 0.4}
    trouble = worst(source)
    assert trouble is not None
    assert re.fullmatch(r"✖ web.2: \d\d % of requests fail, 20.0/s", trouble.said)
    assert (trouble.where, trouble.key) == ("workers", next(key for key in seen(source).workers if "web.2" in key))


def test_a_few_errors_among_many_requests_are_a_number_and_no_trouble() -> None:
    source = Simulated()
    source.errors = {"web.0": 0.2}
    assert worst(source) is None


def test_errors_told_by_a_proxy_that_is_away_are_old_and_it_is_what_is_told() -> None:
    source = Simulated()
    source.errors, source.reachable = {"web.0": 60.0}, False
    assert [one.said for one in troubles(seen(source))][:1] == ["✖ lb: no answer in 2 s"]
    assert not any("requests fail" in one.said for one in troubles(seen(source)))


def test_a_proxy_that_was_stopped_is_told_with_what_lets_it_go_on() -> None:
    source = Simulated()
    source.reachable, source.unreachable = False, "process 4711 is stopped (SIGSTOP)"
    first = troubles(seen(source))[0]
    assert (first.said, first.help) == ("✖ lb: process 4711 is stopped (SIGSTOP)", "kill -CONT 4711")


def test_a_worker_that_runs_and_does_not_serve_says_why() -> None:
    source = Simulated()
    source.reasons["web.1"] = "weight 0 at lb: it gets no requests"
    trouble = worst(source)
    assert trouble is not None
    assert trouble.said == "▲ web.1 weight 0 at lb: it gets no requests"


def test_what_an_operator_took_out_of_rotation_is_told_last_with_the_way_back() -> None:
    source = Simulated()
    source.reasons |= {"web.1": "drain at lb, health up", "web.2": "weight 0 at lb: it gets no requests"}
    source.rotation["lb/web/web.1"] = Rotation.DRAIN
    found = [one for one in troubles(seen(source)) if "legacy" not in one.said]
    assert [(one.said, one.help) for one in found][1:] == [("◐ web.1 drain at lb, health up", "u undrain")]
    assert [one.help for one in troubles(seen(source), fixed=True) if "drain at" in one.said] == [""]


def test_a_worker_that_only_just_comes_is_no_trouble_and_one_that_takes_long_is() -> None:
    source = Simulated()
    source.phases["web.1"], source.reasons["web.1"] = "starting", "connection refused"
    source.second = 2
    mirror = apply(Mirror(), source.picture(), 0.0)
    assert not any("starting" in one.said for one in troubles(mirror))
    trouble = worst(source)
    assert trouble is not None
    assert trouble.said == "◌ web.1 starting: connection refused"


def test_a_socket_that_is_taken_is_told_though_no_worker_is_there_to_tell_it() -> None:
    source = Simulated(web=2)
    source.gone = {"web.0", "web.1"}
    source.pool_reason = "address already in use: 127.0.0.1:8000, held by pid 7 (nginx)"
    trouble = worst(source)
    assert trouble is not None
    assert trouble.said == f"✖ web: {source.pool_reason}"


def test_among_very_many_troubles_the_worst_is_not_cut_off() -> None:
    source = Simulated(web=MOST + 20)
    source.phases |= {f"web.{slot}": "backing-off" for slot in range(MOST + 10)}
    source.phases[f"web.{MOST + 15}"] = "failed"
    trouble = worst(source)
    assert trouble is not None
    assert trouble.said.startswith(f"✖ web.{MOST + 15} failed")


@pytest.mark.parametrize(("later", "told"), [(60, True), (REMEMBERED + 60, False)])
async def test_an_operation_that_went_wrong_is_told_for_some_minutes(later: float, told: bool) -> None:
    source = Simulated()
    await source.ask("PATCH", "/v1/reload")
    source.end("op-1", "aborted", "web.1: 3 of its first 3 requests were errors")
    source.second = int(later)
    assert any("3 of its first 3" in one.said for one in troubles(seen(source))) is told
    await source.ask("PATCH", "/v1/reload")
    source.end("op-2")
    assert not any("3 of its first 3" in one.said for one in troubles(seen(source))), "one came about since"


def test_the_sign_before_the_number_is_that_of_the_worst() -> None:
    source = Simulated()
    source.warnings = ("`kill -CONT 7`: the keeper is stopped",)
    mirror, trouble = seen(source), worst(source)
    first, second, _ = said(heading(mirror, Mood(now=0.5), 120, trouble))
    assert "▲ 5/5 serving" in first
    assert "▲ `kill -CONT 7`: the keeper is stopped" in first
    assert "keeper" not in second, "once is enough"
    assert "● 5/5 serving" in said(heading(seen(Simulated()), Mood(now=0.5), 120))[0]


def test_what_the_cluster_warns_of_stands_before_what_a_pool_does() -> None:
    source = Simulated(web=8)
    source.warnings = ("the journal cannot be written",)
    assert "▲ the journal cannot be written (+1)" in said(heading(seen(source), Mood(now=0.5), 120))[1]


def test_for_a_reason_the_clock_is_given_up_in_a_narrow_window() -> None:
    source = Simulated()
    source.reachable = False
    first = said(heading(seen(source), Mood(now=0.5), 80, worst(source)))[0]
    assert "✖ lb: no answer in 2 s" in first
    assert "lb ✖ 21s old" in first


def test_in_60_columns_the_programs_name_gives_way_to_the_reason() -> None:
    source = Simulated()
    source.errors = {f"web.{slot}": 25.0 for slot in range(3)}
    first = said(heading(seen(source), Mood(now=0.5), 60, worst(source)))[0]
    assert first.startswith(" demo  ▲ 5/5 serving   ! ✖ lb/web: ")
    assert said(heading(seen(Simulated()), Mood(now=0.5), 60))[0].startswith(" clusterctl demo")


async def test_while_something_goes_on_what_clients_get_stays_in_sight() -> None:
    source = Simulated()
    await source.ask("POST", "/v1/pools/web/rollouts")
    third = said(heading(seen(source), Mood(now=0.5), 120))[2]
    assert re.search(r"⟳ post rollouts .*REQ +\d+/s  ERR 0/s $", third)
    assert "REQ" not in said(heading(seen(source), Mood(now=0.5), 60))[2], "where there is no room it is left out"
    source.errors = {"web.0": 9.0}
    narrow = said(heading(seen(source), Mood(now=0.5), 60))[2]
    assert re.search(r"⟳ post rollouts .*ERR 9.0/s $", narrow)
    assert len(narrow) == 60


def test_a_proxy_without_backends_is_watched_all_the_same() -> None:
    picture = Simulated().picture()
    empty = replace(picture, proxies=(replace(picture.proxies[0], upstreams=()),))
    assert said(heading(apply(Mirror(), empty, 0.0), Mood(now=0.5), 80))[2] == " no backend at lb yet"
    none = replace(picture, proxies=())
    assert said(heading(apply(Mirror(), none, 0.0), Mood(now=0.5), 80))[2] == " no proxy is watched"


def test_in_one_line_only_that_the_picture_is_old_is_said_and_else_what_is_old_is_dim() -> None:
    mirror = apply(seen(Simulated()), Missing(since=0.0, why="no answer in 3 s"), 0.0)
    assert said(heading(mirror, Mood(now=7.0), 60, high=1)) == [
        " ▲ engine away 7s: reconnecting; last picture below (no answer in 3 s) "
    ]
    first, _, banner = heading(mirror, Mood(now=7.0), 120)
    assert {token for _, token in first} == {"dim"}
    assert "engine away 7s" in said([banner])[0]


def test_what_the_proxy_answers_itself_is_told_of_it_and_counted() -> None:
    source = Simulated()
    source.section, source.waiting = (900.0, 450.0), 7
    trouble = worst(source)
    assert trouble is not None
    assert trouble.said == "✖ lb/web: 50 % of requests fail, 450/s, answered by lb itself"
    third = said(heading(seen(source), Mood(now=0.5), 120, trouble))[2]
    assert re.search(r" 900/s   ERR 450/s .*QUEUE 7 ", third)


def test_what_comes_where_no_backend_is_left_is_counted() -> None:
    source = Simulated()
    source.section = (12.0, 12.0)
    picture = source.picture()
    section = replace(picture.proxies[0].upstreams[0], backends=())
    mirror = apply(Mirror(), replace(picture, proxies=(replace(picture.proxies[0], upstreams=(section,)),)), 0.0)
    assert [one.said for one in troubles(mirror)] == [
        "✖ lb/web: 100 % of requests fail, 12.0/s, answered by lb itself"
    ]
    assert " 12.0/s   ERR 12.0/s" in said(heading(mirror, Mood(now=0.5), 120))[2]


def test_a_section_that_no_pool_fills_counts_with_its_backends_alone() -> None:
    section = Simulated().picture().proxies[0].upstreams[0]
    whole = replace(section, requests_per_second=9_000.0, errors_per_second=9.0)
    assert client_rates(whole) == (9_000.0, 9.0)
    assert client_rates(replace(whole, pool=None)) == client_rates(section)


async def test_a_small_window_says_that_its_picture_is_old() -> None:
    async with screen(Simulated(), (60, 15)) as s:
        s.source.leave("no answer in 3 s")
        await s.see("engine away")


async def test_a_page_says_that_its_picture_is_old() -> None:
    async with screen(Simulated()) as s:
        await s.press("enter")
        await s.see("worker web.0")
        s.source.leave("no answer in 3 s")
        await s.see("no news for", "worker web.0")


async def test_a_trouble_without_a_row_is_told_where_one_asks_for_its_row() -> None:
    source = Simulated()
    source.reachable = False
    async with screen(source) as s:
        s.main.troubles = [one for one in s.main.troubles if not one.key]
        await s.press("exclamation_mark")
        await s.see("✖ lb: no answer in 2 s: no row stands for it")


async def test_failing_requests_are_told_and_lead_to_the_log_of_a_worker() -> None:
    source = Simulated()
    source.errors = {f"web.{slot}": 25.0 for slot in range(3)}
    source.log_lines |= {f"web.{slot}": ["GET /cart 500"] for slot in range(3)}
    async with screen(source, (80, 24)) as s:
        await s.see("▲ 5/5 serving", "✖ lb/web: ")
        await s.press("exclamation_mark", "l")
        await s.see("GET /cart 500")


async def test_the_way_to_a_backend_that_is_down_ends_at_that_backend() -> None:
    """Before, the cursor stood on the partner of the worker that was chosen, and the next key was for that one."""
    source = Simulated()
    source.down.add("web.2")
    async with screen(source) as s:
        await s.see("✖ lb/web/web.2 down: L7TOUT")
        await s.press("exclamation_mark")
        await s.press("enter")
        await s.see("backend lb/web/web.2")


async def test_the_first_way_leads_to_the_worst_though_the_cursor_is_there_and_again_to_the_next() -> None:
    source = Simulated()
    source.phases |= {"web.0": "failed", "jobs.1": "backing-off"}
    async with screen(source) as s:
        for expected in ("web.0", "jobs.1"):
            await s.press("exclamation_mark")
            assert s.main.worker_table.current is not None
            assert s.main.worker_table.current.worker.id == expected
