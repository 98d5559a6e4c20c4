"""An operator changes the cluster: nothing is sent before they agree, and what is sent is what was shown."""

import asyncio

import pytest
from textual.widgets import Input

from dashboard.answers import NoAnswer, NobodyThere, Refused, TooLate
from dashboard.tui.screens import confirm
from dashboard.tui.screens.confirm import ConfirmScreen
from supervisor.model.phases import Rotation
from supervisor.model.snapshot import OperationRow
from tests.dashboard.tui.driving import screen
from tests.dashboard.tui.simulated import Simulated


async def test_a_drain_is_asked_for_shown_with_numbers_and_sent_once() -> None:
    async with screen() as s:
        await s.press("d")
        await s.see("Drain lb/web/web.0?", "2 in flight", "left after this: 2 of 3", "$ clusterctl drain web.0")
        await s.see("would wait until nothing is in flight")
        assert s.changes() == []
        await s.press("enter")
        await s.until(lambda: bool(s.changes()))
        assert s.changes() == [("PATCH", "/v1/backends/lb/web/web.0", {"rotation": "drain"})]
        await s.step()
        await s.see("◐ drain")


async def test_escape_sends_nothing() -> None:
    async with screen() as s:
        for key in ("d", "r", "x", "R", "m", "plus"):
            await s.press(key, "escape")
        assert s.changes() == []


async def test_the_last_ready_backend_needs_an_explicit_yes_because_enter_cancels() -> None:
    async with screen(Simulated(web=1)) as s:
        await s.press("d")
        await s.see("the last ready backend", "--yes")
        await s.press("enter")
        assert s.changes() == []
        await s.press("d", "y")
        await s.until(lambda: bool(s.changes()))
        assert s.changes()[0][2] == {"rotation": "drain", "yes": True}


async def test_a_change_goes_for_every_marked_row() -> None:
    async with screen() as s:
        await s.press("space", "space")
        await s.see("2 marked")
        await s.press("d")
        await s.see("Drain 2 backends?", "left after this: 1 of 3")
        await s.press("y")
        await s.until(lambda: len(s.changes()) == 2)
        assert [path for _, path, _ in s.changes()] == ["/v1/backends/lb/web/web.0", "/v1/backends/lb/web/web.1"]
        await s.until(lambda: not s.main.worker_table.marks)


async def test_plus_stages_one_worker_more_and_digits_set_any_number() -> None:
    async with screen() as s:
        await s.press("plus")
        await s.see("Scale web", "→", "clusterctl scale web=4")
        await s.press("plus")
        await s.see("clusterctl scale web=5", "5 workers on 2 cores")
        await s.press("1", "2", "backspace", "6")
        await s.see("clusterctl scale web=16")
        await s.press("enter")
        await s.until(lambda: bool(s.changes()))
        assert s.changes() == [("PATCH", "/v1/pools/web", {"desired": 16})]


async def test_plus_counts_from_what_was_asked_for_though_no_picture_shows_it_yet() -> None:
    async with screen() as s:
        await s.press("plus", "enter")
        await s.until(lambda: len(s.changes()) == 1)
        await s.press("plus")
        await s.see("clusterctl scale web=5")
        await s.press("enter")
        await s.until(lambda: len(s.changes()) == 2)
        await s.press("colon", *"scale", "space", *"web=+1", "enter")
        await s.see("clusterctl scale web=6")
        await s.press("escape")
        await s.step()
        s.source.counts["web"] = 2  # another operator's
        await s.step()
        await s.press("plus")
        await s.see("workers  2", "clusterctl scale web=3")


async def test_a_number_that_was_refused_is_not_counted_from() -> None:
    async with screen() as s:
        s.source.refusal = Refused(409, "conflict", "held by op-9")
        await s.press("plus", "y")
        await s.see("refused: held by op-9")
        await s.press("plus")
        await s.see("workers  3", "clusterctl scale web=4")


