"""Standard streams as shells leave them: closed, full, with nobody at the other end; a directory that is gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.dashboard.fake_api import FakeApi, as_json, operation
from tests.dashboard.pictures import picture, plain
from tests.dashboard.test_reading import lines

pytestmark = pytest.mark.real

CLUSTERCTL = f"{sys.executable} -m dashboard"


def shell(line: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, cwd=cwd)


@pytest.fixture
def serving(api: FakeApi) -> FakeApi:
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    api.on("GET /v1/events", lines())
    api.on("PATCH /v1/pools/web", as_json(operation(phase="done"), 202))
    return api


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["status", "status --json", "scale web=4", "top --batch -n 1", "--help"])
def test_a_stream_that_is_closed_is_as_one_that_leads_nowhere(serving: FakeApi, words: str, closed: str) -> None:
    """What has been done is not said to have failed because nobody wanted to hear of it."""
    socket = "" if words == "--help" else f"--socket {serving.socket}"
    ran = shell(f"{CLUSTERCTL} {words} {socket} {closed}")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert bool(ran.stdout) is (">&-" not in closed.replace("2>&-", ""))


def test_nothing_that_is_opened_gets_the_number_of_a_closed_stream(serving: FakeApi) -> None:
    """A child that prints would write into a socket, or into a state file."""
    code = (
        "import os; from dashboard.printing import open_streams; open_streams(); "
        "assert os.open('/dev/zero', 0) > 2; assert all(os.get_inheritable(n) for n in (0, 1, 2)); print('fine')"
    )
    assert shell(f'{sys.executable} -c "{code}" <&- >&- 2>&-').returncode == 0


@pytest.mark.parametrize("words", ["status", "status --json", "scale web=4", "top --batch -n 1"])
def test_a_result_that_no_disk_takes_is_said_in_words(serving: FakeApi, words: str) -> None:
    ran = shell(f"{CLUSTERCTL} {words} --socket {serving.socket} >/dev/full")
    assert ran.returncode == 1
    assert ran.stderr == f"clusterctl: {words.split()[0]}: no space left on device\n"


def test_a_directory_that_is_gone_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    ran = shell(f"rmdir ../here; {CLUSTERCTL} status --socket x.sock", cwd=tmp_path / "here")
    assert (ran.returncode, ran.stderr) == (1, "clusterctl: status: no such file or directory\n")
