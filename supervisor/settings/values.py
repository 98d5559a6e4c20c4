"""Words of the configuration read one by one: durations, sizes, ports, signals, patterns and plain types.

Each function takes what TOML gave and returns what the record wants, or raises ValueError with a sentence of
what was expected; what was found is added by the table that asked.
"""

import ipaddress
import re
import signal
from collections.abc import Callable
from typing import cast

Parse = Callable[[object], object]

MOST_WORKERS = 10_000
LONGEST_DURATION = 7 * 24 * 3600.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_GIVE_UP = re.compile(r"(\d{1,6})\s+in\s+(.+)")
_PORTS = re.compile(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PROXY_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_COOKIE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?")
# Quotes, backslash and # mean something to HAProxy, whose checks ask the same path.
_HTTP_PATH = re.compile(r"/[!$-&(-\[\]-~]{0,500}")

NAME = "1 to 32 of a-z, 0-9, _ and -, beginning with a letter or digit"
_PATH = "a path without control characters"


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a string")
    if not value.strip():
        raise ValueError("a string that is not empty")
    if "\0" in value:
        raise ValueError("a string without NUL")
    return value


def yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def whole(lowest: int, highest: int) -> Parse:
    """An integer within bounds, both included."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return value

    return parse


def one_of(*words: str) -> Parse:
    def parse(value: object) -> str:
        if value not in words:
            raise ValueError("one of " + ", ".join(f'"{word}"' for word in words))
        return value

    return parse


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return float(found[1]) * _UNITS[found[2]]
    return None


def duration(value: object) -> float:
    """Seconds above 0: "60s", "5m", "500ms", "1h", or a plain number of seconds."""
    seconds = _seconds(value)
    if seconds is None or not 0 < seconds <= LONGEST_DURATION:
        raise ValueError('a duration above 0 and up to 7 days, such as "30s", "500ms" or "5m"')
    return seconds


def pause(value: object) -> float:
    """A duration that may be nothing at all."""
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds <= LONGEST_DURATION:
        raise ValueError('a duration of up to 7 days, such as "0s", "30s" or "5m"')
    return seconds


def size(lowest: int) -> Parse:
    """Bytes: an integer, or "512M", "1G"; units are powers of 1024."""

    def parse(value: object) -> int:
        found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if isinstance(value, int) and not isinstance(value, bool):
            count = value
        elif found:
            count = int(float(found[1]) * _SIZES[found[2].upper()])
        else:
            raise ValueError('a size such as "512M" or "1G", or a number of bytes')
        if not lowest <= count <= 1 << 50:
            raise ValueError(f"a size of at least {lowest} bytes")
        return count

    return parse


def ports(value: object) -> tuple[int, int]:
    found = _PORTS.fullmatch(value.strip()) if isinstance(value, str) else None
    if isinstance(value, int) and not isinstance(value, bool):
        first = last = value
    elif found:
        first, last = int(found[1]), int(found[2] or found[1])
    else:
        raise ValueError('a range of ports such as "9001-9099"')
    if not (1 <= first <= 65535 and 1 <= last <= 65535):
        raise ValueError("ports from 1 to 65535")
    if first > last:
        raise ValueError("a range of ports whose first is not above its last")
    return first, last


def give_up(value: object) -> tuple[int, float]:
    """ "10 in 60s": so many deaths within so long."""
    found = _GIVE_UP.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or int(found[1]) < 1:
        raise ValueError('deaths within a time, such as "10 in 60s"')
    return int(found[1]), duration(found[2])


def signal_name(value: object) -> str:
    """Name without SIG, of a signal that this machine knows."""
    name = value.upper().removeprefix("SIG") if isinstance(value, str) else ""
    if f"SIG{name}" not in signal.Signals.__members__:
        raise ValueError("the name of a signal, such as TERM, INT, QUIT or USR1")
    return name


def pattern(value: object) -> str:
    try:
        re.compile(text(value))
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from None
    return cast(str, value)


def name(value: object) -> str:
    """What may name a cluster, a pool or a proxy: safe in a path, a command and on a screen."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(NAME)
    return value


def group(value: object) -> str:
    """A group of this machine, as its name is written; whether there is one is asked when it is needed."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("the name of a group")
    return value


def upstream(value: object) -> str:
    """What a proxy may call an upstream; nothing that could end one of its commands."""
    if not isinstance(value, str) or not _PROXY_NAME.fullmatch(value):
        raise ValueError("the proxy's own name for it: 1 to 200 of A-Z, a-z, 0-9 and _ . : -")
    return value


def cookie(value: object) -> str:
    if not isinstance(value, str) or not _COOKIE.fullmatch(value):
        raise ValueError("the name of a cookie: 1 to 64 letters, digits and - _ . without spaces")
    return value


def http_path(value: object) -> str:
    if not isinstance(value, str) or not _HTTP_PATH.fullmatch(value):
        raise ValueError("the path of a URL that begins with / and has no spaces, quotes or #")
    return value


def http_paths(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (http_path(value),)
    if not isinstance(value, list) or len(value) > 20:
        raise ValueError('a list of at most 20 paths, like ["/", "/login"]')
    return tuple(http_path(one) for one in value)


def host_name(value: object) -> str:
    """What stands in a Host header."""
    if not isinstance(value, str) or not _HOST_NAME.fullmatch(value):
        raise ValueError('a name as clients write it, like "shop.example" or "shop.example:8443"')
    return value


def path(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(_PATH)
    if value.startswith("~"):
        raise ValueError(f"{_PATH}; no shell is run, so ~ has no meaning: write the directory out")
    return value


def ip_address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(text(value).strip("[]")))
    except ValueError:
        raise ValueError('an IP address such as "127.0.0.1" (names are not resolved)') from None


def host_port(value: object) -> str:
    """HOST:PORT with an IP address and a port of its own; `localhost` is 127.0.0.1, IPv6 in brackets."""
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = "127.0.0.1" if host == "localhost" else host
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bracketed = inner != host
    try:
        address = ipaddress.ip_address(inner)
        if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise ValueError(port)
        if bracketed != (address.version == 6):
            raise ValueError(host)
    except ValueError:
        raise ValueError('IP:PORT such as "127.0.0.1:8080" or "[::1]:8080"') from None
    return f"[{address}]:{int(port)}" if address.version == 6 else f"{address}:{int(port)}"


def listen(value: object) -> str:
    """IP:PORT, or the path of a unix socket (anything with a slash)."""
    if isinstance(value, str) and "/" in value:
        return path(value)
    try:
        return host_port(value)
    except ValueError as expected:
        raise ValueError(f"{expected}, or the path of a unix socket") from None


def workers(value: object) -> int | str:
    if value == "cores":
        return "cores"
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_WORKERS:
        raise ValueError(f'a whole number from 0 to {MOST_WORKERS}, or "cores"')
    return value
