"""One program from a launch to its exec: what happens between fork and exec, and the words when it fails."""

import errno
import fcntl
import os
import resource
import signal
import time
from typing import NamedTuple, NoReturn

from supervisor.keeper import identity

EVERY_SIGNAL = [int(number) for number in signal.valid_signals()]
TOO_MANY = {
    errno.EAGAIN: "too many processes",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "out of memory",
}
NO_ROOM = (errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""Why a log cannot be had, and yet is no reason not to serve."""
END = b"\x1e"
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY


class Order(NamedTuple):
    """A program to start, with everything that it gets."""

    argv: list[str]
    cwd: str
    env: dict[str, str]
    log: str
    fds: list[int]
    """Handed over from descriptor 3 on."""
    listen: list[str]
    """Names of those that are listening sockets: LISTEN_FDS and LISTEN_PID are set if there are any."""
    nofile: int | None = None
    soft_nofile: int = 0
    """The limit that the keeper itself was started with."""
    record_fd: int = -1
    record: str = ""
    """The rest of the line for workers.jsonl, after pid and start ticks; empty: none is written."""


class Forked(NamedTuple):
    pid: int
    report: int
    """Closed by a successful exec; what comes before says what went wrong."""


class Cannot(Exception):
    """No child came to be."""


def fork(order: Order) -> Forked:
    """Forks; raises Cannot. The caller watches `report` and reaps."""
    try:
        report, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Cannot(TOO_MANY.get(error.errno or 0, str(error.strerror).lower())) from None
    # Until its handlers are the default ones again, a signal to the child would be written to our wake-up socket.
    signal.pthread_sigmask(signal.SIG_BLOCK, EVERY_SIGNAL)
    try:
        pid = os.fork()
        if pid == 0:
            _become(order, write)
    except OSError as error:
        os.close(report)
        raise Cannot(TOO_MANY.get(error.errno or 0, str(error.strerror).lower())) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.close(write)
    return Forked(pid, report)


def _become(order: Order, report: int) -> NoReturn:
    """In the child: never returns, and never runs anything of the parent's on the way out."""
    stage, what = "session", ""
    try:
        signal.set_wakeup_fd(-1)
        # Python ignores SIGPIPE and SIGXFSZ, and `nohup` SIGHUP; a program expects none of that.
        for number in EVERY_SIGNAL:
            if signal.getsignal(number) is not signal.SIG_DFL and number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_DFL)
        # A session of its own: a terminal's Ctrl-C never reaches it, and its group bears its pid.
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        stage, what = "log", order.log
        log = _open_log(order.log, report)
        stage, what = "descriptors", ""
        report = _place(order.fds, log, report)
        stage, what = "cwd", order.cwd
        os.chdir(order.cwd)
        stage, what = "record", ""
        _record(order, report)
        # Last of all that opens anything: the limit may be lower than what we need ourselves.
        stage, what = "limit", str(order.nofile)
        _limit(order)
        env = dict(order.env)
        if order.listen:
            env["LISTEN_FDS"] = str(len(order.listen))
            env["LISTEN_PID"] = str(os.getpid())
            env["LISTEN_FDNAMES"] = ":".join(name.partition("=")[0] for name in order.listen)
        stage, what = "exec", order.argv[0]
        _exec(order.argv, env)
    except FileNotFoundError as error:
        if stage == "exec" and error.filename and os.path.exists(error.filename):
            stage = "interpreter"
        _say(report, stage, errno.ENOENT, what)
    except OSError as error:
        _say(report, stage, error.errno or 0, what)
    except BaseException as error:
        _say(report, "fault", 0, f"{type(error).__name__}: {error}")
    finally:
        os._exit(127)


def _open_log(path: str, report: int) -> int:
    try:
        if not os.path.isdir(directory := os.path.dirname(path) or "."):
            os.makedirs(directory, mode=0o700, exist_ok=True)
        return os.open(path, LOG_FLAGS, 0o600)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        # A disk that takes nothing is no reason not to serve.
        os.write(report, b"log\0%d" % error.errno + END)
        return os.open(os.devnull, LOG_FLAGS)


