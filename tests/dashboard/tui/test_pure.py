"""The pure half of the screen: numbers, columns, the mirror, graphs, filters, what a change would do."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from dashboard.history import LONGEST
from dashboard.mirror import EVENTS, Mirror, Missing, apply
from dashboard.say import MISSING
from dashboard.tui import commands, filters, intents
from dashboard.tui.app import few_colours
from dashboard.tui.backend_columns import BACKEND_COLUMNS
from dashboard.tui.columns import place
from dashboard.tui.commands import Local
from dashboard.tui.heading import Mood, heading
from dashboard.tui.ink import cell, fit
from dashboard.tui.intents import Intent, Refusal, typed
from dashboard.tui.keys import MAIN_KEYS, allowed, applying
from dashboard.tui.offering import offered
from dashboard.tui.room import shares, steady
from dashboard.tui.say import duration, number, size
from dashboard.tui.states import to_ascii
from dashboard.tui.verdict import troubles
from dashboard.tui.widgets.graph import area, bar, nice_top, spark
from dashboard.tui.worker_columns import WORKER_COLUMNS, natural
from dashboard.verbs import OTHERS_WORDS
from dashboard.verbs import VERBS as CLI_VERBS
from supervisor.model.phases import Rotation
from supervisor.model.snapshot import Snapshot
from tests.dashboard.tui.simulated import HOSTILE, Simulated


def mirrored(source: Simulated, pictures: int = 1) -> Mirror:
    mirror = Mirror()
    for second in range(pictures):
        source.second = second
        mirror = apply(mirror, source.picture(), float(second))
    return mirror


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (float("nan"), "–"), (0, "0"), (0.44, "0.4"), (32.46, "32.5"), (99.96, "100"), (9876.4, "9876"),
     (12_345, "12.3k"), (456_000, "456k"), (1_200_000, "1.2M"), (-3.0, "-3.0")],
)  # fmt: skip
def test_a_number_takes_at_most_five_cells_and_unknown_is_a_dash(value: float | None, said: str) -> None:
    assert number(value) == said


@given(st.floats(min_value=0, max_value=1e14))
def test_no_number_size_or_duration_outgrows_its_column(value: float) -> None:
    assert len(number(value)) <= 5
    assert len(size(min(value, 9e14))) <= 5
    assert len(duration(min(value, 8.6e6))) <= 6


@given(st.integers(min_value=1, max_value=260))
def test_columns_fit_any_width_and_the_most_important_stay(room: int) -> None:
    workers, backends = place(WORKER_COLUMNS, room), place(BACKEND_COLUMNS, room)
    for widths in ([one.width for one in workers], [one.width for one in backends]):
        assert sum(widths) + len(widths) - 1 <= max(room, 31)
    assert workers[0].column.key == "worker"
    assert backends[0].column.key == "name"


def test_natural_order_puts_nine_before_ten() -> None:
    assert sorted(["web.10", "web.9", "jobs.1"], key=natural) == ["jobs.1", "web.9", "web.10"]


@given(st.text(max_size=80), st.integers(min_value=0, max_value=40), st.booleans())
def test_no_outside_text_reaches_the_terminal_as_a_control_and_each_cell_keeps_its_width(
    text: str, width: int, right: bool
) -> None:
    from rich.cells import cell_len

    shown = cell(text, width, right)
    assert cell_len(shown) == width
    part, cells = fit(text, width)
    assert cell_len(part) == cells <= width
    for made in (shown, part):
        assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u200d\u2028" for c in made)


@given(st.text(max_size=60))
def test_ascii_is_ascii(text: str) -> None:
    assert to_ascii(text).isascii()


def test_graphs_show_zero_as_nothing_and_the_top_as_full() -> None:
    series = array("f", [0, 50, 100])
    assert spark(series, 5, 100) == "   ▄▇"
    assert area(array("f", [0, 100]), 1, 2, 100) == ["⢸", "⢸"]
    assert bar(0.5, 4) == ("██", "░░")
    assert bar(None, 4) == ("", "░░░░")
    assert [nice_top(array("f", [v]), 10) for v in (3, 11, 26, 60, 900)] == [10, 20, 50, 100, 1000]


def test_the_mirror_pairs_workers_and_backends_and_keeps_a_bounded_history() -> None:
    source = Simulated()
    before = mirrored(source, LONGEST + 30)
    view = next(view for view in before.workers.values() if view.worker.id == "web.1")
    assert view.backend is not None
    assert before.backends["lb/web/web.1"].worker is view.worker
    assert len(view.history.cpu) == LONGEST
    after = apply(before, source.picture(), 1000.0)
    assert before.workers[view.key].history.cpu is not after.workers[view.key].history.cpu


def test_a_new_worker_in_the_slot_starts_a_new_history() -> None:
    source = Simulated()
    mirror = mirrored(source, 5)
    source.crash("web.0")
    mirror = apply(mirror, source.picture(), 9.0)
    view = next(view for view in mirror.workers.values() if view.worker.id == "web.0")
    assert len(view.history.cpu) == 1


@pytest.mark.parametrize(("numbers", "shown"), [((7, 8, 9), "789"), ((7, 9), "7!9"), ((7, 8, 1, 2), "78!12")])
def test_events_stand_as_they_come_and_where_some_may_be_missing_it_says_so(
    numbers: tuple[int, ...], shown: str
) -> None:
    """Also those of another life, whose numbers are lower."""
    source = Simulated()
    source.say("info", "web", "one")
    mirror = Mirror()
    for one in numbers:
        mirror = apply(mirror, replace(source.happened[0], number=one, text=str(one)), 1.0)
    assert "".join("!" if event.text == MISSING else event.text for event in mirror.events) == shown
    many = mirror
    for one in range(10, 10 + 2 * EVENTS):
        many = apply(many, replace(source.happened[0], number=one), 1.0)
    assert len(many.events) == EVENTS


def test_an_absence_keeps_the_picture() -> None:
    source = Simulated()
    mirror = mirrored(source)
    away = apply(mirror, Missing(since=1.0, why="gone"), 2.0)
    assert away.snapshot is mirror.snapshot
    assert apply(away, source.picture(), 3.0).away is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web", 3),
        ("!web", 2),
        ("state:failed", 1),
        ("web !web.1", 2),
        ("cpu>100000", 0),
        ("rps>=", 0),
        ("pool:jobs", 2),
        ("mem>0.001g", 4),
        ("mem>1g", 0),
        ("mem>1h", 0),
        ("uptime<1h", 4),
    ],
)
def test_filters_hold_all_their_words(text: str, found: int) -> None:
    source = Simulated()
    source.phases["jobs.1"] = "failed"
    keep = filters.workers(text)
    assert keep is not None
    assert sum(map(keep, mirrored(source).workers.values())) == found


@given(st.text(max_size=30))
def test_no_filter_or_command_line_breaks(text: str) -> None:
    mirror = mirrored(Simulated())
    for view in mirror.workers.values():
        if keep := filters.workers(text):
            keep(view)
    commands.complete(text, mirror)
    assert isinstance(commands.read(text, mirror), Intent | Refusal | Local)


def test_every_verb_asks_what_the_contract_says() -> None:
    mirror = mirrored(Simulated())

    def asks(line: str) -> tuple[str, str, dict[str, object]]:
        intent = commands.read(line, mirror)
        assert isinstance(intent, Intent), intent
        assert intent.asks[0].verb == line
        return intent.asks[0].method, intent.asks[0].path, intent.asks[0].body

    assert asks("scale web=4") == ("PATCH", "/v1/pools/web", {"desired": 4})
    assert asks("restart web") == ("POST", "/v1/pools/web/rollouts", {})
    assert asks("restart web.1") == ("POST", "/v1/workers/web.1/restart", {})
    assert asks("stop web") == ("PATCH", "/v1/pools/web", {"stopped": True})
    assert asks("stop web.1") == ("PATCH", "/v1/workers/web.1", {"stopped": True})
    assert asks("drain web.1") == ("PATCH", "/v1/backends/lb/web/web.1", {"rotation": "drain"})
    assert asks("maint lb/web/legacy") == ("PATCH", "/v1/backends/lb/web/legacy", {"rotation": "maint"})
    assert asks("rollout undo web") == ("PATCH", "/v1/pools/web/rollouts", {"action": "undo"})
    assert asks("reload") == ("POST", "/v1/reload", {})


def test_what_others_call_our_verbs_is_understood_and_asked_in_our_words() -> None:
    mirror = mirrored(Simulated())
    for words, ours in (
        ("clusterctl drain web.1 --yes --timeout", "drain web.1"),
        ("rollback web", "rollout undo web"),
        ("kill web.1", "restart web.1"),
    ):
        intent = commands.read(words, mirror)
        assert isinstance(intent, Intent), intent
        assert intent.asks[0].verb == ours
    assert commands.read("undrain lb/web/legacy", mirror) == Refusal("lb/web/legacy: ready already")
    assert commands.read("q", mirror) == Local("quit")
    assert commands.read("rollout status web", mirror, read_only=True) == Local("rollout", "web")
    assert commands.read("drain web.1", mirror, read_only=True) == Refusal("drain: this screen is read-only")


def test_an_embedded_proxy_and_both_files_of_a_slot_have_logs() -> None:
    mirror = mirrored(Simulated())
    assert all(commands.logged(name, mirror) for name in ("web", "web.1", "web.1+1", "lb"))
    assert not any(commands.logged(name, mirror) for name in ("", "web.9", "+1", "lbx"))
    assert ("logs lb", "embedded proxy") in commands.complete("logs l", mirror)


def test_every_verb_of_the_command_line_is_one_of_the_screen_or_named_as_one_for_a_shell() -> None:
    mirror = mirrored(Simulated())
    for name in [verb.name for verb in CLI_VERBS] + list(OTHERS_WORDS):
        answer = commands.read(f"{name} web", mirror)
        assert not (isinstance(answer, Refusal) and answer.why.startswith("no verb")), name
    assert commands.read("doctor web", mirror) == Refusal("doctor is for a shell: clusterctl doctor web")


def test_the_keys_that_the_palette_teaches_are_those_of_the_screen() -> None:
    known = {name for key in MAIN_KEYS for name in key.name.split()}
    for verb in commands.VERBS:
        assert set(verb.key.split()) <= known, verb.name


def test_names_from_outside_stay_one_segment_of_the_path_and_one_word_of_the_shell() -> None:
    mirror = mirrored(Simulated(web=len(HOSTILE), names=HOSTILE))
    for view in mirror.workers.values():
        intent = intents.restart(mirror, [view])
        assert isinstance(intent, Intent)
        assert intent.asks[0].path.count("/") == 4
        assert intent.asks[0].path.isascii()
    assert typed("a b;'c'") == "'a b;'\\''c'\\'''"


def test_read_only_leaves_no_key_that_changes_and_a_poor_proxy_no_key_that_it_cannot_do() -> None:
    assert not any(key.changes for key in allowed(MAIN_KEYS, True))
    offered = {key.label for key in applying(MAIN_KEYS, "workers", frozenset({"add"}), True)}
    assert "Restart" in offered
    assert not offered & {"Drain", "Maint"}


def test_no_key_is_bound_twice() -> None:
    keys = [key for one in MAIN_KEYS for key in one.keys.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("width", [20, 60, 80, 100, 120, 200])
def test_the_heading_is_three_lines_at_any_width_and_never_shows_zeros_for_the_unknown(width: int) -> None:
    source = Simulated(web=8)
    mirror = mirrored(source)
    lines = heading(mirror, Mood(now=0.5), width)
    assert len(lines) == 3
    assert "CPU-bound" in "".join(text for text, _ in lines[1]) or width < 60
    empty = heading(apply(Mirror(), Missing(since=0.0, why="no answer in 3 s"), 0.0), Mood(now=4.0), width)
    assert "no answer from the engine for 4s" in "".join(text for text, _ in empty[0])
    assert isinstance(mirror.snapshot, Snapshot)


@given(st.text(alphabet="ab 0123456789.é工", max_size=40), st.integers(min_value=1, max_value=30))
def test_what_does_not_fit_is_marked_and_never_half_a_number(text: str, room: int) -> None:
    shown, cells = fit(text, room)
    assert cells == cell_len(shown) <= room
    if shown != text:
        kept = shown.removesuffix("…")
        assert text.startswith(kept)
        assert shown.endswith("…")
        if kept and len(kept.rstrip("0123456789.,")) > len(kept) - 16:
            assert not (kept[-1] in "0123456789.," and text[len(kept)] in "0123456789.,")


@pytest.mark.parametrize("width", [100, 120, 159, 160, 200, 300])
@pytest.mark.parametrize("rows", [0, 1, 5, 30, 1_000])
def test_panes_share_every_line_and_none_is_too_low_to_show_a_row(width: int, rows: int) -> None:
    for height in range(12, 90):
        given = shares(width, height, rows, rows)
        assert given.table + given.lower + given.events == height
        assert given.table >= 4
        assert given.events >= 2
        assert given.lower == 0 or given.lower >= 4


def test_one_row_more_or_less_moves_no_pane_twice() -> None:
    planned = steady(0, 5)
    for rows in (5, 6, 5, 6, 4, 5):
        planned = steady(planned, rows)
    assert planned == 6
    assert steady(planned, 2) == 2


@pytest.mark.parametrize(
    ("environ", "few"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, False),
        ({"TERM": "xterm"}, True),
        ({"TERM": "linux"}, True),
        ({}, True),
    ],
)
def test_a_terminal_of_sixteen_colours_gets_its_own(environ: dict[str, str], few: bool) -> None:
    assert few_colours(environ) is few


def test_the_footer_leads_with_what_helps_and_leaves_out_what_would_change_nothing() -> None:
    source = Simulated()
    source.rotation["lb/web/web.0"] = Rotation.DRAIN
    source.phases["web.1"] = "failed"
    mirror = mirrored(source)
    workers = list(mirror.workers.values())

    def footer(at: int) -> list[str]:
        backend = mirror.backends[workers[at].worker.backend or ""]
        return [key.label for key in offered(MAIN_KEYS, [workers[at]], [backend], workers[at].pool)]

    assert footer(0)[:2] == ["Help", "Undrain"]
    assert "Drain" not in footer(0)
    assert footer(1)[:2] == ["Help", "Start"]
    assert {"Restart", "Stop", "Undrain"} & set(footer(1)) == set()
    assert {"Drain", "Restart"} < set(footer(2))
    assert {"Start", "Undrain"} & set(footer(2)) == set()
    source.roll("new", "old", "old")
    workers = list(mirrored(source).workers.values())
    assert {"Pause rollout", "Abort rollout", "Rollout"} < set(footer(2))


def test_troubles_come_the_worst_first_each_with_its_reason() -> None:
    source = Simulated()
    source.phases |= {"web.1": "failed", "jobs.0": "backing-off"}
    source.reachable = False
    said = [trouble.said for trouble in troubles(mirrored(source))]
    assert said[0].startswith("✖ lb: no answer in 2 s")
    assert said[1].startswith("✖ web.1 failed: exit code 1")
    assert said[2].startswith("▲ jobs.0 back-off")
    assert said[3].startswith("✖ lb/web/legacy down")
    assert len(said) == 4, "the backend of web.1 is down because web.1 is"


def test_pools_with_traffic_come_first_else_the_order_is_the_engines() -> None:
    picture = Simulated(web=1, jobs=1).picture()
    mirror = apply(Mirror(), replace(picture, pools=tuple(reversed(picture.pools))), 0.0)
    assert [view.worker.id for view in mirror.workers.values()] == ["web.0", "jobs.0"]
