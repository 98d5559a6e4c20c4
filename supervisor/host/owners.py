"""Who answered: whether the other end of a connection of ours belongs to a worker's processes.

The other end's inode is looked for among the open descriptors of the worker and its descendants. A server that
closed already has no other end any more; then the holder of the listening socket answers for it, where only one
program can hold it.
"""

import os
import socket
import struct
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from supervisor.host.proc import StatReader, all_pids
from supervisor.host.sockdiag import far_end, listener


class Word(Enum):
    """How far the proof went."""

    OURS = "the worker itself has the connection"
    LISTENER = "the worker holds the listening socket; the connection itself is pending, or closed already"
    OTHER = "another process has it"
    UNKNOWN = "the system does not tell"


class Owner(NamedTuple):
    word: Word
    pid: int | None = None
    """Of the other process, where it is known."""
    direct: bool = False
    """Told by the connection itself, and not by who listens."""
    pending: bool = False
    """Nobody has accepted the connection yet."""


def owner(sock: socket.socket, pid: int, proc: str = "/proc") -> Owner:
    """Whether the other end of `sock` belongs to `pid` or a process below it. Never raises OSError."""
    try:
        if not os.access(f"{proc}/self/fd", os.R_OK):
            return _portable(sock, pid)
        return _linux(sock, pid, proc)
    except OSError:
        return Owner(Word.UNKNOWN)


def _linux(sock: socket.socket, pid: int, proc: str) -> Owner:
    far = far_end(sock)
    if far and far.inode and not far.listening:
        found = _holder(far.inode, pid, proc, Word.OURS)._replace(direct=True)
        if found.word is not Word.OTHER or found.pid is not None or (after := far_end(sock)) == far:
            return found
        far = after  # nobody has it any more: it was closed while we looked
    if sock.family == socket.AF_UNIX:
        found = _by_credentials(sock, pid, proc)
    else:
        inode = far.inode if far and far.listening else listener(sock)
        found = _holder(inode, pid, proc, Word.LISTENER) if inode else Owner(Word.UNKNOWN)
    return found._replace(pending=far is not None and far.pending)


def _holder(inode: int, pid: int, proc: str, word: Word) -> Owner:
    link = f"socket:[{inode}]"
    readable = False
    for member in family(pid, proc):
        try:
            if _holds(member, link, proc):
                return Owner(word)
            readable = True
        except PermissionError:
            continue
        except OSError:
            readable = True
    if not readable:
        return Owner(Word.UNKNOWN)
    return _other(link, pid, proc, word)


def _other(link: str, pid: int, proc: str, word: Word) -> Owner:
    """Name who has it: a search through every process, made only when the answer is no."""
    stats = StatReader(proc)
    for candidate in sorted(all_pids(proc)):
        try:
            if not _holds(candidate, link, proc):
                continue
        except OSError:
            continue
        # A double fork leaves the tree, and stays in the worker's process group.
        stat = stats.once(candidate)
        return Owner(word) if stat and stat.group == pid else Owner(Word.OTHER, candidate)
    return Owner(Word.OTHER)


def _holds(pid: int, link: str, proc: str) -> bool:
    place = f"{proc}/{pid}/fd"
    for fd in os.listdir(place):
        try:
            if os.readlink(f"{place}/{fd}") == link:
                return True
        except FileNotFoundError:
            continue  # closed while we looked
    return False


def family(pid: int, proc: str = "/proc") -> Iterator[int]:
    """The process, then its live descendants, nearest first."""
    seen = {pid}
    yield pid
    todo = [pid]
    for at in todo:
        for child in _children(at, proc):
            if child not in seen:
                seen.add(child)
                todo.append(child)
                yield child


def _children(pid: int, proc: str) -> list[int]:
    """Children of every thread: the kernel files a child under the thread that forked it."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"{proc}/{pid}/task"):
            with open(f"{proc}/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def _by_credentials(sock: socket.socket, pid: int, proc: str) -> Owner:
    """Who called listen() on a unix socket; that may be a process that handed it over since."""
    found: int
    found, _, _ = struct.unpack("=iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if found in family(pid, proc):
        return Owner(Word.LISTENER)
    return Owner(Word.OTHER, found)


def _portable(sock: socket.socket, pid: int) -> Owner:
    if sock.family == socket.AF_UNIX:
        return Owner(Word.UNKNOWN)
    import psutil  # only where there is no /proc

    near, far = sock.getsockname()[:2], sock.getpeername()[:2]
    listens = False
    try:
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            for connection in process.net_connections("tcp"):
                if connection.raddr and (tuple(connection.laddr), tuple(connection.raddr)) == (far, near):
                    return Owner(Word.OURS)
                listens |= connection.status == psutil.CONN_LISTEN and connection.laddr.port == far[1]
    except psutil.Error:
        return Owner(Word.UNKNOWN)
    return Owner(Word.LISTENER if listens else Word.OTHER)


def program(pid: int, proc: str = "/proc") -> str:
    """The short name of a process; empty when it is gone."""
    try:
        with open(f"{proc}/{pid}/comm", "rb") as file:
            return file.read(64).rstrip(b"\n").decode("utf-8", "replace")
    except OSError:
        return ""
