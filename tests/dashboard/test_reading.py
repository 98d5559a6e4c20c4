"""The verbs that only look, against the stand-in API."""

import json

import msgspec
import pytest

from dashboard.frames import frame
from dashboard.say import MISSING
from dashboard.table import Paper, shown
from tests.dashboard.conftest import Run
from tests.dashboard.fake_api import FakeApi, Reply, as_json, operation, refused
from tests.dashboard.pictures import NOW, backend, last_exit, picture, plain, worker

pytestmark = pytest.mark.real

HOSTILE = "[red]\x1b]0;x\x07;shutdown\nweb\u202e漢字"


def event(number: int, text: str = "ready") -> dict[str, object]:
    return {
        "number": number,
        "time": NOW,
        "kind": "worker-ready",
        "level": "info",
        "subject": "web.0",
        "text": text,
    }


def lines(*rows: dict[str, object]) -> Reply:
    return Reply(200, b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def test_status_shows_pools_workers_and_backends(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    ran = run("status")
    assert ran.code == 0
    for words in (
        "web 1/4 3",
        "web.0 ready 4242 3 12.3 48M 40.0",
        "failed",
        "exit code 1",
        "lb/web/web.0 web.0 up",
    ):
        assert words in " ".join(ran.out.split()), words
    assert "\x1b" not in ran.out


def test_status_json_is_the_answer_itself(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    assert json.loads(run("status", "--json").out) == plain(picture())


def test_hostile_names_are_harmless_in_tables_and_json(api: FakeApi, run: Run) -> None:
    bad = picture((worker(HOSTILE, why=HOSTILE, address=HOSTILE, last_exit=last_exit(HOSTILE)),))
    api.on("GET /v1/snapshot", Reply(200, msgspec.json.encode(bad)))
    for words in (["status"], ["status", "--json"]):
        ran = run(*words)
        assert ran.out.replace("\n", "").isprintable()
    assert json.loads(ran.out)["pools"][0]["workers"][0]["id"] == HOSTILE


@pytest.mark.parametrize("width", [20, 80, 120, 200])
def test_a_frame_fits_the_terminal(width: int) -> None:
    snapshot = plain(picture((worker(HOSTILE, why="because " * 40),)))
    assert max(shown(line) for line in frame(snapshot, Paper(width=width))) <= width


def test_the_reason_of_a_failure_is_seen_at_80_columns() -> None:
    text = "\n".join(frame(plain(picture()), Paper(width=80)))
    assert "exit code 1" in text


def test_a_pool_s_note_counts_what_failed() -> None:
    found = (worker(), *(worker(f"web.{n}", phase=phase) for n, phase in enumerate(("failed", "backing-off"), 1)))
    line = next(line for line in frame(plain(picture(found)), Paper()) if line.startswith("web "))
    assert line.endswith("  1 failed; 1 backing-off")


def test_what_is_unknown_is_a_dash_and_never_zero() -> None:
    snapshot = plain(picture((worker(cpu_percent=None, rss_bytes=None, requests_per_second=None),)))
    row = next(line for line in frame(snapshot, Paper()) if line.startswith("web.0"))
    assert row.split()[4:7] == ["–", "–", "–"]


def test_an_unreachable_proxy_is_named_with_its_age_and_reason() -> None:
    snapshot = plain(picture())
    snapshot["proxies"][0] |= {"reachable": False, "seen_seconds_ago": 12.0, "why": "no answer in 2 s"}
    assert (
        "proxy lb: haproxy 2.8.25 on http://127.0.0.1:8080: unreachable, last seen 12s ago: no answer in 2 s"
        in (frame(snapshot, Paper()))
    )


def test_colour_is_for_states_alone_and_only_when_wanted() -> None:
    assert any("\x1b[31mfailed\x1b[0m" in line for line in frame(plain(picture()), Paper(colour=True)))
    assert not any("\x1b" in line for line in frame(plain(picture()), Paper()))


def test_backends_without_a_worker_of_ours_are_listed() -> None:
    snapshot = plain(picture())
    snapshot["proxies"][0]["upstreams"][0]["backends"].append(msgspec.to_builtins(backend("old", worker=None)))
    assert any(line.split()[:2] == ["lb/web/old", "–"] for line in frame(snapshot, Paper()))


def test_events_are_lines_with_their_actor(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/events", lines(event(1), event(2, "scaled to 4") | {"actor": "uid 0 (root)"}))
    shown_lines = run("events").out.splitlines()
    assert [line.partition(" ")[2] for line in shown_lines] == ["web.0: ready", "web.0: scaled to 4 (uid 0 (root))"]


def test_events_as_json_are_one_object_a_line(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/events", lines(event(1), event(2)))
    assert [json.loads(line)["number"] for line in run("events", "--json", "--after", "0").out.splitlines()] == [
        1,
        2,
    ]


def test_a_number_left_out_is_said(api: FakeApi, run: Run) -> None:
    """Also where a snapshot came first, and where the numbers are those of another life."""
    api.on("GET /v1/events", lines({"snapshot": {}}, event(5), event(6), event(9), event(2)))
    ran = run("events", "--after", "3")
    assert len(ran.out.splitlines()) == 4
    assert ran.err.splitlines() == [MISSING] * 3
    api.on("GET /v1/events", lines({"snapshot": {}}, event(5), event(6)))
    assert run("events").err == ""
    assert run("events", "--after", "4", "--lines", "1").err == ""


def test_following_events_goes_on_from_the_last_one_seen(api: FakeApi, run: Run) -> None:
    stream = Reply(
        200, b"", chunks=(b"\n", json.dumps(event(3)).encode()[:20], json.dumps(event(3)).encode()[20:] + b"\n")
    )
    api.on("GET /v1/events", lines(event(1), event(2)), stream, refused(500, "gone", "enough"))
    ran = run("events", "-f")
    assert len(ran.out.splitlines()) == 3
    assert [one.path for one in api.asked] == [
        "/v1/events?after=0", "/v1/events?after=2&follow=1", "/v1/events?after=3&follow=1",
    ]  # fmt: skip


def test_logs_of_a_worker_and_of_a_pool(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/workers/web.0/log", Reply(200, b"one\n\x1b[31mtwo\n"))
    api.on("GET /v1/pools/web/log", Reply(200, b"web.0: one\n"))
    assert run("logs", "web.0", "--lines", "2").out == "one\n␛[31mtwo\n"
    assert run("logs", "web").out == "web.0: one\n"
    assert api.asked[0].path == "/v1/workers/web.0/log?lines=2"


def test_followed_logs_go_on_when_the_engine_comes_back(api: FakeApi, run: Run) -> None:
    cut = Reply(200, b"", chunks=(b"\x1eweb.0+1~70~0~2\none\n",), cut=True)
    api.on("GET /v1/workers/web.0/log", cut, Reply(200, b"", chunks=(b"two\n",)), refused(404, "unknown", "gone"))
    ran = run("logs", "-f", "web.0")
    assert (ran.code, ran.out) == (4, "one\ntwo\n")
    assert "following again" in ran.err
    assert api.asked[0].path.endswith("?lines=20&follow=1&from=")
    assert api.asked[1].path.endswith("?lines=0&follow=1&from=web.0%2B1~70~0~3")


def test_logs_that_are_too_many_to_go_on_in_are_said_to_be(api: FakeApi, run: Run) -> None:
    marks = "".join(f"\x1ejobs-{n}.{n}+1~70000000~0~2\none\n" for n in range(2_000))
    cut = Reply(200, b"", chunks=(marks.encode(),), cut=True)
    api.on("GET /v1/pools/jobs/log", cut, refused(404, "unknown", "gone"))
    assert "lines before may be missing" in run("logs", "-f", "jobs").err
    assert api.asked[1].path.endswith("?lines=0&follow=1&from=")


def test_operations_are_listed_and_one_is_followed(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/operations", as_json([operation("done", progress="so")]))
    api.on("GET /v1/operations/op-7", as_json(operation()), as_json(operation("failed", why="no")))
    assert " – op-7: scale web=4: so (uid 0" in run("operations").out
    ended = operation("aborted", ended="2026-01-02T03:04:07.150Z", why="since 2026-01-02T03:04:05.123Z")
    api.on("GET /v1/operations", as_json([ended]))
    told = run("operations").out
    assert " 2.1s op-7" in told
    assert "since at " in told
    assert ".123Z" not in told
    assert run("operations", "op-7").code == 1


def test_what_the_doctor_finds_of_several_workers_is_said_once(api: FakeApi, run: Run) -> None:
    rows = [
        {"check": "no-stop-handler", "subject": subject, "text": f"{subject} dies at once", "hint": "handle it"}
        for subject in ("web.0", "web.1", "web.12", "jobs.0", "web")
    ]
    api.on("GET /v1/doctor", as_json({"findings": rows}))
    ran = run("doctor")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "web.0: web.0 dies at once", "    handle it", "    the same: web.1, web.12, web",
        "jobs.0: jobs.0 dies at once", "    handle it",
    ]  # fmt: skip
    assert len(json.loads(run("doctor", "--json").out)["findings"]) == 5


def test_the_status_of_a_rollout_is_one_sentence(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    assert run("rollout", "status", "web").out == "web: no rollout is going on; generation 3\n"
    assert run("rollout", "status", "wbe").code == 4


def test_a_rollout_under_way_shows_new_beside_old_and_every_step(api: FakeApi, run: Run) -> None:
    snapshot = plain(picture())
    pool = next(one for one in snapshot["pools"] if one["name"] == "web")
    new, old = pool["workers"][0], pool["workers"][1]
    new["generation"], old["generation"], old["pid"] = 4, 3, 812
    pool["workers"] = [new, old]
    pool["rollout"] = {
        "operation": "op-7",
        "phase": "holding",
        "from_generation": 3,
        "to_generation": 4,
        "replaced": 1,
        "total": 2,
        "why": "1 of 2 replaced",
    }
    snapshot["operations"] = [operation(steps=[["2026-11-25T12:00:01.000Z", "replacing web.0 by generation 4"]])]
    api.on("GET /v1/snapshot", as_json(snapshot))
    lines = run("rollout", "status", "web").out.splitlines()
    assert lines[0] == "web: rollout op-7 holding: generation 3 to 4, 1 of 2 replaced: 1 of 2 replaced"
    assert lines[2].split() == ["GEN", "WORKERS", "SERVING", "REQ/S", "ERR/S", "MS"]
    assert lines[3].split()[:3] == ["new", "@4", "1"]
    assert lines[4].split()[:3] == ["old", "@3", "1"]
    assert lines[-1].endswith("replacing web.0 by generation 4")


def test_batch_frames_are_as_many_as_asked_for(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    api.on("GET /v1/events", lines(event(1)), lines())
    ran = run("top", "--batch", "-n", "2", "--interval", "0")
    assert ran.code == 0
    assert ran.out.count("shop  ") == 2
    assert ran.out.count("web.0: ready") == 2


def test_batch_frames_say_where_events_may_be_missing(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    api.on("GET /v1/events", lines(event(5), event(7)), lines(event(8), event(1)))
    ran = run("top", "--batch", "-n", "2", "--interval", "0")
    last = ran.out.rpartition("events\n")[2].splitlines()
    assert [MISSING in line for line in last if line] == [False, True, False, False, True, False]
    assert [one.path for one in api.asked if "events" in one.path][1] == "/v1/events?after=7"


def test_top_without_a_terminal_is_frames(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    api.on("GET /v1/events", lines())
    ran = run("top", "-n", "1")
    assert "plain frames" in ran.err
    assert "web.0" in ran.out


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\xff\xfe"])
def test_an_answer_that_makes_no_sense_is_a_sentence_and_no_traceback(api: FakeApi, run: Run, body: bytes) -> None:
    api.on("GET /v1/snapshot", Reply(200, body))
    ran = run("status")
    assert ran.code == 1
    assert "makes no sense" in ran.err
