"""The keeper as a whole: what the engine asks, what signals mean, and how it all ends."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

from supervisor.keeper import identity, limits, straggling
from supervisor.keeper.attending import Engine
from supervisor.keeper.claiming import Refused, aloud, holder, renew
from supervisor.keeper.holding import Holder, signal_name
from supervisor.keeper.loop import Loop
from supervisor.keeper.notify import NotifySocket, announce, watchdog
from supervisor.keeper.oom import OomWatch
from supervisor.keeper.protocol import Message
from supervisor.keeper.records import Register
from supervisor.keeper.sockets import CannotListen, Listeners, bind_unix, take_back


class Keeper:
    """Wires the parts, routes messages and signals, and knows in which way it is ending."""

    def __init__(
        self,
        directory: str,
        lock: int,
        argv: list[str],
        register: Register,
        log: Callable[[str], None],
        soft_nofile: int,
        ready: Callable[[], None],
    ) -> None:
        self._directory = directory
        self.lock = lock
        self._register = register
        self._log = log
        self._ready = ready
        self._manager = os.environ.get("NOTIFY_SOCKET")
        self._patience = watchdog(os.environ)
        self._terminating = 0
        self._reload_owed = False
        """It was asked for while no engine was there to hear it."""
        self._ending: str | None = None
        """`kill` or `keep` once the end was asked for."""
        self._ever_up = False
        self._displaced = False
        """Another keeper has the directory: nothing in it is ours any more."""
        self._last_life = False
        """The engine died while taking everything down; it gets one more try."""
        self._compact_later = False
        self._exit_code = 0
        self._loop = Loop(log)
        self._listeners = Listeners()
        self._oom = OomWatch()
        notify_path = os.path.join(directory, "notify.sock")
        self._holder = Holder(self._loop, register, self._listeners, self._tell, notify_path, soft_nofile)
        self._api = bind_unix(os.path.join(directory, "clusterctl.sock"), socket.SOCK_STREAM, limits.API_BACKLOG)
        self._notify = NotifySocket(notify_path, self._notified)
        self._loop.watch(self._notify.fileno(), self._notify.read)
        self._holder.on_adopted_end = self._perhaps_done
        self._engine = Engine(
            self._loop,
            argv,
            os.path.join(directory, "engine.log"),
            self._api.fileno(),
            self._heard,
            soft_nofile,
        )
        self._engine.log = log
        self._engine.on_start = lambda pid: self._register.engine_began(pid, identity.start_ticks(pid))

    def run(self) -> int:
        """Until the end was asked for; the exit code."""
        self._end_old_engine()
        self._holder.adopt()
        self._take_sockets_back()
        self._register.compact()
        self._loop.catch(self._signalled)
        self._engine.start()
        self._watch()
        self._loop.run()
        self._tidy()
        return self._exit_code

    def _end_old_engine(self) -> None:
        """An engine whose keeper was killed ends by itself, unless it hangs; two must never decide at once."""
        pid, ticks = self._register.engine.get("engine", 0), self._register.engine.get("start_ticks", 0)
        if pid and ticks and identity.start_ticks(pid) == ticks:
            straggling.kill_group(pid)

    def _take_sockets_back(self) -> None:
        pids = [worker.pid for worker in self._holder.by_serial.values()]
        for name, record in list(self._register.listening.items()):
            if end := take_back(record.get("inode", 0), pids):
                self._listeners.hold(name, record["address"], end)
            else:
                # The engine asks for it again, and then hears why if it cannot be had.
                self._register.listening.pop(name)
                self._log(f"listening socket {name}: no worker has it any more; it is bound anew when asked for")

    def _watch(self) -> None:
        """A hung engine is replaced; our own manager is told that all is well only while the engine is.

        A net, too, under what must not happen: a death that no signal told of, and no engine at all.
        """
        # Before anything that could fail: the net itself must not be lost.
        self._loop.after("watch", min(5.0, self._patience / 3 or 5.0), self._watch)
        self._reap()
        self._sweep()
        self._oom.look()
        if self._engine.missing and self._ending is None:
            self._log("engine: there is none, and nobody was about to start it; starting it")
            self._engine.start()
        if self._engine.silent:
            self._log(f"engine: no sign of life for {limits.ENGINE_SILENT:g} s; killing it")
            self._engine.kill()
        if self._patience and time.monotonic() - self._engine.heard < self._patience:
            announce(self._manager, "WATCHDOG=1")
        if self._ending is None and self._renew_directory():
            self._renew_sockets()

    def _renew_directory(self) -> bool:
        """The state directory, if somebody removed it, is made again and locked; False if that is not possible."""
        try:
            lock = renew(self._directory, self.lock)
        except Refused as refused:
            self._log(f"the state directory was removed: {refused}")
            if refused.exit_code == 5:
                self._displaced = True
                self._engine.kill()
                self._holder.hand_over(identity.start_ticks(holder(self._directory)))
                self._end("keep")
            return False
        if lock != self.lock:
            self.lock = lock
            self._register.dirty = True
            self._compact_if_needed()
            self._log(f"{self._directory} was removed; it is there again, without what the engine had written")
        return True

    def _renew_sockets(self) -> None:
        """Sockets that somebody removed, a cleaner of /tmp perhaps, are made again; nobody could reach us else."""
        api, notify = (os.path.join(self._directory, name) for name in ("clusterctl.sock", "notify.sock"))
        try:
            if not os.path.exists(notify):
                again = NotifySocket(notify, self._notified)
                self._loop.forget(self._notify.fileno())
                self._notify.close()
                self._notify = again
                self._loop.watch(self._notify.fileno(), self._notify.read)
                self._log(f"{notify} was removed; it is there again")
            if not os.path.exists(api):
                new = bind_unix(api, socket.SOCK_STREAM, limits.API_BACKLOG)
                self._api.close()
                self._api, self._engine.api_fd = new, new.fileno()
                self._log(f"{api} was removed; it is there again, and the engine starts anew to serve it")
                self._engine.kill()
        except OSError as error:
            self._log(f"{self._directory}: a socket was removed, and cannot be made again: {error}")

    # What the engine asks.

    def _heard(self, message: Message) -> None:
        match message:
            case {"type": "spawn"} if self._ending is None:
                self._holder.spawn(message)
            case {"type": "signal", "serial": int(serial), "signal": str(name)}:
                self._holder.signal(serial, name, bool(message.get("group", True)))
            case {"type": "ack", "number": int(number)}:
                self._register.acknowledged(number)
            case {"type": "held"}:
                self._tell_held()
            case {"type": "listen", "name": str(name), "address": str(address)}:
                self._listen(name, address, message.get("request"))
            case {"type": "unlisten", "name": str(name)}:
                self._register.listens_no_more(name)
                self._listeners.unlisten(name)
            case {"type": "up"}:
                self._up()
            case {"type": "alive"}:
                self._engine.heard = time.monotonic()
                if self._loop.due_within("watch", 1.0):
                    self._watch()  # now that we are awake
            case {"type": "succeed", "python": str(python)}:
                self._engine.succeed(python)
            case {"type": "shutdown"}:
                self._end("keep" if message.get("keep_workers") else "kill")
            case _:
                self._log(f"engine asked what this keeper does not know: {str(message)[:200]}; ignored")
        self._compact_if_needed()

    def _tell_held(self, tries: int = 100) -> None:
        if not self._holder.settled and tries:
            # An earlier engine's launch is about to be a process, or not: the answer is to be final.
            self._loop.after("held", 0.01, lambda: self._tell_held(tries - 1))
            return
        self._engine.attentive = True
        for told in self._register.exits.values():
            self._engine.tell(told)
        for worker in self._holder.by_serial.values():
            if worker.fields:
                self._engine.tell(_notified(worker.serial, worker.pid, worker.fields))
        # Last, so that whoever has this answer has heard all that happened before.
        self._engine.tell({"type": "Held", "workers": self._holder.held(), "listening": self._listeners.names()})
        if self._terminating:
            self._engine.tell({"type": "Terminate"})
        if self._reload_owed:
            self._reload_owed = False
            self._engine.tell({"type": "ReloadAsked"})

    def _listen(self, name: str, address: str, request: object) -> None:
        why = None
        try:
            if (inode := self._listeners.listen(name, address, self._holder.given(name))) is not None:
                self._register.listens(name, address, inode)
        except CannotListen as error:
            why = str(error)
        self._engine.tell({"type": "Listening", "request": request, "why": why})

    def _up(self) -> None:
        self._engine.came_up()
        if not self._ever_up:
            self._ever_up = True
            self._ready()
            announce(self._manager, f"READY=1\nMAINPID={os.getpid()}")

    # What the keeper tells.

    def _tell(self, message: Message) -> None:
        # Whoever has not asked `held` yet gets it all with the answer.
        if self._engine.attentive:
            self._engine.tell(message)

    def _notified(self, pid: int, uid: int, fields: dict[str, str]) -> None:
        if uid not in (0, os.geteuid()) or not (worker := self._holder.sender(pid)):
            return
        if worker.report >= 0:
            self._holder.read_report(worker)  # Spawned is told first.
        first_ready = fields.get("READY") == "1" and worker.fields.get("READY") != "1"
        if len(worker.fields.keys() | fields.keys()) <= limits.NOTIFY_FIELDS:
            worker.fields = worker.fields | fields
        if first_ready:
            # A keeper that follows this one must know it: nobody says READY twice.
            self._register.notified(worker.serial, worker.fields)
        if self._engine.attentive:
            self._engine.tell(_notified(worker.serial, pid, fields), chatty=True)

    # What ends.

    def _signalled(self, number: int) -> None:
        match number:
            case signal.SIGCHLD:
                self._reap()
            case signal.SIGHUP:
                self._reload_owed = not self._engine.attentive
                self._tell({"type": "ReloadAsked"})
            case signal.SIGTERM | signal.SIGINT:
                self._terminate(signal_name(number))
            case signal.SIGTSTP:
                aloud(
                    "Ctrl-Z is ignored, for stopped we would watch over nobody; Ctrl-C stops everything gracefully"
                )

    def _terminate(self, name: str) -> None:
        self._terminating += 1
        announce(self._manager, "STOPPING=1")
        if self._terminating > 1:
            self._log(f"{name} again: killing everything")
            aloud("killing everything")
            self._end("kill")
            self._engine.kill()
            return
        self._log(f"{name}: asking the engine to take everything down")
        aloud("stopping gracefully; once more kills everything")
        if self._engine.pid is None:
            # It may still do it properly, in one last life.
            self._engine.start()
        elif self._engine.attentive:
            self._engine.tell({"type": "Terminate"})

    def _reap(self) -> None:
        # What a process said just before its end: once it is reaped nobody can tell whose it was.
        self._notify.read()
        while True:
            try:
                how = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if how is None:
                break
            if how.si_pid == self._engine.pid:
                self._engine_died(how)
            else:
                self._holder.reaped(how.si_pid, how, self._oom.struck)
            os.waitpid(how.si_pid, 0)
            # After what the engine may answer at once: the replacement of what has just ended, mostly.
            if not self._loop.waits("sweep"):
                self._loop.after("sweep", limits.SWEEP, self._sweep)
        self._compact_if_needed()
        self._perhaps_done()

    def _sweep(self) -> None:
        self._holder.sweep(self._known())

    def _known(self) -> set[int]:
        return set() if self._engine.pid is None else {self._engine.pid}

    def _engine_died(self, how: os.waitid_result) -> None:
        # A new engine must not meet what the old one started, such as a check of a configuration.
        straggling.kill_group(how.si_pid)
        exited = how.si_code == os.CLD_EXITED
        ended = f"ended with code {how.si_status}" if exited else f"killed by {signal_name(how.si_status)}"
        if self._engine.channel:
            # What it said last, `shutdown` perhaps, is still in the socket.
            self._engine.channel.drain()
        self._engine.died(ended)
        if self._ending:
            return
        if self._terminating:
            if self._last_life:
                self._log(f"engine: {ended} while taking everything down; killing everything")
                self._end("kill")
                return
            self._last_life = True
        elif not self._ever_up and self._hopeless(how.si_status if exited else None):
            return
        self._engine.again(at_once=exited and how.si_status == limits.STEPS_ASIDE)

    def _hopeless(self, code: int | None) -> bool:
        """An engine that never came up and never will: a configuration refused, or no worker to hold on to."""
        refused = code in (2, 5)
        if not refused and (self._holder.by_serial or self._engine.deaths < limits.NEVER_UP):
            return False
        self._engine.lament()
        self._exit_code = code if refused and code else 1
        self._end("keep" if self._holder.by_serial else "kill")
        return True

    def _end(self, how: str) -> None:
        if self._ending == "kill" or self._ending == how:
            return
        self._ending = how
        self._engine.leaving = True
        self._loop.cancel("engine")
        if how == "kill":
            self._holder.kill_all()
            self._loop.after("last-kill", limits.LAST_KILL, self._give_up)
        self._loop.after("engine-leave", limits.ENGINE_LEAVE, self._kill_engine_at_last)
        self._loop.after("done", 0.0, self._perhaps_done)

    def _kill_engine_at_last(self) -> None:
        self._engine.kill()
        self._loop.after("stop", 1.0, self._loop.stop)

    def _give_up(self) -> None:
        left = [pid for pid in identity.own_children() if pid != self._engine.pid]
        if left or self._holder.by_serial:
            self._log(f"killed, but still there after {limits.LAST_KILL:g} s: pids {left}; ending without them")
            self._kill_engine_at_last()

    def _perhaps_done(self) -> None:
        if self._ending is None:
            return
        if self._ending == "kill":
            straggling.kill_children(self._known() | self._holder.by_pid.keys())
            if self._holder.by_serial:
                return
        if self._engine.pid is None and (self._ending == "keep" or not identity.own_children()):
            self._loop.stop()

    def _compact_if_needed(self) -> None:
        if self._register.wants_compacting and self._holder.settled and not self._compact_later:
            self._register.compact()
            if self._register.dirty:
                self._compact_later = True
                self._loop.after("compact", 2.0, self._compact_again)

    def _compact_again(self) -> None:
        self._compact_later = False
        self._compact_if_needed()

    def _tidy(self) -> None:
        keep = self._ending == "keep"
        for name in () if self._displaced else ("clusterctl.sock", "notify.sock"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._directory, name))
        self._listeners.close(unlink=not keep)
        if not keep:
            self._holder.last_hunt()
            self._register.forget_all()
        elif not self._displaced:
            self._register.compact()
        announce(self._manager, "STOPPING=1")


def _notified(serial: int, pid: int, fields: dict[str, str]) -> Message:
    return {"type": "Notified", "serial": serial, "pid": pid, "fields": fields}
