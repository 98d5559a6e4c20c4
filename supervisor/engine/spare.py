"""Memory that the keeper holds for its engines: what no disk takes outlives the engine's death in it."""

import os
from collections.abc import Mapping

HEAD = 42
"""Bytes of the first line: where the content begins and ends, which is how a change becomes one at once."""


class Spare:
    """One memfd (memfd_create(2)) of the keeper's, or none. It fails nobody: what cannot be held is not held."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._begin, self._end = self._found()

    @classmethod
    def named(cls, name: str, environ: Mapping[str, str]) -> "Spare":
        """The one whose descriptor the keeper names in our environment; an older keeper names none."""
        fd = environ.get(name, "")
        if not fd.isdigit():
            return cls(None)
        os.set_inheritable(int(fd), False)
        return cls(int(fd))

    def _found(self) -> tuple[int, int]:
        if self._fd is None:
            return HEAD, HEAD
        head = os.pread(self._fd, HEAD, 0).split()
        return (int(head[0]), int(head[1])) if len(head) == 2 else (HEAD, HEAD)

    @property
    def size(self) -> int:
        return self._end - self._begin

    def read(self) -> bytes:
        """All that is held; empty where nothing was since the keeper began."""
        return b"" if self._fd is None or not self.size else os.pread(self._fd, self.size, self._begin)

    def put(self, data: bytes) -> bool:
        """Hold this in the place of all that was held. A kill on the way leaves one or the other."""
        return self._write(data, HEAD if HEAD + len(data) <= self._begin else self._end, anew=True)

    def add(self, data: bytes) -> bool:
        """Hold this too."""
        return self._write(data, self._end, anew=False)

    def clear(self) -> None:
        self._begin = self._end = HEAD
        if self._fd is not None:
            os.ftruncate(self._fd, 0)

    def _write(self, data: bytes, at: int, anew: bool) -> bool:
        if self._fd is None:
            return False
        begin, end = at if anew else self._begin, at + len(data)
        try:
            whole = os.pwrite(self._fd, data, at) == len(data)
            if not whole or os.pwrite(self._fd, b"%020d %020d\n" % (begin, end), 0) < HEAD:
                raise OSError
        except OSError:
            # Nothing is better than what is no longer true.
            self.clear()
            return False
        self._begin, self._end = begin, end
        return True
