"""Listening sockets that outlive engines and workers: bound, held, and taken back from adopted workers."""

import contextlib
import ctypes
import errno
import os
import socket
import stat
from collections.abc import Collection, Iterable

from supervisor.keeper import identity, limits

PIDFD_GETFD = 438  # The same on every Linux architecture; pidfd_getfd(2), Linux 5.6.


class CannotListen(Exception):
    """Why an address cannot be listened on, in words."""


def bind_unix(path: str, kind: int, backlog: int | None) -> socket.socket:
    """Binds with mode 0600; what lay there before is replaced, so this needs a lock that says that it is stale."""
    end = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
    end.setblocking(False)
    before = os.umask(0o177)
    try:
        try:
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise FileExistsError(errno.EEXIST, "something else than a socket is there", path)
            os.unlink(path)
        except FileNotFoundError:
            pass
        end.bind(path)
        if backlog is not None:
            end.listen(backlog)
    except OSError:
        end.close()
        raise
    finally:
        os.umask(before)
    return end


def bind(address: str) -> socket.socket:
    """Listens on HOST:PORT, [HOST]:PORT or a path; raises CannotListen."""
    try:
        if "/" in address:
            _refuse_living(address)
            return bind_unix(address, socket.SOCK_STREAM, limits.BACKLOG)
        return _listening(_bind_tcp(address))
    except OSError as error:
        raise CannotListen(_words(error, address)) from None


def taken(address: str) -> str | None:
    """Who listens on HOST:PORT already, in words; None where nobody does, or where that cannot be told."""
    try:
        _bind_tcp(address).close()
    except OSError as error:
        return _words(error, address) if error.errno == errno.EADDRINUSE else None
    except CannotListen:
        return None
    return None


def _listening(end: socket.socket) -> socket.socket:
    try:
        end.listen(limits.BACKLOG)
    except OSError:
        end.close()
        raise
    return end


def _bind_tcp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise CannotListen(f"not an address: {address} (HOST:PORT, [HOST]:PORT or a path with a slash)")
    host = host.strip("[]")
    # Numbers only: a name would need a resolver, and the keeper waits for nobody.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    end = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; without, `uvicorn --fd` answers in 44 ms instead of 0.2.
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_DEFER_ACCEPT"):
            # A worker gets a connection when its request is there: one that leaves closes those that it has only
            # accepted, as uvicorn does (6 of 30,396 requests over 20 restarts; none of 27,650 so).
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        if family == socket.AF_INET6:
            end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            end.bind(("127.0.0.1" if host == "localhost" else host, int(port)))
        except (socket.gaierror, OverflowError):
            raise CannotListen(f"not an address: {address} (the host must be an IP address or localhost)") from None
    except BaseException:
        end.close()
        raise
    return end


def _refuse_living(path: str) -> None:
    """A unix socket that still answers is another's; a stale file is replaced."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
    raise OSError(errno.EADDRINUSE, "")


def _words(error: OSError, address: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"address already in use: {address}{_holder(address)}"
        case errno.EACCES | errno.EPERM:
            return f"permission denied: {address}"
        case errno.EADDRNOTAVAIL:
            return f"no such address on this machine: {address}"
        case _:
            return f"{(error.strerror or str(error)).lower()}: {address}"


def _holder(address: str) -> str:
    """`, held by pid N (command)`, if /proc lets us see it."""
    inodes = _listening_inodes(address)
    for pid in identity.everyone():
        if inodes and holds(pid, inodes):
            return f", held by pid {pid} ({identity.command(pid)})"
    return ""


def _listening_inodes(address: str) -> set[int]:
    """Of sockets that listen at that path or port, on any of the machine's addresses."""
    inodes = set()
    for name in ("tcp", "tcp6", "unix"):
        try:
            with open(f"{identity.PROC}/net/{name}", "rb") as file:
                lines = file.read().decode("utf-8", "replace").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if name == "unix":
                if fields[-1] == address:
                    inodes.add(int(fields[6]))
            elif fields[3] == "0A" and fields[1].endswith(f":{_port(address):04X}"):
                inodes.add(int(fields[9]))
    return inodes


def _port(address: str) -> int:
    port = address.rpartition(":")[2]
    return int(port) if port.isdigit() else 0


def holds(pid: int, inodes: set[int]) -> list[int]:
    """Descriptors of the process that are one of these sockets."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    directory = f"{identity.PROC}/{pid}/fd"
    found = []
    try:
        for name in os.listdir(directory):
            if os.readlink(f"{directory}/{name}") in wanted:
                found.append(int(name))
    except OSError:
        pass
    return found


def take_back(inode: int, pids: Iterable[int]) -> socket.socket | None:
    """The listening socket of that inode, from any of these processes (pidfd_getfd(2), by ptrace's rules)."""
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    for pid in pids:
        for number in holds(pid, {inode}):
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                break
            try:
                fd = syscall(PIDFD_GETFD, pidfd, number, 0)
            finally:
                os.close(pidfd)
            if fd >= 0 and os.fstat(fd).st_ino == inode:
                os.set_inheritable(fd, False)
                return socket.socket(fileno=fd)
            if fd >= 0:
                os.close(fd)
    return None


class Listeners:
    """The sockets held, by name."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, socket.socket]] = {}

    def listen(self, name: str, address: str, pids: Collection[int]) -> int | None:
        """Binds and holds; the inode, or None if it was so already. Another address replaces the old one.

        `pids`: workers that were given a socket of that name; where the records of it were lost they have it still.
        """
        if self._held.get(name, ("",))[0] == address:
            return None
        back = (take_back(inode, pids) for inode in (_listening_inodes(address) if pids else ()))
        end = next(filter(None, back), None)
        if end is None:
            end = bind(address)
            # As systemd hands them over: who wants it otherwise says so, and who does not would end on EAGAIN.
            # Only here: one that is taken back shares the flag with workers that live by it.
            end.setblocking(True)
        self.hold(name, address, end)
        return os.fstat(end.fileno()).st_ino

    def names(self) -> list[str]:
        return list(self._held)

    def hold(self, name: str, address: str, end: socket.socket) -> None:
        before = self._held.get(name)
        self._held[name] = (address, end)
        if before:
            before[1].close()

    def unlisten(self, name: str) -> bool:
        held = self._held.pop(name, None)
        if held is None:
            return False
        address, end = held
        if "/" in address:
            _unlink_own(address, end)
        end.close()
        return True

    def fds(self, names: Iterable[str]) -> list[int]:
        """Raises KeyError with the first name that is not held."""
        return [self._held[name][1].fileno() for name in names]

    def close(self, unlink: bool) -> None:
        for address, end in self._held.values():
            if unlink and "/" in address:
                _unlink_own(address, end)
            end.close()
        self._held.clear()


def _unlink_own(path: str, end: socket.socket) -> None:
    if end.getsockname() == path:
        with contextlib.suppress(OSError):
            os.unlink(path)