async def test_a_picture_that_was_on_its_way_when_a_number_was_asked_for_is_not_counted_from() -> None:
    async with screen() as s:
        await s.press("plus", "enter")
        await s.until(lambda: len(s.changes()) == 1)
        operations, s.source.operations, s.source.counts["web"] = s.source.operations, [], 3
        await s.step()
        await s.press("plus")
        await s.see("workers  4", "clusterctl scale web=5")
        await s.press("escape")
        s.source.operations, s.source.counts["web"] = operations, 4
        await s.step()
        await s.press("plus")
        await s.see("workers  4", "clusterctl scale web=5")


async def test_what_is_left_to_serve_is_told_of_now_though_the_picture_is_held() -> None:
    async with screen() as s:
        await s.press("p")
        s.source.rotation["lb/web/web.1"] = Rotation.MAINT
        await s.step()
        await s.press("d")
        await s.see("Drain lb/web/web.0?", "left after this: 1 of 2")


async def test_minus_says_which_workers_leave() -> None:
    async with screen() as s:
        await s.press("minus")
        await s.see("clusterctl scale web=2", "highest slots go first: web.2")


async def test_a_rolling_restart_opens_the_page_of_its_operation_and_escape_leaves_it_running() -> None:
    async with screen() as s:
        await s.press("R", "y")
        await s.until(lambda: ("POST", "/v1/pools/web/rollouts", {}) in s.changes())
        await s.step()
        await s.see("rollout of web", "leave it running", "asked by uid 0")
        await s.press("escape")
        await s.see("Workers 5", "draining web.0: 2 in flight")


async def test_how_an_operation_ended_is_said() -> None:
    async with screen() as s:
        await s.press("r", "y")
        await s.until(lambda: bool(s.changes()))
        await s.step()
        s.source.end("op-1", "failed", "web.0 did not get ready in 60 s")
        await s.step()
        await s.see("did not get ready in 60 s")


async def test_a_refusal_is_said_in_the_engines_words_and_never_as_markup() -> None:
    source = Simulated()
    async with screen(source) as s:
        await s.press("r")
        source.refusal = Refused(409, "conflict", "op-7 [red]holds[/red] web")
        await s.press("y")
        await s.see("refused: op-7 [red]holds[/red] web")


async def test_what_the_proxy_cannot_do_is_not_offered_and_says_why_when_asked_for() -> None:
    async with screen(Simulated(capabilities=("add",))) as s:
        foot = s.lines()[-1]
        assert "Drain" not in foot
        assert "Maint" not in foot
        await s.press("d")
        await s.see("lb (haproxy) cannot do drain")
        assert s.source.asked == []


async def test_a_worker_without_backend_cannot_be_drained() -> None:
    async with screen() as s:
        await s.press("end", "d")
        await s.see("no backend is chosen")


async def test_with_read_only_no_key_changes_anything() -> None:
    async with screen(read_only=True) as s:
        await s.see("READ-ONLY")
        for key in ("d", "u", "m", "r", "R", "x", "X", "S", "plus", "minus", "s", "z", "A"):
            await s.press(key)
            assert not isinstance(s.app.screen, ConfirmScreen)
        await s.see("this screen is read-only")
        await s.press("colon", *"scale", "space", *"web=9", "enter")
        await s.see("read-only")
        assert s.source.asked == []


async def test_the_palette_takes_the_same_words_as_the_command_line() -> None:
    async with screen() as s:
        await s.press("colon", *"dra", "tab", *"web.1", "enter")
        await s.see("Drain lb/web/web.1?")
        await s.press("escape", "colon", *"scale", "space", *"web=+2", "enter")
        await s.see("clusterctl scale web=5")
        await s.press("y")
        await s.until(lambda: bool(s.changes()))
        assert s.changes() == [("PATCH", "/v1/pools/web", {"desired": 5})]


async def test_the_palette_says_what_it_does_not_understand() -> None:
    async with screen() as s:
        await s.press("colon", *"scael", "enter")
        await s.see("no verb 'scael'; did you mean scale?")


async def test_keys_typed_ahead_neither_answer_a_question_nor_reach_the_table_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(confirm, "SEEN", 0.15)
    async with screen() as s:
        await s.type_ahead("x", "y", "y")
        await s.see("Stop web.0?")
        assert s.changes() == []
        await s.press("escape")
        await s.type_ahead("colon", *"xyR")
        await s.see("clusterctl …")
        await s.press("escape")
        await s.type_ahead("slash", *"xyd")
        await s.until(lambda: isinstance(s.app.screen.focused, Input))
        assert s.app.screen is s.main
        assert s.changes() == []


