"""Wakes who waits for something to be written to a file, by inotify, so that nobody has to look and look again.

One inotify instance serves all who wait on a loop (a user has 128 of them, and other programs want some), and is
there only while somebody waits. Where there is none, or for a file that is not there yet, waiting takes a pause.
"""

import asyncio
import errno
import os
import struct
from collections.abc import Callable, Iterable
from typing import ClassVar

TOGETHER = 0.1
"""Seconds in which writes are gathered: a busy log wakes us ten times a second and not a thousand times."""
BLIND = 0.2
"""Seconds to wait where the system does not tell."""
NET = 0.5
"""Seconds to wait at most: who waits has more to look at than what is written."""

_MODIFY, _MOVE_SELF, _IGNORED, _OVERFLOW = 0x2, 0x800, 0x8000, 0x4000
_EVENT = struct.Struct("iIII")


class Writes:
    """What one follower waits for: a write to any of the files that it has named last."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._watched: dict[str, int] = {}
        self._blind = False
        try:
            self._kernel: _Kernel | None = _Kernel.of(asyncio.get_running_loop())
            self._kernel.users += 1
        except OSError:
            self._kernel = None

    def watch(self, paths: Iterable[str]) -> None:
        """Wait for these from now on. To be called before they are read, so that no write falls in between.

        A file that was replaced since is found again: its path is looked up each time.
        """
        if self._kernel is None:
            return
        before, self._watched, self._blind = self._watched, {}, False
        for path in paths:
            try:
                self._watched[path] = self._kernel.add(path, self._heard.set)
            except OSError:
                self._blind = True
        for watch in set(before.values()) - set(self._watched.values()):
            self._kernel.drop(watch, self._heard.set)

    async def wait(self) -> None:
        """Until something was written since `watch`, or it is time to look all the same."""
        try:
            async with asyncio.timeout(BLIND if self._blind or self._kernel is None else NET):
                await self._heard.wait()
        except TimeoutError:
            return
        self._heard.clear()

    def close(self) -> None:
        if self._kernel is not None:
            self.watch(())
            self._kernel.users -= 1
            if not self._kernel.users:
                self._kernel.close()
            self._kernel = None


class _Kernel:
    """One inotify instance. Raises OSError where the system has none, or no more."""

    _all: ClassVar[dict[asyncio.AbstractEventLoop, "_Kernel"]] = {}

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "_Kernel":
        if loop not in cls._all:
            cls._all[loop] = cls(loop)
        return cls._all[loop]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        import ctypes  # 4 ms, and only when a log is followed

        self._library = ctypes.CDLL(None, use_errno=True)
        self._errno = ctypes.get_errno
        if not hasattr(self._library, "inotify_init1"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._loop = loop
        self.users = 0
        self._told: dict[int, set[Callable[[], None]]] = {}
        self._resting: asyncio.TimerHandle | None = None
        self._fd = self._checked(self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        loop.add_reader(self._fd, self._hear)

    def _checked(self, result: int) -> int:
        if result < 0:
            raise OSError(self._errno(), os.strerror(self._errno()))
        return result

    def add(self, path: str, tell: Callable[[], None]) -> int:
        """The number of the watch, which is that of the file: the same for all who wait for it."""
        found = self._checked(self._library.inotify_add_watch(self._fd, os.fsencode(path), _MODIFY | _MOVE_SELF))
        self._told.setdefault(found, set()).add(tell)
        return found

    def drop(self, watch: int, tell: Callable[[], None]) -> None:
        told = self._told.get(watch, set())
        told.discard(tell)
        if not told and self._told.pop(watch, None) is not None:
            self._library.inotify_rm_watch(self._fd, watch)

    def _hear(self) -> None:
        try:
            heard = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return
        at = 0
        while at < len(heard):
            watch, what, _, name = _EVENT.unpack_from(heard, at)
            at += _EVENT.size + name
            for told in list(self._told.values()) if what & _OVERFLOW else [self._told.get(watch, set())]:
                for tell in told:
                    tell()
            if what & _IGNORED:  # the file is gone, and its number with it
                self._told.pop(watch, None)
        self._loop.remove_reader(self._fd)
        self._resting = self._loop.call_later(TOGETHER, self._loop.add_reader, self._fd, self._hear)

    def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        del self._all[self._loop]
