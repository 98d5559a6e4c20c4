"""`up` and `down` with a stand-in for the keeper: what is told, and with which exit code."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard import starting
from dashboard.cli import main
from dashboard.finding import place
from dashboard.starting import hopeless, start_detached
from tests.dashboard.conftest import Run
from tests.dashboard.fake_api import FakeApi, as_json, operation
from tests.dashboard.pictures import last_exit, picture, plain, worker

pytestmark = pytest.mark.real

CONFIG = '[cluster]\nname = "shop"\nstate_dir = "{state}"\n[pools.jobs]\ncommand = ["sleep", "1"]\n'


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "shop.toml"
    path.write_text(CONFIG.format(state="s"))
    return str(path)


@pytest.fixture
def served(api: FakeApi, tmp_path: Path) -> str:
    """A configuration whose cluster is the stand-in."""
    path = tmp_path / "served.toml"
    path.write_text(CONFIG.format(state=os.path.dirname(api.socket)))
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    return str(path)


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Python code to run in the keeper's stead, in which READY is the descriptor; ended afterwards."""
    code, pids = tmp_path / "keeper.py", tmp_path / "pids"

    def command(where: object, ready_fd: int | None, ending: bool) -> list[str]:
        head = f"import os, sys, time; READY = {ready_fd}; open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        return [sys.executable, "-c", head + code.read_text()]

    monkeypatch.setattr(starting, "keeper_command", command)
    yield code
    for pid in pids.read_text().split() if pids.exists() else ():
        try:
            os.kill(int(pid), signal.SIGKILL)
            os.waitpid(int(pid), 0)
        except (ProcessLookupError, ChildProcessError):
            pass


# What a verb starts in the background is not waited for: it outlives the verb, and here the test.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_up_detached_returns_once_the_keeper_says_ready(
    config: str, keeper: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keeper.write_text("os.write(READY, b'ready\\n'); time.sleep(60)")
    assert main(["up", "--detach", "-c", config]) == 0
    assert capfd.readouterr().out == f"cluster shop is up: socket {os.path.dirname(config)}/s/clusterctl.sock\n"


