"""A terminal that counts: a pty of 120×40 with a program in it, what it writes, and when."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence

from tests.benchmarks._readings import cpu_ns, descendants

_ESCAPES = re.compile(
    rb"\x1b\[[0-9;?:<=>]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Za-z0-9]|\x1b[=>78]"
)


class Terminal:
    """Answers what a modern terminal is asked (synchronised output), and reads as fast as it can."""

    def __init__(
        self, argv: Sequence[str], columns: int = 120, lines: int = 40, env: dict[str, str] | None = None
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        known = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | known | (env or {}),
            start_new_session=True,
        )
        os.close(slave)
        self.tail = b""
        self.ended = False
        """Nobody has the terminal open any more."""

    @property
    def pids(self) -> list[int]:
        return [self.process.pid, *descendants(self.process.pid)]

    def pump(self, seconds: float, want: bytes | None = None) -> int:
        """Read for so long, or until these words have been written; the bytes that came."""
        got = 0
        until = time.perf_counter() + seconds
        while not self.ended and (left := until - time.perf_counter()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                break
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                self.ended = True
                break
            if b"\x1b[?2026$p" in data:
                os.write(self._master, b"\x1b[?2026;2$y")
            got += len(data)
            self.tail = (self.tail + data)[-(1 << 17) :]
            if want is not None and want in _ESCAPES.sub(b"", self.tail):
                break
        return got

    def until(self, want: bytes, seconds: float = 20.0) -> float:
        """Seconds from the start of the program until these words stand there."""
        self.pump(seconds, want)
        if want not in _ESCAPES.sub(b"", self.tail):
            raise RuntimeError(f"{want!r} was not painted within {seconds:g} s: {self.tail[-2000:]!r}")
        return time.perf_counter() - self.started

    def press(self, key: bytes) -> float | None:
        """Milliseconds from a key to the first byte after it; None where nothing is painted."""
        self.pump(0.01)
        begun = time.perf_counter()
        os.write(self._master, key)
        ready = select.select([self._master], [], [], 1.0)[0]
        took = (time.perf_counter() - begun) * 1e3
        self.pump(0.11)
        return took if ready else None

    def load(self, seconds: float) -> tuple[float, float]:
        """Percent of a core, all threads of all its processes, and kB a second to the terminal."""
        pids = self.pids
        before, begun = cpu_ns(pids), time.perf_counter()
        got = self.pump_for(seconds)
        took = time.perf_counter() - begun
        return (cpu_ns(pids) - before) / took / 1e7, got / took / 1e3

    def pump_for(self, seconds: float) -> int:
        """As `pump`; raises RuntimeError where the program has ended meanwhile."""
        got, until = 0, time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            got += self.pump(left)
            if self.ended:
                raise RuntimeError(f"it ended: {_ESCAPES.sub(b'', self.tail)[-300:].decode('utf-8', 'replace')!r}")
        return got

    def rss_mb(self) -> float:
        total = 0
        for pid in self.pids:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return total / 1e6

    def close(self, leave: bytes) -> None:
        try:
            with contextlib.suppress(OSError):
                os.write(self._master, leave)
            self.pump(0.5)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
        finally:  # also where we are interrupted meanwhile
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            os.close(self._master)


@contextlib.contextmanager
def terminal(argv: Sequence[str], leave: bytes = b"q", env: dict[str, str] | None = None) -> Iterator[Terminal]:
    one = Terminal(argv, env=env)
    try:
        yield one
    finally:
        one.close(leave)
