"""sd_notify, both ways: what workers say on DIR/notify.sock, and what the keeper says to its own manager.

A datagram of KEY=VALUE lines (sd_notify(3)); the kernel tells who sent it, by SCM_CREDENTIALS (unix(7)).
"""

import array
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Mapping

from supervisor.keeper import limits
from supervisor.keeper.sockets import bind_unix

_CREDENTIALS = struct.Struct("3i")
_MOST_FDS = 253

Hear = Callable[[int, int, dict[str, str]], None]


class NotifySocket:
    """Calls `hear(pid, uid, fields)` for each datagram."""

    def __init__(self, path: str, hear: Hear) -> None:
        self._socket = bind_unix(path, socket.SOCK_DGRAM, None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._hear = hear
        self._space = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * _MOST_FDS)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> None:
        """All that waits, up to a bound for one turn."""
        for _ in range(limits.NOTIFY_BATCH):
            try:
                data, ancillary, flags, _ = self._socket.recvmsg(limits.NOTIFY_BYTES, self._space)
            except BlockingIOError:
                return
            fds: list[int] = []
            pid, uid = 0, -1
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                    fds += numbers
                elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    pid, uid, _ = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])
            try:
                if not flags & socket.MSG_TRUNC and pid > 0:
                    self._hear(pid, uid, fields_of(data))
            finally:
                # BARRIER=1 asks for just this: its descriptor closed once all before it is heard.
                for fd in fds:
                    os.close(fd)


def fields_of(data: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        key, equals, value = line.partition("=")
        if key and equals:
            if len(fields) >= limits.NOTIFY_FIELDS and key not in fields:
                break
            fields[key] = value
    return fields


def watchdog(environ: Mapping[str, str]) -> float:
    """Seconds within which our manager wants WATCHDOG=1 (sd_watchdog_enabled(3)); 0: it does not ask for it."""
    asked, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not asked.isdecimal() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(asked) / 1e6


def announce(path: str | None, state: str) -> None:
    """Tells our own manager, systemd or another keeper; that there is none, or that it is gone, is no fault."""
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
        end.setblocking(False)
        with contextlib.suppress(OSError):
            end.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)
