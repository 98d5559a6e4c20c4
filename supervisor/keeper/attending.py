"""The engine as the keeper's one ward: started, spoken to, and started again when it dies."""

import os
import signal
import socket
import time
from collections.abc import Callable

from supervisor.keeper import limits, spawning
from supervisor.keeper.channel import Channel
from supervisor.keeper.claiming import complain, rotate, size, tail
from supervisor.keeper.loop import Loop
from supervisor.keeper.protocol import Message
from supervisor.keeper.straggling import kill_group, send


class Engine:
    """Runs ARGV with `CLUSTERCTL_KEEPER_FD` and `CLUSTERCTL_API_FD`; restarts it at once, then ever more slowly."""

    def __init__(
        self,
        loop: Loop,
        argv: list[str],
        log_path: str,
        api_fd: int,
        hear: Callable[[Message], None],
        soft_nofile: int,
    ) -> None:
        self._loop = loop
        self._argv = argv
        self._log_path = log_path
        self.api_fd = api_fd
        self._hear = hear
        self._soft_nofile = soft_nofile
        self._spares = spares()
        self._started = 0.0
        self._log_from = 0
        """Byte of its log at which its own words begin."""
        self._delay = 0.0
        self._report = b""
        self._fallback: str | None = None
        """The interpreter to go back to, until the one that succeeded it is up."""
        self._came_up = False
        """It served in this life."""
        self.heard = 0.0
        """When it gave its last sign of life; 0: it has not yet."""
        self.pid: int | None = None
        self.channel: Channel | None = None
        self.attentive = False
        """It asked `held`, so that from here on it hears everything."""
        self.leaving = False
        """It said `shutdown`, and may close what it likes."""
        self.deaths = 0
        self.why = ""
        """How the last one ended."""
        self.on_start: Callable[[int], None] = lambda pid: None
        self.log: Callable[[str], None] = lambda text: None

    def start(self) -> None:
        """Starts it now; if even that is impossible, that counts as a death."""
        self._loop.cancel("engine")
        if self.pid is not None:
            return
        self.attentive = False
        self.heard = 0.0
        self._came_up = False
        self._started = time.monotonic()
        try:
            rotate(self._log_path, limits.ENGINE_LOG)
            self._log_from = size(self._log_path)
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._later(f"no engine: {error.strerror}")
            return
        try:
            forked = spawning.fork(self._order(theirs.fileno()))
        except spawning.Cannot as error:
            ours.close()
            self._later(f"no engine: {error}")
            return
        finally:
            theirs.close()
        self.pid, self._report = forked.pid, b""
        self.channel = Channel(self._loop, ours, self._hear, self._broken)
        self._loop.watch(forked.report, lambda: self._read_report(forked.report))
        self.on_start(forked.pid)

    def _order(self, keeper_fd: int) -> spawning.Order:
        # What a manager told us about ourselves is not for the engine; a worker's serial is not its own either.
        ours = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID")
        env = {key: value for key, value in os.environ.items() if key not in ours}
        env |= {"CLUSTERCTL_KEEPER_FD": "3", "CLUSTERCTL_API_FD": "4"}
        env |= {name: str(number) for number, name in enumerate(self._spares, 5)}
        return spawning.Order(
            argv=self._argv,
            cwd=".",
            env=env,
            log=self._log_path,
            fds=[keeper_fd, self.api_fd, *self._spares.values()],
            listen=[],
            soft_nofile=self._soft_nofile,
        )

    def tell(self, message: Message, *, chatty: bool = False) -> None:
        if self.channel:
            self.channel.tell(message, chatty=chatty)

    def kill(self) -> None:
        if self.pid is not None and not kill_group(self.pid):
            send(self.pid, signal.SIGKILL)

    def succeed(self, python: str) -> None:
        """The next life is run by another interpreter; ours is tried again if that never comes up."""
        self._fallback, self._argv[0] = self._argv[0], python

    def came_up(self) -> None:
        self._came_up = True
        self._fallback = None

    @property
    def silent(self) -> bool:
        """It runs, and gave no sign of life for so long that it must hang; its start may take as long again."""
        since = max(self.heard, self._started + limits.ENGINE_SILENT)
        return self.pid is not None and time.monotonic() - since > limits.ENGINE_SILENT

    @property
    def missing(self) -> bool:
        """It does not run, and nobody is about to start it."""
        return self.pid is None and not self._loop.waits("engine")

    def died(self, how: str) -> None:
        """Its pid is reaped; the caller decides whether `again` follows."""
        self.pid = None
        self.attentive = False
        self.deaths += 1
        self.why = how
        if self.channel:
            self.channel.close()
            self.channel = None

    def lament(self) -> None:
        """It never came up, and will not: to our log, and to whoever started us and sees no log, with its words."""
        why = f"engine: {self.why} before it ever came up; the keeper ends"
        self.log(why)
        complain(why, *tail(self._log_path, self._log_from, limits.LAST_WORDS))

    def again(self, at_once: bool = False) -> None:
        if self._fallback is not None and not at_once:
            self.log(f"engine: {self._argv[0]} does not run it; going back to {self._fallback}")
            self._argv[0], self._fallback = self._fallback, None
        if at_once or time.monotonic() - self._started > limits.BACKOFF_FORGET:
            self._delay = 0.0
        # One that serves until something kills it is worth more haste than one that never comes to serve.
        delay = min(self._delay, limits.BACKOFF_UP) if self._came_up else self._delay
        self._delay = min(max(2 * delay, limits.BACKOFF_FIRST), limits.BACKOFF_LAST)
        self.log(f"engine: {self.why}; starting it again " + (f"in {delay:g} s" if delay else "now"))
        self._loop.after("engine", delay, self.start)

    def _later(self, why: str) -> None:
        self.died(why)
        self.again()

    def _broken(self, why: str) -> None:
        # Without its channel it can neither ask nor hear: its successor can.
        if self.pid is not None:
            # One that is ending anyway closes it too: it gets a moment.
            self._loop.after("engine-deaf", 1.0, lambda: self._kill_deaf(why))

    def _kill_deaf(self, why: str) -> None:
        if self.pid is not None and self.channel and not self.channel.open and not self.leaving:
            self.log(f"engine: channel lost: {why}; killing it")
            self.kill()

    def _read_report(self, fd: int) -> None:
        data = os.read(fd, 65536)
        if data:
            self._report += data
            return
        self._loop.forget(fd)
        os.close(fd)
        report = spawning.read_report(self._report)
        if failed := report.failed or report.unlogged:
            self.log(f"engine: {failed}")


def spares() -> dict[str, int]:
    """Memory in which an engine leaves to the next what no disk would take (memfd_create(2), Linux)."""
    names = ("CLUSTERCTL_JOURNAL_FD", "CLUSTERCTL_EVENTS_FD")
    try:
        return {name: os.memfd_create(name.lower()) for name in names}
    except (AttributeError, OSError):
        return {}
