"""The workers held: started, adopted, signalled, reaped, and told about."""

import os
import select
import signal
import time
from collections.abc import Callable

from supervisor.keeper import identity, spawning, straggling
from supervisor.keeper.loop import Loop
from supervisor.keeper.orders import BadOrder, order_of, record_of
from supervisor.keeper.protocol import Message
from supervisor.keeper.quick import QuickStart
from supervisor.keeper.records import Record, Register, complete
from supervisor.keeper.sockets import Listeners

Tell = Callable[[Message], None]


class Worker:
    """One process that the keeper holds, from its fork to its end."""

    __slots__ = ("fields", "killed", "order", "pid", "pidfd", "record", "report", "said", "sent", "serial")

    def __init__(self, serial: int, pid: int, record: Record, *, report: int = -1, pidfd: int = -1) -> None:
        self.serial = serial
        self.pid = pid
        self.record = record
        self.report = report
        """Open until its exec has succeeded or failed."""
        self.order: spawning.Order | None = None
        """What is under way, until then."""
        self.said = b""
        self.pidfd = pidfd
        """Of an adopted one, whose parent we are not."""
        self.killed = False
        """We sent KILL, so that nobody else need be blamed."""
        self.fields: dict[str, str] = record.get("fields", {})

    @property
    def gone(self) -> bool:
        """True once an adopted one has ended: its number is then no longer safe to use."""
        if self.pidfd < 0:
            return False
        # Not select(2), which refuses descriptors from 1024 on: there may be more workers than that.
        look = select.poll()
        look.register(self.pidfd, select.POLLIN)
        return bool(look.poll(0))


