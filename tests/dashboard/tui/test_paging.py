"""The terminal lent to a pager, in a terminal."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.dashboard.fake_api import FakeApi, as_json
from tests.dashboard.pictures import picture, plain
from tests.whole.test_demo_screen import read_until

pytestmark = pytest.mark.real

PAGER = """\
import os, signal, sys, time
def end(*_):
    os.write(1, b"PAGER" + b"-ENDED")  # print() may be at work when the signal comes
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("PAGER" + "-READS", open(sys.argv[1]).readline(), flush=True)
while True: time.sleep(60)
"""


def test_what_ends_the_screen_ends_the_pager_that_it_waits_for(api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "pager.py").write_text(PAGER)
    api.on("GET /v1/snapshot", as_json(plain(picture())))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "top", "--socket", api.socket],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "PAGER": f"{sys.executable} {tmp_path / 'pager.py'}"},
    )  # fmt: skip
    try:
        read_until(ours, b"web.0")
        os.write(ours, b"?")
        read_until(ours, b"Pager")
        os.write(ours, b"o")
        read_until(ours, b"PAGER-READS")
        process.send_signal(signal.SIGTERM)
        read_until(ours, b"PAGER-ENDED")
        deadline = time.monotonic() + 20
        while process.poll() is None:
            # A terminal that nobody reads would hold the screen up at its last words.
            assert time.monotonic() < deadline
            if select.select([ours], [], [], 0.05)[0]:
                os.read(ours, 65536)
        assert process.returncode == 128 + signal.SIGTERM
        assert termios.tcgetattr(theirs) == before
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
        os.close(theirs)
