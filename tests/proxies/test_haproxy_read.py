"""Recorded answers of real HAProxies, and the readings made of them."""

from pathlib import Path

import pytest

from supervisor.model.backends import Backend, Upstream
from supervisor.model.errors import ProxyUnreachable
from supervisor.model.phases import Health, Rotation
from supervisor.proxies import haproxy_read as read

GOLDEN = Path(__file__).parent / "golden"
RELEASES = ["2.6.12", "2.8.25"]


def answer(release: str) -> str:
    return (GOLDEN / f"haproxy-{release}.txt").read_text()


def upstreams(text: str) -> dict[str, Upstream]:
    level, _, stat, state = read.parts(text)
    found, _ = read.parse_stat(stat, read.parse_state(state), read.parse_rights(level).tables, ours=False)
    return {u.name: u for u in found}


def by_name(text: str) -> dict[str, Backend]:
    return {b.name: b for u in upstreams(text).values() for b in u.backends}


@pytest.mark.parametrize("release", RELEASES)
def test_who_answered_is_told_with_a_mark_of_this_very_process(release: str) -> None:
    level, info, _, _ = read.parts(answer(release))
    found = read.parse_info(info)
    assert found.version == release
    assert found.release == tuple(int(x) for x in release.split(".")[:2])
    assert found.epoch.startswith(f"{found.pid}:179")
    assert read.parse_rights(level) == read.Rights("admin", frozenset({"other"}))


@pytest.mark.parametrize("release", RELEASES)
def test_health_has_its_reason_and_is_not_called_up_before_a_check_said_so(release: str) -> None:
    found = {name: (b.health, b.health_reason) for name, b in by_name(answer(release)).items()}
    assert found == {
        "s1": (Health.CHECKING, "no check has ended since it left maint"),
        "s2": (Health.DOWN, "L4CON Connection refused"),
        "s3": (Health.UNKNOWN, "no check"),
        "s4": (Health.UNKNOWN, "no check"),
        "s5": (Health.UNKNOWN, "not checked in maint"),
        "web.0": (Health.UP, "L7OK 200"),
        "web.1": (Health.CHECKING, "no check has ended yet"),
        "o1": (Health.UNKNOWN, "no check"),
    }


@pytest.mark.parametrize("release", RELEASES)
def test_rotation_is_read_where_a_failed_check_cannot_hide_it(release: str) -> None:
    found = by_name(answer(release))
    assert found["s2"].rotation is Rotation.DRAIN
    assert found["s4"].rotation is Rotation.DRAIN
    assert found["s5"].rotation is Rotation.MAINT
    assert found["s1"].rotation is Rotation.READY


@pytest.mark.parametrize("release", RELEASES)
def test_addresses_marks_stickiness_and_figures_are_read_by_column_name(release: str) -> None:
    found = by_name(answer(release))
    assert [found[n].address for n in ("s1", "s3", "s4")] == ["127.0.0.1:29001", "unix", "[::1]:29003"]
    assert [n for n, b in found.items() if b.added] == ["web.0", "web.1"]
    assert all(b.sticky for b in found.values()), "a cookie in one upstream, a table in the other"
    assert found["s4"].weight == 3
    assert (found["s1"].requests_total, found["s1"].in_flight, found["s1"].errors_total) == (1, 0, 0)
    assert found["s2"].response_ms is None, "no request yet: no time, and not 0"
    assert found["s1"].counters["hrsp_2xx"] == "1"
    app = upstreams(answer(release))["app"]
    assert (app.balance, app.queued) == ("roundrobin", 0)


@pytest.mark.parametrize("release", RELEASES)
def test_a_section_counts_what_came_and_what_clients_saw_fail(release: str) -> None:
    found = upstreams(answer(release))
    assert (found["app"].requests_total, found["app"].errors_total) == (7, 6)
    assert (found["other"].requests_total, found["other"].errors_total) == (0, 0)


@pytest.mark.parametrize("release", RELEASES)
def test_columns_may_come_in_any_order_and_the_optional_ones_not_at_all(release: str) -> None:
    _, _, stat, state = read.parts(answer(release))
    rows = [line.split(",") for line in stat.removeprefix("# ").split("\n") if line.strip()]
    drop = {rows[0].index(word) for word in ("cookie", "req_tot", "algo", "srv_icur")}
    turned = [[cell for at, cell in enumerate(row) if at not in drop][::-1] for row in rows]
    text = "# " + "\n".join(",".join([*row, ""]) for row in turned) + "\n\n"
    found, _ = read.parse_stat(text, read.parse_state(state), frozenset(), ours=True)
    first = found[0].backends[0]
    assert (first.name, first.requests_total, first.sticky, first.added) == ("s1", 1, False, True)
    assert "srv_icur" not in first.counters


