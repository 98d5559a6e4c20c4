"""Finding and killing what an ended worker left behind, wherever it hides in the tree of processes."""

import json
import os
import signal
from collections.abc import Callable, Collection
from typing import Any

from supervisor.keeper import identity

RECORD = b"CLUSTERCTL_RECORD="


class Mark:
    """What tells a descendant of a worker: its serial, and this cluster's notify socket, in its environment.

    Both, since a worker may itself be a cluster, whose workers count their serials from 1 too.
    """

    def __init__(self, notify_path: str) -> None:
        self._cluster = b"NOTIFY_SOCKET=" + os.fsencode(notify_path)

    def serial_of(self, pid: int) -> int | None:
        """The serial of the worker that this process descends from, or None."""
        environment = identity.environment(pid)
        if self._cluster not in environment:
            return None
        for entry in environment:
            if entry.startswith(b"CLUSTERCTL_SERIAL=") and entry[18:].isdigit():
                return int(entry[18:])
        return None

    def record_of(self, pid: int) -> dict[str, Any]:
        """What the worker's record says of it besides: it is in its environment too, for records may be lost."""
        try:
            told = next(one for one in identity.environment(pid) if one.startswith(RECORD))
            found = json.loads(told.removeprefix(RECORD))
        except (StopIteration, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def kill_group(pid: int) -> bool:
    """KILLs what is left of the group; only while its leader is held or unreaped, so that the number is ours."""
    return send_group(pid, signal.SIGKILL)


def send_group(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_stray_children(known: Collection[int], ended: Callable[[int], bool], mark: Mark) -> int:
    """KILLs the keeper's children that are no workers and descend from one that ended; how many."""
    killed = 0
    for pid in identity.own_children():
        if pid in known:
            continue
        serial = mark.serial_of(pid)
        if serial is not None and ended(serial):
            _kill_child(pid)
            killed += 1
    return killed


def kill_children(known: Collection[int]) -> int:
    """KILLs every child that is not known, whoever it is; for the very end."""
    strays = [pid for pid in identity.own_children() if pid not in known]
    for pid in strays:
        _kill_child(pid)
    return len(strays)


def _kill_child(pid: int) -> None:
    # Unreaped children keep their number, so neither call can hit a stranger.
    try:
        if os.getpgid(pid) == pid:
            kill_group(pid)
    except ProcessLookupError:
        pass
    send(pid, signal.SIGKILL)


def kill_marked(serial: int, mark: Mark) -> int:
    """KILLs every process of this machine that bears the worker's mark (its keeper died: it is no child of ours).

    One pass; how many were hit. Those that fork meanwhile want another one.
    """
    return sum(_kill_if_marked(pid, serial, mark) for pid in identity.everyone() if mark.serial_of(pid) == serial)


def first_marked(serial: int, mark: Mark) -> tuple[int, int]:
    """Pid and start ticks of the oldest process with the worker's mark, which is the worker; else (0, 0)."""
    found = [(identity.start_ticks(pid), pid) for pid in identity.everyone() if mark.serial_of(pid) == serial]
    ticks, pid = min((one for one in found if one[0]), default=(0, 0))
    return pid, ticks


def leaders(mark: Mark) -> dict[int, tuple[int, int]]:
    """By serial, start ticks and pid of the oldest process that bears its mark and leads a session: the worker."""
    found: dict[int, tuple[int, int]] = {}
    for pid in identity.everyone():
        serial = mark.serial_of(pid)
        ticks = identity.start_ticks(pid)
        if serial is not None and ticks and _leads(pid) and (ticks, pid) < found.get(serial, (ticks + 1, 0)):
            found[serial] = (ticks, pid)
    return found


def _leads(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except (ProcessLookupError, PermissionError):
        return False


def _kill_if_marked(pid: int, serial: int, mark: Mark) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # Looked at again now that the pidfd pins the process: the number may have changed hands before.
        if mark.serial_of(pid) != serial:
            return False
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
