"""Connections that this machine has open to an address, from /proc/net/tcp: an upper bound of what is in flight."""

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
