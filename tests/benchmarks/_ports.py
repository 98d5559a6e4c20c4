"""Ports that are free just now, below those that the kernel gives to clients."""

import random
import socket

_FIRST, _LAST = 10_000, 32_000


def free_range(count: int) -> int:
    """The first of so many neighbouring ports on which nobody listens."""
    for _ in range(100):
        first = random.randrange(_FIRST, _LAST - count)
        if all(free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError(f"no {count} neighbouring ports are free")


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
