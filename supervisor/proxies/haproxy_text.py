"""HAProxy's runtime commands as text: what may enter one, how each is written, and which replies mean no.

Nothing from outside reaches the socket unchecked: `;` and a newline separate commands, `<<` opens a payload, a
backslash escapes (HAProxy management guide, "Unix Socket commands"). So names and addresses are checked against
what HAProxy itself accepts, and there is no other way to write a command than the functions here.
"""

import ipaddress
import re

from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.model.spec import CheckSpec
from supervisor.model.text import clean

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,200}")

OURS_FROM = 1_900_000_000
OURS_TO = 2_147_483_647
"""Server ids in this range mark servers that clusterctl added: the mark lives in HAProxy, so it outlives us."""

_CHANGE_REPLIES = {
    # A warning may stand before it, as 2.8's in a section of TCP mode: "Ignoring cookie as HTTP mode is disabled."
    "add": re.compile(r"(?:.*\n)?New server registered\.", re.S),
    "del": re.compile(r"Server deleted\."),
    "addr": re.compile(r".*by 'stats socket command'", re.S),
}


def name(text: str) -> str:
    """The name itself, when it may stand in a command; else ProxyRefused."""
    if not NAME.fullmatch(text):
        raise ProxyRefused(
            f"name {clean(text, 80)!r} is not sent to HAProxy: it takes 1 to 200 of A-Z a-z 0-9 _ . : -"
        )
    return text


def address(text: str) -> tuple[str, int]:
    """IP and port of HOST:PORT or [V6]:PORT; else ProxyRefused. HAProxy would not resolve a host name here."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        if not colon or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise ValueError("no port")
        ip = ipaddress.ip_address(bare)
        if "%" in bare or (ip.version == 6) != (bare is not host):
            raise ValueError("brackets, or a zone")
    except ValueError:
        raise ProxyRefused(
            f"address {clean(text, 80)!r} is not sent to HAProxy: it takes IP:PORT, as 127.0.0.1:9001 or [::1]:9001"
        ) from None
    return str(ip), int(port)


def joined(ip: str, port: str | int) -> str:
    """HOST:PORT as the rest of clusterctl writes it."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def set_rotation(upstream: str, server: str, rotation: Rotation) -> str:
    return f"set server {name(upstream)}/{name(server)} state {rotation.value}"


def add_server(
    upstream: str,
    server: str,
    at: str,
    check: CheckSpec,
    *,
    mark: int | None,
    cookie: bool,
    shared: bool = False,
) -> str:
    """A server that starts in maint, its checks off; it inherits nothing of `default-server`."""
    ip, port = address(at)
    words = [f"add server {name(upstream)}/{name(server)} {joined(ip, port)}"]
    if mark is not None:
        words.append(f"id {mark}")
    if cookie:
        words.append(f"cookie {name(server)}")
    if shared:
        # A worker that leaves closes its idle connections, under the next request that would go out on one.
        words.append("pool-max-conn 0")
    words.append(f"check {check_words(check)}")
    return " ".join(words)


def check_words(check: CheckSpec) -> str:
    """How often and how many, as `server` and `add server` take them."""
    inter = max(1, round(check.every * 1000))
    return f"inter {inter}ms fall {max(1, check.fall)} rise {max(1, check.rise)}"


def set_address(upstream: str, server: str, at: str) -> str:
    ip, port = address(at)
    return f"set server {name(upstream)}/{name(server)} addr {ip} port {port}"


def enable_health(upstream: str, server: str) -> str:
    return f"enable health {name(upstream)}/{name(server)}"


def delete_server(upstream: str, server: str) -> str:
    return f"del server {name(upstream)}/{name(server)}"


def questions(upstream: str | None, *, number: int | None, rights: bool) -> str:
    """One line that asks for everything a reading needs; `rights` asks too what this socket may do.

    `number` is HAProxy's own of that upstream, None while it is not known: under its name `show stat` may find a
    frontend that is called the same, and tell nothing of its servers.
    """
    state = "" if upstream is None else f" {name(upstream)}"
    stat = -1 if upstream is None or number is None else number
    asked = f"show info;show stat {stat} 6 -1;show servers state{state}"
    return f"show cli level;show table;{asked}" if rights else asked


def refusal(command: str, reply: str) -> str | None:
    """Why HAProxy refused a change, in its words; None when it did it. Success of most is an empty reply."""
    said = reply.strip()
    verb = command.split(" ", 1)[0]
    kind = "addr" if verb == "set" and " addr " in command else verb
    expected = _CHANGE_REPLIES.get(kind)
    if expected is None:
        return clean(said, 300) if said else None
    if expected.fullmatch(said):
        return None
    return clean(said, 300) or "no answer"


def denied(reply: str) -> bool:
    return "Permission denied" in reply


def still_used(why: str) -> bool:
    """`del server` says no because connections hold the server: it stays in maint and is tried again."""
    return "still has" in why
