"""The embedded HAProxy's configuration and state file as text, and where its files live."""

import re
import zlib
from collections.abc import Sequence

from supervisor.model.backends import Want
from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.model.spec import ProxySpec
from supervisor.model.text import clean
from supervisor.proxies import haproxy_text

_PATH = re.compile(r"/[A-Za-z0-9_./@+=,:%~-]*")
_URL_PATH = re.compile(r"/[A-Za-z0-9_./@+=,:%~?&!*()-]*")
_BIND = re.compile(r"(\*|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*):[0-9]{1,5}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?")
_COOKIE = re.compile(r"[A-Za-z0-9_-]{1,64}")

LONGEST_SOCKET = 90
"""A unix socket's path is at most 107 bytes long, and HAProxy binds PATH.PID.tmp first."""


def stats_socket(runtime_dir: str) -> str:
    return f"{runtime_dir}/haproxy.sock"


def master_socket(runtime_dir: str) -> str:
    return f"{runtime_dir}/master.sock"


def config_file(runtime_dir: str) -> str:
    return f"{runtime_dir}/haproxy.cfg"


def state_file(runtime_dir: str) -> str:
    return f"{runtime_dir}/haproxy.state"


def render(spec: ProxySpec, wants: Sequence[Want], runtime_dir: str) -> str:
    """The whole configuration: present members included, so that a restart of HAProxy begins with them.

    The frontend serves the first upstream. Raises ProxyRefused when a value may not stand in a configuration.
    """
    if len(stats_socket(runtime_dir)) > LONGEST_SOCKET:
        raise ProxyRefused(f"{stats_socket(runtime_dir)}: longer than the {LONGEST_SOCKET} bytes a socket can have")
    blocks = [_global(spec, runtime_dir), _defaults(), _frontend(spec, wants)]
    blocks += [_backend(spec, want) for want in wants]
    config = "\n\n".join("\n".join(block) for block in blocks) + "\n"
    # `show info` tells it, so that the running process itself says whether a reload is still due.
    return config.replace("\nglobal\n", f"\nglobal\n    description {frame(config)}\n", 1)


def frame(config: str) -> str:
    """A name for the configuration without its members, which change at run time: another one is due a reload."""
    lines = [line for line in config.split("\n") if not line.startswith(("    server ", "    description "))]
    return f"frame-{zlib.crc32(chr(10).join(lines).encode()):08x}"


def state_for(config: str, state: str) -> str:
    """A saved `show servers state`, for the servers of this configuration.

    HAProxy matches rows by name, and a server's name may differ between the running process and the
    configuration (`web.0:2` becomes `web.0` when the first is gone): here rows are matched by address and renamed,
    and the rest is left out.
    """
    names: dict[tuple[str, str], str] = {}
    upstream = ""
    for line in config.split("\n"):
        words = line.split()
        if words[:1] == ["backend"]:
            upstream = words[1]
        elif words[:1] == ["server"]:
            names[upstream, words[2]] = words[1]
    kept: list[str] = []
    columns: dict[str, int] = {}
    for line in state.strip("\n").split("\n"):
        words = line.split(" ")
        if line.startswith("# "):
            columns = {word: at for at, word in enumerate(words[1:])}
        elif columns and len(words) > 2:
            address = haproxy_text.joined(words[columns["srv_addr"]], words[columns["srv_port"]])
            now = names.get((words[columns["be_name"]], address))
            if now is None:
                continue
            words[columns["srv_name"]] = now
            line = " ".join(words)
        kept.append(line)
    return "\n".join(kept) + "\n"


def _global(spec: ProxySpec, runtime_dir: str) -> list[str]:
    runtime = _checked("runtime directory", runtime_dir, _PATH)
    return [
        f"# Written by clusterctl for the proxy {haproxy_text.name(spec.name)}: changes here are overwritten.",
        "global",
        f"    stats socket {stats_socket(runtime)} mode 600 level admin expose-fd listeners",
        "    stats timeout 30s",
        f"    server-state-file {state_file(runtime)}",
        f"    maxconn {max(1, int(spec.maxconn))}",
        # A low limit of open files is a warning in the log and fewer connections, not a proxy that will not start.
        "    no strict-limits",
        # The old process of a reload must end, or idle tunnels keep it for ever.
        "    hard-stop-after 10m",
        "    log stdout format raw local0 notice",
    ]


