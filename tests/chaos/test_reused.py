"""A stranger with the pid of what has died is never adopted, never signalled, and never taken for it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.real


def test_strangers_with_the_pids_of_what_died_are_left_alone() -> None:
    space = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    done = subprocess.run(
        [*space, sys.executable, "-m", "tests.chaos.reused"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as it should be") == 3
