"""For all tests: no state outside their own directories, and no process left behind."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("here")

MARK = "CLUSTERCTL_TESTED_BY"
"""Inherited by every process that a test starts, however far it detaches itself."""

PATIENCE = 3.0


@pytest.fixture(scope="session", autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from, or written to, the home of whoever runs the tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs behind it (`make test &`) so, and what we start would be as deaf.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, str(os.getpid()))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        for name in (
            "CLUSTERCTL_CONFIG",
            "NO_COLOR",
            "FORCE_COLOR",
            "NOTIFY_SOCKET",
            "LISTEN_FDS",
            "COLUMNS",
            "LINES",
        ):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind(own_places: None) -> Iterator[None]:
    """Fails a module whose processes outlive it, and ends them."""
    yield
    deadline = time.monotonic() + PATIENCE
    while (left := marked()) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
    assert not left, "processes left behind: " + "; ".join(f"{pid} {name}" for pid, name in left.items())


def marked() -> dict[int, str]:
    """Processes that carry our mark, by pid, with what they are; empty where there is no /proc."""
    mark = f"{MARK}={os.getpid()}".encode()
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (directory / "environ").read_bytes().split(b"\0"):
                words = (directory / "cmdline").read_bytes().split(b"\0")
                found[int(directory.name)] = b" ".join(words)[:200].decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
    found.pop(os.getpid(), None)
    return found