def test_a_keeper_that_ends_is_told_with_its_words(
    config: str, keeper: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keeper.write_text("print('held by another keeper, pid 7 \x1b[2J', file=sys.stderr); sys.exit(5)")
    assert main(["up", "--detach", "-c", config]) == 5
    assert "held by another keeper, pid 7 ␛[2J" in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_up_needs_no_room_in_tmp(config: str, keeper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.write_text("os.write(READY, b'ready\\n'); time.sleep(60)")
    said: list[str] = []
    with monkeypatch.context() as full:
        full.setattr("tempfile.tempdir", "/proc")
        assert start_detached(place(config, None), 10.0, said.append) == 0
    assert "is up" in said[0]


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_keeper_that_never_gets_ready_is_exit_6(
    config: str, keeper: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keeper.write_text("time.sleep(60)")
    assert main(["up", "--detach", "-c", config, "--timeout", "300ms"]) == 6
    assert "did not answer within 0.3 s" in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_an_interrupted_up_says_that_the_keeper_goes_on(
    config: str, keeper: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = starting._until_ready

    def interrupted(*words: Any) -> bytes:
        assert wait(*words)
        raise KeyboardInterrupt

    keeper.write_text("os.write(READY, b'ready\\n'); time.sleep(60)")
    monkeypatch.setattr(starting, "_until_ready", interrupted)
    assert main(["up", "--detach", "-c", config]) == 130
    assert "goes on starting shop" in capfd.readouterr().err


def test_up_of_what_is_up_already(served: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--detach", "-c", served]) == 0
    assert "already up" in capfd.readouterr().out
    assert main(["up", "-c", served]) == 5
    assert "already up" in capfd.readouterr().err


def test_up_with_a_bad_configuration_starts_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[cluster]\nname = "shop"\nstate_dir = "s"\n[pools.web]\ncomand = "x"\n')
    assert main(["up", "--detach", "-c", str(bad)]) == 2
    assert 'did you mean "command"?' in capfd.readouterr().err
    assert not (tmp_path / "s").exists()


def test_check_tells_fine_and_foul(config: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", config]) == 0
    assert "fine" in capfd.readouterr().out
    assert main(["check", str(tmp_path / "none.toml")]) == 2


def test_up_that_waits_reports_the_slot_that_was_given_up(served: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--detach", "--wait", "-c", served]) == 1
    assert "web.1 failed: exit code 1" in capfd.readouterr().err


def test_up_that_waits_in_vain_says_why(served: str, api: FakeApi, capfd: pytest.CaptureFixture[str]) -> None:
    snapshot = plain(picture((worker("web.0", phase="starting", why="no such file: srv"), worker("web.1"))))
    snapshot["pools"][0] |= {"ready": 1, "desired": 2}
    snapshot["proxies"][0] |= {"reachable": False, "why": "127.0.0.1:80 is in use"}
    api.on("GET /v1/snapshot", as_json(snapshot))
    assert main(["up", "--detach", "--wait", "--timeout", "0", "-c", served]) == 6
    err = capfd.readouterr().err
    assert "web.0: no such file: srv" in err
    assert "proxy lb: 127.0.0.1:80 is in use" in err
    assert "web.1" not in err


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"ran": False}, "web.0 cannot be started: no such program: srv"),
        ({"ran": True}, ""),
    ],
)
def test_what_cannot_even_be_started_is_hopeless_and_what_ended_by_itself_is_not(
    row: dict[str, object], told: str
) -> None:
    snapshot = plain(picture((worker("web.0", phase="backing-off", last_exit=last_exit("no such program: srv")),)))
    pool = snapshot["pools"][0]
    pool["workers"][0]["last_exit"] |= row
    assert [line.partition(";")[0] for line in hopeless(snapshot, [pool], 1.0)] == ([told] if told else [])


def test_only_a_proxy_of_our_own_and_a_shared_socket_become_hopeless_with_time() -> None:
    snapshot = plain(picture((worker("web.0", phase="starting"),)))
    pool, proxy = snapshot["pools"][0], snapshot["proxies"][0]
    proxy |= {"reachable": False, "why": "it cannot bind"}
    pool["why"] = "address already in use: 127.0.0.1:80"
    assert hopeless(snapshot, [pool], 1.0) == []
    assert [line.partition(":")[0] for line in hopeless(snapshot, [pool], 30.0)] == ["proxy lb", "web"]
    proxy["front"] = pool["why"] = None
    assert hopeless(snapshot, [pool], 30.0) == []


def test_down_waits_until_the_keeper_is_gone(api: FakeApi, run: Run) -> None:
    keeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    snapshot = plain(picture())
    snapshot["engine"]["keeper_pid"] = keeper.pid
    api.on("GET /v1/snapshot", as_json(snapshot))
    api.on("POST /v1/shutdown", as_json(operation(verb="down"), 202))
    api.on("GET /v1/operations/op-7", as_json(operation(verb="down", progress="web.0 still stops")))
    try:
        assert run("down", "--timeout", "200ms").code == 6
        keeper.kill()
        ran = run("down")
    finally:
        keeper.kill()
        keeper.wait()
    assert ran.code == 0
    assert "is down" in ran.out


def test_a_failed_down_is_exit_1(api: FakeApi, run: Run) -> None:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    snapshot = plain(picture())
    snapshot["engine"]["keeper_pid"] = os.getpid()
    api.on("GET /v1/snapshot", as_json(snapshot))
    api.on("POST /v1/shutdown", as_json(operation("failed", verb="down", why="no"), 202))
    api.on("GET /v1/operations/op-7", as_json(operation("failed", verb="down", why="no")))
    assert run("down").code == 1
