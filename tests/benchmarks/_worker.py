"""The worker that benchmarks start: a C program that tells when it began, and the FIFO in which that is read."""

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Arrival(NamedTuple):
    at: float
    """Monotonic seconds at the first line of its main."""
    pid: int


class Arrivals:
    """Hears of every worker that begins, through a FIFO: its lines are whole, and 64 KiB of them wait unread."""

    def __init__(self, program: str, path: str) -> None:
        self.program = program
        self.path = path
        os.mkfifo(path)
        # Also for writing, so that it never ends.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    @property
    def argv(self) -> list[str]:
        return [self.program, self.path]

    def wait(self, count: int, seconds: float) -> list[Arrival]:
        """The next `count` of them; fewer when time runs out."""
        found: list[Arrival] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and (left := deadline - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                *lines, self._rest = (self._rest + os.read(self._fd, 65_536)).split(b"\n")
                found += [Arrival(int(at) / 1e9, int(pid)) for at, pid in map(bytes.split, lines)]
        return found

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._fd, 65_536):
                pass

    def close(self) -> None:
        os.close(self._fd)


@contextlib.contextmanager
def arrivals() -> Iterator[Arrivals]:
    """Builds the worker; ends the program where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        sys.exit("no C compiler is here, and the workers of this benchmark are a C program")
    with tempfile.TemporaryDirectory(prefix="clusterctl-bench-") as place:
        program = f"{place}/worker"
        # Without libraries to load, its main begins when its exec is done.
        command = [compiler, "-O2", "-static", "-o", program, str(Path(__file__).with_name("worker.c"))]
        subprocess.run(command, check=True)
        heard = Arrivals(program, f"{place}/arrivals")
        try:
            yield heard
        finally:
            heard.close()
