"""A file written anew beside the old one, in a thread: a slow disk takes seconds for an fsync."""

import contextlib
import os
import threading
from pathlib import Path

from supervisor.host.logs import write_all


class Rewriting:
    """Atomic: a death on the way leaves the old file; so does a full disk, and no half of a new one."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._temporary = path.with_suffix(".new")
        self._data = data
        self._fd = -1
        self._error: OSError | None = None
        # Not waited for at the end of the process: what it writes is in nobody's way.
        self._thread = threading.Thread(target=self.run, name="rewriting", daemon=True)

    def start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError:
            self.run()  # no thread can be had

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self) -> None:
        if self.running:
            self._thread.join()

    def run(self) -> None:
        """All but the last step, up to the disk."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self._temporary, flags, 0o600)
            write_all(self._fd, self._data)
            os.fsync(self._fd)
        except OSError as error:
            self._error = error

    @property
    def size(self) -> int:
        """Bytes of it, without a tail."""
        return len(self._data)

    def finish(self, tail: bytes) -> int:
        """In the old one's place, with what came since at its end: its descriptor. Raises OSError."""
        try:
            if self._error is not None:
                raise self._error
            write_all(self._fd, tail)
            os.rename(self._temporary, self._path)
        except OSError:
            self.abandon()
            raise
        return self._fd

    def abandon(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)
