"""Which address a new worker gets: its slot's own port where that is free, else the first free one."""

from collections.abc import Callable, Iterable

from supervisor.model.spec import PoolSpec


def address_for(spec: PoolSpec, slot: int, used: Iterable[str], free: Callable[[int], bool]) -> str | None:
    """HOST:PORT for a worker of `slot`; None when every port is used by us or taken by a stranger.

    `used` are the addresses of workers not yet gone; `free` tells whether nobody else listens on a port.
    """
    if spec.ports is None:
        return None
    first, last = spec.ports
    taken = set(used)
    count = last - first + 1
    for offset in range(count):
        port = first + (slot + offset) % count
        address = join(spec.host, port)
        if address not in taken and free(port):
            return address
    return None


def join(host: str, port: int) -> str:
    return f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"
