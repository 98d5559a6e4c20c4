"""`clusterctl demo` in a terminal: the first command of the README, with its screen."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time

import pytest

pytestmark = pytest.mark.real

START, END = 60.0, 40.0


def read_until(terminal: int, words: bytes) -> bytes:
    """What the terminal was sent, up to these words."""
    deadline, seen = time.monotonic() + START, b""
    while words not in seen:
        left = deadline - time.monotonic()
        assert left > 0, f"no {words!r} in {seen[-2000:]!r}"
        if select.select([terminal], [], [], left)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:  # EIO: the last one has closed the other end
                raise AssertionError(f"it ended: {seen[-2000:]!r}") from None
    return seen


def test_the_demo_shows_its_screen_and_q_ends_it_all() -> None:
    """The workers are on the screen; `q` gives the terminal back, exits 0, and leaves no file."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
    with tempfile.TemporaryDirectory(prefix="cd-", dir="/tmp") as base:
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard", "demo"],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TMPDIR": base, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(theirs)
        try:
            read_until(ours, b"web.2")
            os.write(ours, b"q")
            read_until(ours, b"\x1b[?1049l")
            deadline = time.monotonic() + END
            while process.poll() is None:
                assert time.monotonic() < deadline, "it does not end"
                # What it still says must be read, or it waits for us.
                if select.select([ours], [], [], 0.1)[0]:
                    try:
                        os.read(ours, 65536)
                    except OSError:
                        break
            assert process.wait(END) == 0
            assert os.listdir(base) == []
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(END)
            os.close(ours)