def _place(fds: list[int], log: int, report: int) -> int:
    """0 is /dev/null, 1 and 2 the log, 3… the given ones, and nothing else is left open but the report."""
    first_free = 3 + len(fds)
    # All are first lifted above the places, so that none is overwritten before it is copied.
    lifted = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first_free) for fd in fds]
    log = fcntl.fcntl(log, fcntl.F_DUPFD_CLOEXEC, first_free)
    report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, first_free)
    null = fcntl.fcntl(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), fcntl.F_DUPFD_CLOEXEC, first_free)
    for place, fd in enumerate((null, log, log, *lifted)):
        os.dup2(fd, place)
    return report


def _limit(order: Order) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if order.soft_nofile:
        soft = order.soft_nofile
    if order.nofile is not None:
        soft = order.nofile
        if hard != resource.RLIM_INFINITY and soft > hard:
            hard = soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except ValueError:
        raise OSError(errno.EPERM, "above the hard limit") from None


def _record(order: Order, report: int) -> None:
    if order.record:
        ticks = identity.start_ticks("self")
        head = f'\n{{"pid":{os.getpid()},"start_ticks":{ticks},'
        data = (head + order.record + "\n").encode()
        try:
            if os.write(order.record_fd, data) < len(data):
                raise OSError
        except OSError:
            # A full disk is no reason not to serve; the keeper writes it later.
            os.write(report, b"record" + END)
    _close_all_but(report, 3 + len(order.fds))


def _exec(argv: list[str], env: dict[str, str]) -> NoReturn:
    program = argv[0]
    if "/" in program:
        os.execve(program, argv, env)
    denied: OSError | None = None
    for directory in env.get("PATH", os.defpath).split(":"):
        try:
            os.execve(os.path.join(directory or ".", program), argv, env)
        except PermissionError as error:
            denied = error
        except NotADirectoryError:
            continue
        except FileNotFoundError as error:
            if os.path.exists(error.filename):
                raise
    raise denied or FileNotFoundError(errno.ENOENT, "")


def _close_all_but(keep: int, first: int) -> None:
    most = os.sysconf("SC_OPEN_MAX")
    os.closerange(first, keep)
    os.closerange(keep + 1, max(most, 1 << 20))


def _say(report: int, stage: str, number: int, what: str) -> None:
    text = "\0".join((stage, str(number), what)).encode("utf-8", "surrogateescape")
    os.write(report, text[:4000].replace(END, b"?") + END)


class Report(NamedTuple):
    """What the child said before its exec, or before its end."""

    failed: str | None
    unrecorded: bool
    unlogged: str | None = None
    """Why its output goes nowhere."""


def read_report(data: bytes) -> Report:
    failed = unlogged = None
    said = data.split(END)[:-1]
    for part in said:
        match part.decode("utf-8", "replace").split("\0", 2):
            case [stage, number, what]:
                failed = words(stage, int(number), what)
            case [_, number]:
                unlogged = f"cannot open its log: {os.strerror(int(number)).lower()}"
    return Report(failed, b"record" in said, unlogged)


def words(stage: str, number: int, what: str) -> str:
    """Why a program could not be started, in the operator's words."""
    reason = os.strerror(number).lower() if number else ""
    if number in TOO_MANY and stage != "fault":
        return TOO_MANY[number]
    match stage, number:
        case "cwd", errno.ENOENT:
            return f"no such directory: {what}"
        case "exec", errno.ENOENT:
            return f"no such program: {what}"
        case "exec", errno.ENOEXEC:
            return f"not an executable format: {what}"
        case "interpreter", _:
            return f"no such interpreter: the one that {what} names"
        case (("exec" | "cwd"), errno.EACCES):
            return f"permission denied: {what}"
        case (("exec" | "cwd"), _):
            return f"{reason}: {what}"
        case "log", _:
            return f"cannot open the log: {reason}: {what}"
        case "limit", _:
            return f"cannot set the limit of {what} open files: above the hard limit"
        case "fault", _:
            return what
        case _:
            return f"{reason} ({stage})"


def now() -> tuple[float, float]:
    """Monotonic and wall time of a start."""
    return time.monotonic(), time.time()