def test_a_row_that_says_the_same_again_is_the_same_record_and_a_changed_one_is_new() -> None:
    _, _, stat, state = read.parts(answer("2.8.25"))
    seats = read.parse_state(state)
    first, known = read.parse_stat(stat, seats, frozenset(), ours=False)
    changed = stat.replace("Connection refused", "Connection reset")
    second, _ = read.parse_stat(changed, seats, frozenset(), ours=False, known=known)
    same = [a is b for a, b in zip(first[1].backends, second[1].backends, strict=True)]
    assert same == [True]
    assert second[0].backends[1].health_reason == "L4CON Connection reset"


def test_a_reason_with_quotes_commas_newlines_and_escapes_is_one_harmless_field() -> None:
    hostile = answer("2.8.25").replace(",Connection refused,", ',"oh, ""no""\n\x1b[2J\u202e;x",', 1)
    found = by_name(hostile)
    assert found["s2"].health_reason == 'L4CON oh, "no"␊␛[2J\ufffd;x'
    assert found["s2"].rotation is Rotation.DRAIN
    assert len(found) == 8


@pytest.mark.parametrize("end", [0, 10, 2000, 4000, -300, -1])
def test_an_answer_that_was_cut_off_is_no_reading(end: int) -> None:
    with pytest.raises(ProxyUnreachable, match="hung up"):
        read.parts(answer("2.8.25")[:end])


@pytest.mark.parametrize(
    ("status", "check", "code", "said", "health", "why"),
    [
        ("UP", "L7OK", "200", "", Health.UP, "L7OK 200"),
        ("UP", "* L7OK", "200", "", Health.UP, "L7OK 200"),
        ("UP", "L4OK", "", "", Health.UP, "L4OK"),
        ("UP 1/3", "L7STS", "503", "Busy", Health.UP, "L7STS 503 Busy, going down (1/3)"),
        ("UP 1/2", "L7OK", "200", "", Health.CHECKING, "no check has ended since it left maint"),
        ("UP", "INI", "", "", Health.CHECKING, "no check has ended yet"),
        ("UP", "* INI", "", "", Health.CHECKING, "no check has ended yet"),
        ("DOWN", "L7STS", "404", "Not Found", Health.DOWN, "L7STS 404 Not Found"),
        ("DOWN 1/2", "L4CON", "", "Connection refused", Health.DOWN, "L4CON Connection refused"),
        ("DOWN (agent)", "", "", "", Health.DOWN, "DOWN (agent)"),
        ("DRAIN", "L7OK", "200", "", Health.UP, "L7OK 200"),
        ("DRAIN", "", "", "", Health.UNKNOWN, "no check"),
        ("DOWN (agent)", "L7OK", "200", "", Health.DOWN, "DOWN (agent)"),
        ("NOLB", "L7OKC", "404", "", Health.DOWN, "NOLB, no new requests: L7OKC 404"),
        ("UP", "", "", "", Health.UP, "as the server that it tracks"),
        ("UP 1/2", "", "", "", Health.CHECKING, "no check has ended yet"),
        ("MAINT (resolution)", "", "", "", Health.UNKNOWN, "not checked in maint (resolution)"),
        ("no check", "", "", "", Health.UNKNOWN, "no check"),
    ],
)
def test_every_status_word(status: str, check: str, code: str, said: str, health: Health, why: str) -> None:
    assert read.read_health(status, check, code, said) == (health, why)


@pytest.mark.parametrize(
    ("admin", "rotation"),
    [
        (0, Rotation.READY),
        (4, Rotation.READY),
        (5, Rotation.MAINT),
        (1, Rotation.MAINT),
        (2, Rotation.MAINT),
        (32, Rotation.MAINT),
        (8, Rotation.DRAIN),
        (16, Rotation.DRAIN),
        (12, Rotation.DRAIN),
        (9, Rotation.MAINT),
    ],
)
def test_admin_state_is_bits_of_which_disabled_in_config_says_nothing_about_now(
    admin: int, rotation: Rotation
) -> None:
    assert read.Seat("127.0.0.1:1", admin, 1).rotation is rotation
