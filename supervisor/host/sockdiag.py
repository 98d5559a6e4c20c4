"""Asks the kernel for the other end of one of our own connections: its inode, which names the process's descriptor.

NETLINK_SOCK_DIAG (sock_diag(7)) answers for exactly one connection in a few microseconds; where it is missing,
the table /proc/net/tcp is searched instead, which costs 7 ms on a busy host.
"""

import ipaddress
import os
import socket
import struct
from typing import NamedTuple

_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = struct.pack("=II", 0xFFFFFFFF, 0xFFFFFFFF)
_SHOW_PEER = 4
_PEER_ATTRIBUTE = 2
_ESTABLISHED = 1
_LISTEN = 10


class Far(NamedTuple):
    """The other end of a connection."""

    inode: int
    """0 while nobody has accepted it, or when it was closed there already."""
    state: int = _ESTABLISHED

    @property
    def listening(self) -> bool:
        """This is the listening socket: the connection itself is not known any more."""
        return self.state == _LISTEN

    @property
    def pending(self) -> bool:
        """Nobody has accepted the connection yet."""
        return not self.inode and self.state == _ESTABLISHED


def far_end(sock: socket.socket, tcp_table: str = "/proc/net") -> Far | None:
    """The other end of a connected socket of ours on this host; None when the kernel does not tell."""
    if sock.family == socket.AF_UNIX:
        return _far_unix(sock)
    near, far = sock.getsockname()[:2], sock.getpeername()[:2]
    try:
        return _ask_inet(sock.family, far, near)
    except OSError:
        return _search(tcp_table, far, near)


def listener(sock: socket.socket, tcp_table: str = "/proc/net") -> int:
    """Inode of the listening socket that a TCP connection of ours went to; 0 when the kernel does not tell."""
    near, far = sock.getsockname()[:2], sock.getpeername()[:2]
    try:
        # Port 0 is nobody's, so that no connection matches and the lookup ends at the listening socket.
        found: Far | None = _ask_inet(sock.family, far, (near[0], 0))
    except OSError:
        found = _search(tcp_table, far, None)
    return found.inode if found and found.listening else 0


def _ask_inet(family: int, here: tuple[str, int], there: tuple[str, int]) -> Far:
    def packed(host: str) -> bytes:
        return socket.inet_pton(family, host.partition("%")[0]).ljust(16, b"\0")

    ports = struct.pack("!HH", here[1], there[1])
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES)
    body += ports + packed(here[0]) + packed(there[0]) + struct.pack("=I", 0) + _NO_COOKIE
    answer = _exchange(body)
    (inode,) = struct.unpack_from("=I", answer, 68)
    return Far(inode, answer[1])


def _far_unix(sock: socket.socket) -> Far | None:
    body = struct.pack("=BBHIII", socket.AF_UNIX, 0, 0, _ALL_STATES, os.fstat(sock.fileno()).st_ino, _SHOW_PEER)
    try:
        answer = _exchange(body + _NO_COOKIE)
    except OSError:
        return None
    at = 16
    while at + 4 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, at)
        if kind == _PEER_ATTRIBUTE and length >= 8:
            return Far(struct.unpack_from("=I", answer, at + 4)[0])
        at += max(4, (length + 3) & ~3)
    return None


def _exchange(body: bytes) -> bytes:
    """One question and its answer; OSError when there is no such socket, or no such question on this system."""
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("no netlink on this system")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as link:
        link.settimeout(0.5)
        link.send(struct.pack("=IHHII", 16 + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
        answer = link.recv(4096)
    (kind,) = struct.unpack_from("=H", answer, 4)
    if kind == _BY_FAMILY:
        return answer[16:]
    (failed,) = struct.unpack_from("=i", answer, 16)
    # "No such socket" and "no such kernel module" are one error here, so each error leads to the table.
    raise OSError(-failed, f"sock_diag found nothing: {os.strerror(-failed)}")


def _search(table: str, here: tuple[str, int], there: tuple[str, int] | None) -> Far | None:
    """The row with exactly these ends in /proc/net/tcp or tcp6; else the one that listens there."""
    listening = None
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{table}/{name}") as lines:
                next(lines, None)
                for line in lines:
                    field = line.split()
                    local, state = _address(field[1]), int(field[3], 16)
                    if local[1] != here[1]:
                        continue
                    if state == _LISTEN and (local[0].is_unspecified or local[0] == _plain(here[0])):
                        listening = Far(int(field[9]), state)
                    elif there and (_plain(here[0]), _plain(there[0]), there[1]) == (local[0], *_address(field[2])):
                        return Far(int(field[9]), state)
        except (OSError, ValueError, IndexError):
            continue
    return listening


_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def _plain(host: str | bytes) -> _Ip:
    """An address; IPv4 written as IPv6 (::ffff:127.0.0.1) becomes IPv4."""
    ip = ipaddress.ip_address(host if isinstance(host, bytes) else host.partition("%")[0])
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _address(text: str) -> tuple[_Ip, int]:
    """`0100007F:1F90`: words of 32 bits in the machine's own byte order."""
    host, _, port = text.partition(":")
    words = struct.pack(f"={len(host) // 8}I", *(int(host[i : i + 8], 16) for i in range(0, len(host), 8)))
    return _plain(words), int(port, 16)