class OneAtATime(Simulated):
    """As the engine: while one worker of a pool is replaced, no other is."""

    async def ask(
        self, method: str, path: str, body: dict[str, object] | None = None, dry_run: bool = False
    ) -> OperationRow | tuple[str, ...]:
        running = [row for row in self.operations if row.ended is None]
        if running and not dry_run:
            await asyncio.sleep(0)
            raise Refused(
                409, "conflict", f"web is held by {running[0].id} ({running[0].verb}): {running[0].progress}"
            )
        return await super().ask(method, path, body, dry_run)


async def test_several_marked_workers_of_a_pool_are_replaced_one_after_the_other() -> None:
    async with screen(OneAtATime()) as s:
        await s.press("space", "space", "space", "r", "y")
        await s.until(lambda: s.app.operator.later == ("restart web.1", "restart web.2"))
        await s.step()
        await s.see("then restart web.1, then restart web.2   o: steps")
        for number in (1, 2, 3):
            await s.step()
            await s.until(lambda n=number: len(s.changes()) == n)  # type: ignore[misc]
            s.source.end(f"op-{number}")
            await s.step()
        assert [path for _, path, _ in s.changes()] == [f"/v1/workers/web.{n}/restart" for n in range(3)]
        assert "refused" not in s.text()


async def test_what_waits_is_not_sent_when_the_one_before_went_wrong() -> None:
    async with screen(OneAtATime()) as s:
        await s.press("space", "space", "r", "y")
        await s.see("then restart web.1")
        s.source.end("op-1", "failed", "web.0 did not get ready in 60 s")
        await s.step()
        await s.see("not sent: restart web.1")
        await s.step()
        assert len(s.changes()) == 1
        assert s.app.operator.later == ()


async def test_what_somebody_else_holds_is_refused_and_does_not_wait() -> None:
    source = OneAtATime()
    async with screen(source) as s:
        await source.ask("POST", "/v1/workers/web.2/restart")
        await s.press("space", "space", "r", "y")
        await s.see("refused: web is held by op-1")
        assert s.app.operator.later == ()


@pytest.mark.parametrize("web", [1, 4])
async def test_a_small_window_keeps_the_buttons_and_the_warning(web: int) -> None:
    async with screen(Simulated(web=web), (60, 15)) as s:
        await s.press("2", "asterisk", "d")
        await s.see("the last ready backend: requests will be refused", "›Cancel", "Drain", "y: yes  esc: no")
        await s.press("enter")
        assert s.changes() == [], "Cancel is the one that is lit"
        await s.press("d", "y")
        await s.until(lambda: len(s.changes()) == web + 1)  # and the one that is not ours


async def test_of_a_batch_no_plan_is_shown_that_counts_each_as_if_it_were_alone() -> None:
    async with screen(Simulated(web=4)) as s:
        await s.press("space", "space", "d")
        await s.see("left after this: 2 of 4 serve lb/web (50 %)")
        await s.press("escape", "r")
        await s.see("would do POST /v1/workers/web.0/restart")  # by then the plan of the drain would be there, too
        assert all("rotation" not in body for _, _, body, dry in s.source.asked if dry)


async def test_in_the_past_no_key_is_offered_that_changes_anything() -> None:
    async with screen() as s:
        for _ in range(3):
            await s.step()
        assert "Restart" in s.lines()[-1]
        await s.press("[")
        await s.see("REPLAY")
        assert not {"Restart", "Drain", "Add", "Remove"} & set(s.lines()[-1].split())


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (NobodyThere("nobody listens on /x.sock"), "not sent: nobody listens"),
        (TooLate("the engine does not answer in time"), "sent, and may still be done (o tells)"),
    ],
    ids=["nobody there", "too late"],
)
async def test_what_may_have_reached_the_engine_is_not_called_not_sent(lost: NoAnswer, told: str) -> None:
    """A request lies in the socket, which the keeper holds: the next engine answers it."""
    async with screen() as s:
        await s.press("d")
        await s.see("y: yes")
        s.source.refusal = lost
        await s.press("y")
        await s.see(told)
