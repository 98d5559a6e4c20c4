"""Who asks: the process at the other end of a unix socket, as the kernel tells it."""

import functools
import pwd
import socket
import struct
from typing import NamedTuple

from supervisor.model.text import clean

_UCRED = struct.Struct("3i")


class Peer(NamedTuple):
    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """SO_PEERCRED of a connected unix socket (unix(7)); None where the system has no such thing."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    try:
        pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _UCRED.size))
    except OSError:
        return None
    return Peer(pid, uid)


def actor(peer: Peer | None) -> str:
    """`uid 1000 (ada), pid 812`."""
    if peer is None:
        return "unknown"
    name = _name(peer.uid)
    return f"uid {peer.uid}{f' ({name})' if name else ''}, pid {peer.pid}"


@functools.lru_cache(maxsize=256)
def _name(uid: int) -> str | None:
    # Asked once for each user: where users live in a directory service this may take a while.
    try:
        return clean(pwd.getpwuid(uid).pw_name, 64)
    except KeyError:
        return None
