"""`python -m supervisor.settings`: exit codes, words and JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

HERE = Path(__file__).parent


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supervisor.settings", *arguments], capture_output=True, text=True, timeout=30
    )


def test_a_valid_file_is_fine_in_one_line() -> None:
    file = str(HERE / "valid" / "contract.toml")
    done = check(file)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: fine: 2 pools, 5 workers, 2 proxies\n", "")


def test_every_problem_is_a_line_on_stderr_with_the_file_s_name() -> None:
    file = str(HERE / "invalid" / "unknown_keys.toml")
    done = check(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 7
    assert all(line.startswith(f"{file}: line ") for line in done.stderr.splitlines())


def test_json_holds_the_whole_spec_defaults_included() -> None:
    said = json.loads(check(str(HERE / "valid" / "contract.toml"), "--json").stdout)
    assert said["ok"] is True
    assert said["state_dir"] == said["spec"]["state_dir"]
    assert said["spec"]["pools"][1]["stop"] == {"signal": "TERM", "timeout": 30.0}


def test_json_holds_every_problem() -> None:
    done = check(str(HERE / "invalid" / "shell.toml"), "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["ok"], len(said["problems"])) == (2, False, 9)
    assert said["problems"][0]["path"] == "pools.a.command"
    assert said["problems"][0]["line"] == 4


def test_without_a_file_it_says_how_it_is_used() -> None:
    assert check().returncode == 2
