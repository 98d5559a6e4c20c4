"""What old processes of a proxy that was reloaded may still carry, from /proc: whether they live, and what is open.

/proc/net/tcp tells the connections of the whole machine to an address: an upper bound of what is in flight there.
"""

import ipaddress
import sys
from collections import Counter
from collections.abc import Iterable

_ESTABLISHED = "01"


def count_established(addresses: Iterable[str], proc: str = "/proc") -> Counter[str]:
    """Established connections whose far end is IP:PORT, for each of `addresses`; none without a /proc."""
    wanted = {key: address for address in addresses for key in _keys(address)}
    found: Counter[str] = Counter()
    for table in ("tcp", "tcp6"):
        try:
            with open(f"{proc}/net/{table}", encoding="ascii") as lines:
                next(lines, "")
                for line in lines:
                    words = line.split(None, 4)
                    if words[3] == _ESTABLISHED and (address := wanted.get(words[2])):
                        found[address] += 1
        except OSError:
            continue
    return found


def elders(pid: int, known: Iterable[int] = (), proc: str = "/proc") -> frozenset[int]:
    """Older processes of the same program that live beside that one: of the same parent, or among `known`.

    A reload leaves such a one while it has anything to finish; looking, and not remembering, finds those from
    before our own start too, and those of several reloads. Another HAProxy of the same parent is taken for one:
    then more connections are counted than need be, and none is missed. `known` are those that answered before:
    who was started by hand, with `-sf`, may be of another parent.
    """
    try:
        name, parent = _name_and_parent(pid, proc)
        with open(f"{proc}/{parent}/task/{parent}/children", encoding="ascii") as children:
            others = {int(word) for word in children.read().split()}.union(known) - {pid}
    except (OSError, ValueError, IndexError):
        return frozenset()
    return frozenset(other for other in others if _is(other, name, proc))


def _is(pid: int, name: str, proc: str) -> bool:
    try:
        return _name_and_parent(pid, proc)[0] == name
    except (OSError, ValueError, IndexError):
        return False


def _name_and_parent(pid: int, proc: str) -> tuple[str, int]:
    with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        head, _, tail = stat.read().rpartition(") ")
    state, parent = tail.split(None, 2)[:2]
    if state == "Z":
        raise ValueError("gone")
    return head.partition(" (")[2], int(parent)


def _keys(address: str) -> tuple[str, ...]:
    """As the kernel writes it: each 32-bit word of the address in the machine's own byte order, then the port."""
    host, _, port = address.rpartition(":")
    try:
        packed = ipaddress.ip_address(host.strip("[]")).packed
        number = f"{int(port):04X}"
    except ValueError:
        return ()
    if len(packed) == 4:
        mapped = b"\0" * 10 + b"\xff\xff" + packed
        return f"{_hexed(packed)}:{number}", f"{_hexed(mapped)}:{number}"
    return (f"{_hexed(packed)}:{number}",)


def _hexed(packed: bytes) -> str:
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
