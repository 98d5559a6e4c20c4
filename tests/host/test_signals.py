"""Which signals a program handles."""

import os
import signal
from pathlib import Path

import pytest

from supervisor.host.signals import handles


def test_a_signal_with_a_handler_is_handled_and_one_without_is_not() -> None:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        assert handles(os.getpid(), "USR2") is True
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert handles(os.getpid(), "USR2") is False


@pytest.mark.parametrize(("pid", "name"), [(2**22 + 1, "TERM"), (1, "NONSENSE")])
def test_what_cannot_be_told_is_none(pid: int, name: str) -> None:
    assert handles(pid, name) is None


def test_the_mask_is_read_from_the_file_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/status").write_text("Name:\tx\nSigCgt:\t0000000000004002\n")
    assert handles(7, "TERM", str(tmp_path)) is True
    assert handles(7, "INT", str(tmp_path)) is True
    assert handles(7, "HUP", str(tmp_path)) is False
