"""The keeper's loop: descriptors, signals and a few timers, on one thread that never waits for anything else."""

import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable

Callback = Callable[[], None]
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)


class Loop:
    """Runs callbacks one after the other; one that fails is logged, and the loop goes on."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._timers: dict[str, tuple[float, Callback]] = {}
        self._running = False
        self._wake, self._wake_write = socket.socketpair()
        self._wake.setblocking(False)
        self._wake_write.setblocking(False)

    def catch(self, on_signal: Callable[[int], None]) -> None:
        """From here on the signals of SIGNALS arrive as calls inside the loop."""
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            # Python writes to the wake-up socket only for signals that have a handler.
            signal.signal(number, lambda *_: None)

        def woken() -> None:
            for number in sorted(set(self._wake.recv(4096)), key=lambda n: n != signal.SIGCHLD):
                on_signal(number)

        self.watch(self._wake.fileno(), woken)

    def watch(self, fd: int, read: Callback | None, write: Callback | None = None) -> None:
        """Calls `read` or `write` whenever the descriptor is ready; replaces what was watched."""
        events = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
        if fd in self._selector.get_map():
            self._selector.modify(fd, events, (read, write))
        else:
            self._selector.register(fd, events, (read, write))

    def forget(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def after(self, name: str, seconds: float, callback: Callback) -> None:
        """One timer for each name; a later one replaces it."""
        self._timers[name] = (time.monotonic() + seconds, callback)

    def due_within(self, name: str, seconds: float) -> bool:
        """Whether a timer of that name runs and is to fire by then."""
        return name in self._timers and self._timers[name][0] - time.monotonic() < seconds

    def waits(self, name: str) -> bool:
        """Whether a timer of that name is running."""
        return name in self._timers

    def cancel(self, name: str) -> None:
        self._timers.pop(name, None)

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        self._running = True
        while self._running:
            due = min((when for when, _ in self._timers.values()), default=None)
            timeout = None if due is None else max(0.0, due - time.monotonic())
            for key, events in self._selector.select(timeout):
                # An earlier callback of this turn may have closed it, and the number may be another's by now.
                if self._selector.get_map().get(key.fd) is not key:
                    continue
                read, write = key.data
                if read and events & selectors.EVENT_READ:
                    self.call(read)
                elif write and events & selectors.EVENT_WRITE:
                    self.call(write)
            self._fire()

    def _fire(self) -> None:
        now = time.monotonic()
        for name, (when, callback) in list(self._timers.items()):
            if when <= now and self._timers.get(name) == (when, callback):
                del self._timers[name]
                self.call(callback)

    def call(self, callback: Callback) -> None:
        """Run it; what it stumbles over is logged, and whatever else waits has its turn all the same."""
        try:
            callback()
        except Exception:
            self._log("a fault of the keeper itself, which goes on:\n" + traceback.format_exc(limit=8))
