"""Which address a new worker gets: its slot's own port where that is free, else the first free one."""

from collections.abc import Callable, Iterable

from supervisor.model.spec import PoolSpec


def address_for(
    spec: PoolSpec, slot: int, used: Iterable[str], free: Callable[[int], bool], shunned: Iterable[str] = ()
) -> str | None:
    """HOST:PORT for a worker of `slot`; None when every port is used by us or taken by a stranger.

    `used` are the addresses of workers not yet gone; `free` tells whether nobody else listens on a port. `shunned`
    are taken only where nothing else is left: the proxy still knows them by another slot's name.
    """
    if spec.ports is None:
        return None
    first, last = spec.ports
    taken, misnamed = set(used), set(shunned)
    count = last - first + 1
    ports = [first + (slot + offset) % count for offset in range(count)]
    for wanted in (False, True):
        for port in ports:
            address = join(spec.host, port)
            if address not in taken and (address in misnamed) is wanted and free(port):
                return address
    return None


def join(host: str, port: int) -> str:
    return f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"