def _defaults() -> list[str]:
    return [
        "defaults",
        "    mode http",
        "    timeout connect 5s",
        "    timeout client 60s",
        "    timeout http-request 30s",
        "    timeout http-keep-alive 60s",
        "    timeout queue 30s",
        "    timeout server 5m",
        "    timeout tunnel 1h",
        # A refused connection has carried no request: trying another server loses and repeats nothing.
        "    retries 3",
        "    option redispatch 1",
        "    http-reuse safe",
        "    load-server-state-from-file global",
    ]


def _frontend(spec: ProxySpec, wants: Sequence[Want]) -> list[str]:
    bind = _checked("bind", spec.bind or "", _BIND)
    tls = ""
    if spec.tls is not None:
        tls = f" ssl crt {_checked('tls', spec.tls, _PATH)} alpn h2,http/1.1"
    lines = [
        "frontend front",
        f"    bind {bind}{tls}",
        # Without it a reload closes idle keep-alive connections silently, under the client's next request.
        "    option idle-close-on-response",
        "    option forwardfor",
    ]
    if wants:
        lines.append(f"    default_backend {haproxy_text.name(wants[0].upstream)}")
    return lines


def _backend(spec: ProxySpec, want: Want) -> list[str]:
    if want.upstream == "front":
        raise ProxyRefused("upstream 'front': the embedded proxy's own frontend has that name")
    lines = [f"backend {haproxy_text.name(want.upstream)}", f"    balance {spec.balance}", "    log global"]
    if spec.balance == "source":
        lines.append("    hash-type consistent")  # servers come and go at run time only with a dynamic algorithm
    if spec.cookie is not None:
        lines.append(f"    cookie {_checked('cookie', spec.cookie, _COOKIE)} insert indirect nocache")
    if any(member.shared for member in want.members):
        # A worker that leaves closes its idle connections; the proxy, which cannot be told which those are, would
        # lose a request that it sends on one in that moment. Here a new connection costs next to nothing.
        lines.append("    option http-server-close")
    path = spec.check.http or next((m.check_http for m in want.members if m.check_http), None)
    if path is not None:
        lines.append(f"    option httpchk GET {_checked('check.http', path, _URL_PATH)}")
        lines += [f"    http-check send hdr Host {_checked('probe_host', host, _HOST)}" for host in _hosts(want)]
        lines.append("    http-check expect status 200-399")
    return lines + _servers(spec, want)


def _hosts(want: Want) -> list[str]:
    """The name that a check calls, at most one: a section has one check for all of its servers."""
    return sorted({member.check_host for member in want.members if member.check_host})[:1]


def _servers(spec: ProxySpec, want: Want) -> list[str]:
    lines: list[str] = []
    taken: set[str] = set()
    addresses: set[str] = set()
    for member in want.members:
        ip, port = haproxy_text.address(member.address)
        at = haproxy_text.joined(ip, port)
        if at in addresses:
            continue
        name, number = haproxy_text.name(member.name), 1
        while name in taken:
            number += 1
            name = haproxy_text.name(f"{member.name}:{number}")
        taken.add(name)
        addresses.add(at)
        cookie = f" cookie {name}" if spec.cookie is not None else ""
        disabled = "" if member.rotation is Rotation.READY else " disabled"
        lines.append(f"    server {name} {at}{cookie} check {haproxy_text.check_words(spec.check)}{disabled}")
    return lines


def _checked(what: str, value: str, allowed: re.Pattern[str]) -> str:
    if not allowed.fullmatch(value):
        raise ProxyRefused(
            f"{what} {clean(value, 100)!r} is not written to HAProxy's configuration: {allowed.pattern}"
        )
    return value
