"""`top --record`, `--replay` and `--web` as typed: what does not go together, or cannot be had, is said at once."""

import socket
from pathlib import Path

import pytest

from dashboard.web import session
from tests.dashboard.conftest import Run
from tests.dashboard.fake_api import FakeApi, as_json
from tests.dashboard.test_recording import recorded

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "words",
    ["--record a --replay b", "--record a --web", "--record a --batch", "--replay a --batch", "--web --batch",
     "--filter x --batch", "--sort cpu --batch", "--record a --record-size 0", "--web --port 70000"],
)  # fmt: skip
def test_flags_that_contradict_each_other_are_refused(words: str, run: Run) -> None:
    ran = run("top", *words.split())
    assert (ran.code, ran.out) == (2, "")
    assert "top: --" in ran.err


@pytest.mark.parametrize(
    ("flag", "known"), [("sort", "memory"), ("theme", "colour-blind"), ("theme", "nord")]
)  # fmt: skip
def test_an_order_or_a_theme_that_is_not_there_is_refused_with_those_that_are(
    flag: str, known: str, run: Run
) -> None:
    ran = run("top", f"--{flag}", "bogus")
    assert (ran.code, ran.out) == (2, "")
    assert "'bogus'" in ran.err
    assert known in ran.err


@pytest.mark.parametrize("words", ["--batch -n 1", "--read-only"])
def test_a_top_that_only_looks_starts_no_cluster(words: str, run: Run, tmp_path: Path) -> None:
    config = tmp_path / "shop.toml"
    config.write_text('[cluster]\nname = "shop"\nstate_dir = "s"\n[pools.jobs]\ncommand = ["sleep", "1"]\n')
    ran = run("top", *words.split(), "-c", str(config), socket=False)
    assert (ran.code, ran.out) == (3, "")
    assert "no cluster is running" in ran.err
    assert not (tmp_path / "s").exists()


def test_without_a_terminal_nothing_is_recorded_and_no_file_is_made(api: FakeApi, run: Run, tmp_path: Path) -> None:
    api.on("GET /v1/snapshot", as_json({}))
    ran = run("top", "--record", str(tmp_path / "rec"))
    assert ran.code == 2
    assert "needs a terminal" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_recording_is_said_to_be_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("[cluster]")
    for path, said in (("x", "not a recording of clusterctl"), ("y", "No such file")):
        ran = run("top", "--replay", str(tmp_path / path), socket=False)
        assert ran.code == 2
        assert said in ran.err


def test_a_recording_needs_a_terminal_and_no_cluster(run: Run, tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 2)
    ran = run("top", "--replay", str(tmp_path / "rec"), socket=False)
    assert (ran.code, ran.out) == (2, "")
    assert "needs a terminal" in ran.err


def test_a_port_that_is_taken_is_named_with_what_to_do(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json({}))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run("top", "--web", "--port", str(port))
    assert ran.code == 1
    assert f"port {port} cannot be had" in ran.err


def test_without_textual_serve_the_way_to_it_is_said(
    api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on("GET /v1/snapshot", as_json({}))
    monkeypatch.setattr("dashboard.web.opening.find_spec", lambda name: None)
    ran = run("top", "--web")
    assert ran.code == 1
    assert "pip install 'clusterctl[web]'" in ran.err


def test_what_was_said_of_the_screen_holds_in_a_browser_too(
    api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on("GET /v1/snapshot", as_json({}))
    served: list[str] = []
    shown: list[dict[str, object]] = []

    def serve(arguments: tuple[str, ...], port: int, name: str) -> int:
        served.extend(arguments)
        return 0

    def show(source: object, **looks: object) -> int:
        shown.append(looks)
        return 0

    monkeypatch.setattr("dashboard.web.opening.serve", serve)
    monkeypatch.setattr("dashboard.tui.app.run", show)
    flags = ["--filter", "-x cpu>80", "--sort", "memory", "--theme", "nord", "--ascii", "--no-color"]
    assert run("top", "--web", "--read-only", "--interval", "2", *flags).code == 0
    assert session.main(served) == 0
    looks = {"theme": "nord", "filter": "-x cpu>80", "sort": "memory", "ascii": True, "colour": False}
    assert shown == [{"read_only": True, "interval": 2.0} | looks]
