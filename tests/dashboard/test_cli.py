"""The command line itself: help, unknown verbs, where a cluster is looked for, and what it may import."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dashboard.cli import main
from dashboard.verbs import OTHERS_WORDS, VERBS
from tests.dashboard.conftest import Run
from tests.dashboard.fake_api import Asked, FakeApi, Reply, as_json, operation, refused
from tests.dashboard.pictures import picture, plain
from tests.dashboard.test_reading import event, lines

pytestmark = pytest.mark.real

HEAVY = {"msgspec", "httpx", "rich", "textual", "asyncio", "http", "email", "ssl", "subprocess", "psutil"}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_help_with_an_example(verb: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = verb.name  # type: ignore[attr-defined]
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"example: clusterctl {name}" in " ".join(shown.split())
    assert "--socket" in shown


def test_an_unknown_verb_is_exit_2_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statsu"]) == 2
    assert "did you mean `status`?" in capsys.readouterr().err


def test_what_others_call_a_verb_is_answered_with_ours(capsys: pytest.CaptureFixture[str]) -> None:
    for word, ours in (("undrain", "ready"), ("undo", "rollout undo"), ("ps", "status"), ("list", "status")):
        assert main([word]) == 2
        assert f"`clusterctl {ours}`" in capsys.readouterr().err


def test_every_word_of_others_leads_to_a_verb_and_is_none() -> None:
    names = {verb.name for verb in VERBS}
    assert {ours.split()[0] for ours in OTHERS_WORDS.values()} <= names
    assert not names & OTHERS_WORDS.keys()


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("clusterctl ")


def test_no_cluster_is_exit_3_and_says_where_it_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "shop.toml"
    config.write_text('[cluster]\nname = "shop"\nstate_dir = "state"\n')
    for verb in (["status"], ["scale", "web=2"], ["events"], ["logs", "web"], ["reload"]):
        assert main([*verb, "-c", str(config)]) == 3
        assert f"{tmp_path}/state/clusterctl.sock" in capsys.readouterr().err


def test_down_of_nothing_is_already_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down", "--socket", f"{tmp_path}/clusterctl.sock"]) == 0
    assert "already down" in capsys.readouterr().out
    assert main(["down", "--json", "--socket", f"{tmp_path}/clusterctl.sock"]) == 0
    assert json.loads(capsys.readouterr().out)["phase"] == "done"


def test_flags_may_stand_before_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", f"{tmp_path}/x.sock", "status"]) == 3
    assert "x.sock" in capsys.readouterr().err


def test_the_state_directory_is_the_default_one_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clusterctl.toml").write_text('[cluster]\nname = "shop"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLUSTERCTL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/nowhere")
    assert main(["status"]) == 3
    assert "/nowhere/clusterctl/shop/clusterctl.sock" in capsys.readouterr().err


def test_without_any_configuration_it_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLUSTERCTL_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for verb, code in (("status", 3), ("down", 3), ("check", 2), ("up", 2), ("unit", 2)):
        assert main([verb]) == code
        shown = capsys.readouterr().err
        assert "./clusterctl.toml" in shown
        assert "clusterctl demo" in shown


@pytest.mark.parametrize("text", ["[cluster\n", "", "cluster = 3\n", "\xff"])
def test_a_file_that_names_no_cluster_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    config = tmp_path / "bad.toml"
    config.write_bytes(text.encode("latin-1"))
    assert main(["status", "-c", str(config)]) == 2
    assert str(config) in capsys.readouterr().err


def test_a_mistake_in_the_file_does_not_hide_what_runs(
    api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody is editing it, or it is why he looks: of it only name and place of the cluster are wanted."""
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    state = f'state_dir = "{os.path.dirname(api.socket)}"'
    config = tmp_path / "shop.toml"
    config.write_text(f'x = 1\n[cluster] # ours\nname = "shop"\n{state}\n\n[pools.web]\ncommand = [\n')
    assert main(["status", "-c", str(config)]) == 0
    assert main(["up", "-c", str(config)]) == 2
    config.write_text(f'[cluster]\nname = "shop\n{state}\n')
    assert main(["status", "-c", str(config)]) == 2
    assert "not TOML" in capsys.readouterr().err


def test_a_named_file_that_is_not_there_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "-c", "/no/such.toml"]) == 2
    assert "no such file: /no/such.toml" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["status", "up", "down", "top"])
def test_a_path_that_no_socket_can_have_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    config = tmp_path / "deep.toml"
    config.write_text(f'[cluster]\nname = "x"\nstate_dir = "{"d" * 100}"\n')
    assert main([verb, "-c", str(config)]) == 2
    assert "107" in capsys.readouterr().err
    assert main(["status", "--socket", f"/tmp/{'s' * 103}"]) == 2


def test_the_quick_verbs_import_nothing_heavy(api: FakeApi) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    for words in (["status", "--json"], ["status"]):
        code = (
            "import sys; from dashboard.cli import main; code = main(sys.argv[1:]); "
            f"print(sorted({HEAVY} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--socket", api.socket], capture_output=True, text=True, check=True
        )
        assert done.stderr == "[]\n"


def test_a_reader_who_has_enough_is_no_error(api: FakeApi) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "dashboard", "status", "--socket", api.socket],
        stdout=write, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_status_before_a_verb_that_reads_json(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    assert '"revision": 1' in run("status", "--json").out


def test_a_terminal_without_utf8_gets_question_marks_and_no_traceback(api: FakeApi) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    done = subprocess.run(
        [sys.executable, "-m", "dashboard", "status", "--socket", api.socket],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_interrupt_while_following_says_that_the_operation_goes_on(api: FakeApi) -> None:
    api.on("PATCH /v1/pools/web", as_json(operation(), 202))
    waiting = threading.Event()

    def asked(_: Asked) -> Reply:
        waiting.set()
        return as_json(operation())

    api.on("GET /v1/operations/op-7", asked)
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "scale", "web=4", "--socket", api.socket],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert waiting.wait(10)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "op-7 (scale web=4) goes on" in err


def test_a_socket_that_is_not_ours_is_exit_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root, as whom tests may run, is never refused.
    monkeypatch.setattr("socket.socket.connect", refuse)
    assert main(["status", "--socket", f"{tmp_path}/x.sock"]) == 5


def test_following_events_without_old_ones_starts_at_the_end(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/events", lines(event(4)), refused(500, "gone", "enough"))
    assert run("events", "-f", "--lines", "0").out == ""
    assert api.asked[1].path == "/v1/events?after=4&follow=1"
