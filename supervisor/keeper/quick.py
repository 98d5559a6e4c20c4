"""The quick way to start a program: posix_spawn(3), where nothing speaks against it.

A fork copies the keeper's page tables and then, page by page, what its child's Python touches before exec: three
times the cost of the start itself. posix_spawn copies nothing, but the keeper stands still until exec has been
done. So only what arrived once the thorough way (`spawning`), and lies on file systems of this machine, is started
like this; a dead file server makes no keeper wait. Whatever fails is tried again the thorough way, which says why.
"""

import os
import resource
import select
import signal
import stat

from supervisor.keeper.spawning import EVERY_SIGNAL, LOG_FLAGS, Order

TO_DEFAULT = [number for number in EVERY_SIGNAL if number not in (signal.SIGKILL, signal.SIGSTOP)]
REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "gluster", "lustre", "gpfs", "beegfs", "autofs", "ncp")
MOUNTS = "/proc/self/mounts"
MOST_KNOWN = 10_000

Way = tuple[str, str, str, str]
"""Program, PATH, directory and the log's directory: what a start has to reach."""


class QuickStart:
    """Remembers which ways are safe, until a file system is mounted or goes."""

    def __init__(self) -> None:
        self._known: set[Way] = set()
        # To return to, which asks for less than reading it.
        self._home = os.open(".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
        self._mounts = _Mounts()

    def learn(self, order: Order) -> None:
        """This order arrived the thorough way."""
        if order.fds or len(self._known) >= MOST_KNOWN:
            return
        way = _way(order)
        if way not in self._known and not self._mounts.changed and self._all_local(way):
            self._known.add(way)

    def takes(self, order: Order) -> bool:
        """Whether `start` may be tried. Sockets to hand over need a child that knows its own pid."""
        if self._mounts.changed:
            self._mounts.read()
            self._known.clear()
        return not order.fds and _way(order) in self._known

    def start(self, order: Order) -> int | None:
        """The pid of the program, whose exec has been done; None when it could not be: it does not run."""
        program = _found(order.argv[0], order.env.get("PATH", os.defpath))
        limits = _limits(order)
        if program is None or limits is None:
            return None
        try:
            # Nobody may read at the other end of a FIFO, and then an open would wait.
            log = os.open(order.log, LOG_FLAGS | os.O_NONBLOCK, 0o600)
        except OSError:
            return None
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            if not stat.S_ISREG(os.fstat(log).st_mode):
                return None
            os.set_blocking(log, True)
            os.chdir(order.cwd)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return os.posix_spawn(
                program,
                order.argv,
                order.env,
                # In this order: the log's own number may be 0.
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=TO_DEFAULT,
            )
        except (OSError, ValueError):
            return None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            os.fchdir(self._home)
            os.close(log)

    def _all_local(self, way: Way) -> bool:
        program, path, cwd, logs = way
        found = _found(program, path)
        if found is None:
            return False
        passed = () if "/" in program else path.split(":")
        return all(self._mounts.local(os.path.realpath(place)) for place in (found, cwd, logs, *passed))


def _way(order: Order) -> Way:
    return order.argv[0], order.env.get("PATH", os.defpath), order.cwd, os.path.dirname(order.log)


def _found(program: str, path: str) -> str | None:
    """Where execve would find it; None where that is not plain. A relative name means another file after chdir."""
    if "/" in program:
        return program if program.startswith("/") else None
    for directory in path.split(":"):
        if not directory.startswith("/"):
            return None
        place = f"{directory}/{program}"
        try:
            if stat.S_ISREG(os.stat(place).st_mode):
                return place if os.access(place, os.X_OK) else None
        except OSError:
            continue
    return None


def _limits(order: Order) -> tuple[int, int] | None:
    """Soft and hard limit of open files; None where the hard one would have to be raised, which is for good."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if order.soft_nofile:
        soft = order.soft_nofile
    if order.nofile is not None:
        soft = order.nofile
    return None if hard != resource.RLIM_INFINITY and soft > hard else (soft, hard)


class _Mounts:
    """Where file systems of other machines are mounted; the kernel tells when that changes (proc_pid_mounts(5))."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._remote: list[str] = []
        self._fd = -1
        try:
            self._fd = os.open(MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return  # no such thing here: nothing counts as local
        self._poll.register(self._fd, select.POLLPRI | select.POLLERR)
        self.read()

    @property
    def changed(self) -> bool:
        return self._fd >= 0 and bool(self._poll.poll(0))

    def read(self) -> None:
        data = bytearray()
        os.lseek(self._fd, 0, os.SEEK_SET)
        while piece := os.read(self._fd, 65_536):
            data += piece
        self._remote = []
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            words = line.split(" ")
            if len(words) > 2 and words[2].startswith(REMOTE):
                self._remote.append(words[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))

    def local(self, path: str) -> bool:
        """Of a path without symbolic links."""
        return self._fd >= 0 and not any(
            path == mount or path.startswith(mount.rstrip("/") + "/") for mount in self._remote
        )