class Holder:
    """All workers by serial and by pid. Facts go out through `tell`."""

    def __init__(
        self, loop: Loop, register: Register, listeners: Listeners, tell: Tell, notify_path: str, soft_nofile: int
    ) -> None:
        self._loop = loop
        self._register = register
        self._listeners = listeners
        self._tell = tell
        self._notify_path = notify_path
        self._soft_nofile = soft_nofile
        self._mark = straggling.Mark(notify_path)
        self._quick = QuickStart()
        self._failed: set[int] = set()
        """Pids whose exec failed, until they are reaped."""
        self._hunted: set[int] = set()
        """Serials of adopted workers that ended."""
        self.on_adopted_end: Callable[[], None] = lambda: None
        self.by_serial: dict[int, Worker] = {}
        self.by_pid: dict[int, Worker] = {}

    @property
    def settled(self) -> bool:
        """No child is between its fork and its exec."""
        return all(worker.report < 0 for worker in self.by_serial.values())

    def spawn(self, launch: Message) -> None:
        """Forks, and watches for the exec; told as Spawned or SpawnFailed."""
        serial = launch.get("serial")
        if isinstance(serial, int) and (worker := self.by_serial.get(serial)):
            if worker.report < 0:
                self._tell(_spawned(worker))
            return
        started, wall = spawning.now()
        try:
            record = record_of(launch, started, wall, self._register.boot)
            order = order_of(launch, record, self._listeners, self._notify_path)
            order = order._replace(record_fd=self._register.fd, soft_nofile=self._soft_nofile)
            if self._quick.takes(order) and self._start(order, record):
                return
            forked = spawning.fork(order)
        except (BadOrder, spawning.Cannot) as error:
            self._tell({"type": "SpawnFailed", "serial": serial, "why": str(error)})
            return
        record["pid"] = forked.pid
        worker = Worker(record["serial"], forked.pid, record, report=forked.report)
        worker.order = order
        self.by_serial[worker.serial] = self.by_pid[worker.pid] = worker
        self._register.began(record)
        self._loop.watch(forked.report, lambda: self.read_report(worker))

    def _start(self, order: spawning.Order, record: Record) -> bool:
        """The quick way. On record first: killed on the way, we find the program again by its mark."""
        self._register.about(record)
        pid = self._quick.start(order)
        if pid is None:
            return False
        record["pid"] = pid
        worker = Worker(record["serial"], pid, record)
        self.by_serial[worker.serial] = self.by_pid[pid] = worker
        self._tell(_spawned(worker))
        record["start_ticks"] = identity.start_ticks(pid)
        self._register.arrived(record)
        return True

    def read_report(self, worker: Worker) -> None:
        """Reads until the pipe closes, which is the exec, or the end of the child."""
        while True:
            try:
                data = os.read(worker.report, 65536)
            except BlockingIOError:
                return
            if not data:
                break
            worker.said += data
        self._loop.forget(worker.report)
        os.close(worker.report)
        worker.report = -1
        report = spawning.read_report(worker.said)
        self._register.dirty |= report.unrecorded
        if report.failed is None:
            self._tell({**_spawned(worker), "unlogged": report.unlogged})
            if worker.order:
                self._quick.learn(worker.order)
                worker.order = None
            # Our own child keeps its number until it is reaped, so this is what the child wrote itself.
            worker.record["start_ticks"] = identity.start_ticks(worker.pid)
            return
        self._forget(worker)
        self._failed.add(worker.pid)
        self._register.never(worker.serial)
        self._tell({"type": "SpawnFailed", "serial": worker.serial, "why": report.failed})

    def signal(self, serial: int, name: str, group: bool) -> None:
        """To the whole group, or the first process alone; to something already gone it is nothing."""
        worker = self.by_serial.get(serial)
        number = getattr(signal, f"SIG{name.removeprefix('SIG')}", None)
        if worker is None or worker.gone or not isinstance(number, signal.Signals):
            return
        if number == signal.SIGKILL:
            worker.killed = True
        # Before its setsid the child has no group of its own yet.
        if not (group and straggling.send_group(worker.pid, number)):
            straggling.send(worker.pid, number)
        # Each once, and after it is done: whoever comes after us, or the engine, must know.
        if (plain := signal_name(number)) not in worker.record.get("signals", ()):
            self._register.sent(serial, plain)

    def reaped(self, pid: int, how: os.waitid_result, oom: Callable[[], bool]) -> None:
        """A child has ended and is still a zombie, so that its group's number is still its own."""
        worker = self.by_pid.get(pid)
        if worker is None:
            self._failed.discard(pid)
            return
        if worker.report >= 0:
            self.read_report(worker)
            if worker.pid in self._failed:
                self._failed.discard(pid)
                return
        exited = how.si_code == os.CLD_EXITED
        name = None if exited else signal_name(how.si_status)
        self._ended(
            worker,
            {
                "code": how.si_status if exited else None,
                "signal": name,
                "known": True,
                "oom": name == "KILL" and not worker.killed and oom(),
            },
        )
        straggling.kill_group(pid)

    def _ended(self, worker: Worker, how: Message) -> None:
        self._forget(worker)
        told = self._register.next_exit({"serial": worker.serial, "pid": worker.pid, "at": time.monotonic(), **how})
        # The engine first: everything else can be done while it decides.
        self._tell(told)
        self._register.ended(told)

    def _forget(self, worker: Worker) -> None:
        self.by_serial.pop(worker.serial, None)
        self.by_pid.pop(worker.pid, None)

    def sweep(self, known: set[int]) -> None:
        """KILLs what ended workers left behind outside of their groups."""
        known = known | self.by_pid.keys() | self._failed
        straggling.kill_stray_children(known, lambda serial: serial not in self.by_serial, self._mark)

    def adopt(self) -> None:
        """Takes over what an earlier keeper's records name, where pid, start ticks and boot all match.

        The records may be damaged or lost: what bears a worker's mark and leads a session is that worker.
        """
        marked = straggling.leaders(self._mark)
        over = {told["serial"] for told in self._register.exits.values()}
        for serial, found in marked.items():
            record = self._register.live.get(serial)
            if record is not None:
                self._correct(record, *found)
            elif serial not in over:
                self._register.began(self._bare_record(serial, *found))
                self._register.dirty = True
        for record in list(self._register.live.values()):
            complete(record, self._bare_record(record["serial"], record["start_ticks"], record["pid"]))
            pidfd = self._pin(record)
            worker = Worker(record["serial"], record["pid"], record, pidfd=pidfd)
            if pidfd < 0:
                # Told when the engine asks `held`. Its number may be a stranger's now, and is left alone;
                # what descends from it bears its mark.
                self._ended(worker, _unknown())
                if not self._register.old_boot:
                    self._hunt(worker.serial)
                continue
            self.by_serial[worker.serial] = self.by_pid[worker.pid] = worker
            self._loop.watch(pidfd, lambda worker=worker: self._adopted_ended(worker))  # type: ignore[misc]

    def _correct(self, record: Record, ticks: int, pid: int) -> None:
        """Two that agree outvote the third: pid, start ticks, and boot with the mark that was found in it."""
        if record["pid"] == pid or record["start_ticks"] == ticks:
            record |= {"pid": pid, "start_ticks": ticks, "boot": self._register.boot}

    def _bare_record(self, serial: int, ticks: int, pid: int) -> Record:
        """What can be said of a worker whose record was lost: what was put into its environment at its start."""
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        now, wall = spawning.now()
        told = self._mark.record_of(pid)
        bare = {
            "serial": serial,
            "boot": self._register.boot,
            "name": f"#{serial}",
            "started": now - age,
            "started_wall": wall - age,
            "log": "",
            "listen": [],
            "note": {},
            "pid": pid,
            "start_ticks": ticks,
        }
        record = bare | {key: told[key] for key in ("name", "log", "listen", "note") if key in told}
        complete(record, bare)
        return record

    def _pin(self, record: Record) -> int:
        """A pidfd of exactly the recorded process, or -1."""
        if record.get("boot") != self._register.boot:
            return -1
        if not record["pid"]:
            # Its start was about to be done when our predecessor died: what came of it bears its mark.
            record["pid"], record["start_ticks"] = straggling.first_marked(record["serial"], self._mark)
        if not record["start_ticks"]:
            return -1
        try:
            pidfd = os.pidfd_open(record["pid"])
        except (OSError, OverflowError):
            return -1
        # Looked at after the pidfd is had, so that it pins what was looked at.
        pid = record["pid"]
        # A program may write over its environment; a mark that is there and another's, though, is no mistake.
        ours = self._mark.serial_of(pid) in (None, record["serial"])
        if ours and identity.start_ticks(pid) == record["start_ticks"] and not identity.is_zombie(pid):
            return pidfd
        os.close(pidfd)
        return -1

    def _adopted_ended(self, worker: Worker) -> None:
        self._loop.forget(worker.pidfd)
        os.close(worker.pidfd)
        ticks = identity.start_ticks(worker.pid)
        if ticks in (0, worker.record["start_ticks"]):
            straggling.kill_group(worker.pid)
        self._ended(worker, _unknown())
        self._hunt(worker.serial)
        self.on_adopted_end()

    def _hunt(self, serial: int, passes: int = 40) -> None:
        """Not our children, so no signal tells of their ends: passes over /proc until none is left."""
        self._hunted.add(serial)
        if serial not in self.by_serial and straggling.kill_marked(serial, self._mark) and passes:
            self._loop.after(f"hunt {serial}", 0.05, lambda: self._hunt(serial, passes - 1))

    def hand_over(self, successor: int) -> None:
        """Another keeper, of these start ticks, has our place, and those whom it found by their mark.

        The others it does not know: they would be nobody's for ever.
        """
        for worker in list(self.by_serial.values()):
            marked = self._mark.serial_of(worker.pid) == worker.serial
            if not marked or not 0 < worker.record["start_ticks"] < successor:
                self.signal(worker.serial, "KILL", True)

    def last_hunt(self) -> None:
        """At the keeper's own end, when waiting hurts nobody: until nothing bears an ended worker's mark."""
        for _ in range(100):
            if not sum(straggling.kill_marked(serial, self._mark) for serial in self._hunted):
                return
            time.sleep(0.01)

    def held(self) -> list[Message]:
        """Those that run; one that hangs on its way to exec is told as Spawned if it ever arrives."""
        return [_held(worker) for worker in self.by_serial.values() if worker.report < 0]

    def given(self, socket: str) -> list[int]:
        """Pids of the workers that were started with that listening socket."""
        return [worker.pid for worker in self.by_serial.values() if socket in worker.record["listen"]]

    def sender(self, pid: int) -> Worker | None:
        """The worker in whose group or session that process is."""
        for ask in (os.getpgid, os.getsid):
            try:
                leader = ask(pid)
            except ProcessLookupError:
                return None
            if (worker := self.by_pid.get(leader)) and not worker.gone:
                return worker
        return None

    def kill_all(self) -> None:
        for worker in self.by_serial.values():
            self.signal(worker.serial, "KILL", True)


def _unknown() -> Message:
    return {"code": None, "signal": None, "known": False, "oom": False}


def _spawned(worker: Worker) -> Message:
    record = worker.record
    return {
        "type": "Spawned",
        "serial": worker.serial,
        "pid": worker.pid,
        "started": record["started"],
        "started_wall": record["started_wall"],
    }


def _held(worker: Worker) -> Message:
    record = worker.record
    keys = ("serial", "name", "pid", "started", "started_wall", "start_ticks", "note")
    return {**{key: record[key] for key in keys}, "signals": record.get("signals", [])}


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return f"RTMIN+{number - signal.SIGRTMIN}" if number >= signal.SIGRTMIN else str(number)
