"""What a proxy's keys must be to each other, and to the pools behind it."""

from collections.abc import Sequence

from supervisor.model.spec import PoolSpec, ProxySpec
from supervisor.model.text import reason
from supervisor.settings.table import Problems

_EMBEDDED_ONLY = ("cookie", "tls")


def check_proxy(proxy: ProxySpec, pools: Sequence[PoolSpec], wrong: set[str], problems: Problems) -> None:
    path = f"proxies.{proxy.name}"
    if proxy.kind == "haproxy":
        _reachable(proxy, pools, problems)
    if proxy.socket and proxy.bind:
        problems.report(
            path,
            "found socket and bind, expected one of them",
            "socket attaches to a running one, bind runs our own",
        )
    elif proxy.kind == "haproxy" and not proxy.socket and not proxy.bind:
        if not {f"{path}.socket", f"{path}.bind"} & wrong:
            problems.report(
                path, "found neither socket nor bind", 'socket = "/run/haproxy/admin.sock" or bind = "0.0.0.0:8080"'
            )
    elif proxy.embedded:
        _embedded(proxy, path, pools, problems)
    else:
        for key in _EMBEDDED_ONLY:
            if getattr(proxy, key):
                problems.report(f"{path}.{key}", "only a proxy that clusterctl runs itself (bind) takes it")


def _reachable(proxy: ProxySpec, pools: Sequence[PoolSpec], problems: Problems) -> None:
    """What no server of a HAProxy can be known by.

    It tells nobody the path of a unix socket, and who listens on all addresses is listed with one of them.
    """
    for pool in pools:
        if pool.traffic is None or pool.traffic.proxy != proxy.name:
            continue
        if proxy.socket and pool.ports and pool.host in ("0.0.0.0", "::"):
            problems.report(
                f"pools.{pool.name}.host",
                f"found {pool.host}, expected the address that the proxy's servers have",
                'a program that listens on all is reached at "127.0.0.1"',
            )
        if pool.listen and "/" in pool.listen:
            problems.report(
                f"pools.{pool.name}.listen",
                "found a unix socket, expected IP:PORT for a pool with traffic",
                f"or leave traffic away, and list unix@{pool.listen} in a HAProxy of your own",
            )


def _embedded(proxy: ProxySpec, path: str, pools: Sequence[PoolSpec], problems: Problems) -> None:
    behind = [pool for pool in pools if pool.traffic and pool.traffic.proxy == proxy.name]
    if not behind:
        problems.report(
            path,
            "no pool sends it traffic",
            f'give a pool traffic = {{ proxy = "{proxy.name}", upstream = "…" }}',
        )
    upstreams = sorted({pool.traffic.upstream for pool in behind if pool.traffic})
    if len(upstreams) > 1:
        problems.report(
            path,
            f"found the upstreams {', '.join(upstreams)}, expected one: all that arrives at bind goes to it",
            "run a second proxy with a bind of its own",
        )
    if proxy.tls:
        _pem(proxy.tls, f"{path}.tls", problems)


def _pem(file: str, path: str, problems: Problems) -> None:
    """HAProxy wants certificate and key in one file."""
    if any(mark in file for mark in " \"'\\#"):
        problems.report(path, f"found {file}, expected a path without spaces, quotes and #")
        return
    try:
        with open(file, encoding="ascii", errors="replace") as pem:
            text = pem.read(1_000_000)
    except OSError as error:
        problems.report(path, f"{file} cannot be read: {reason(error)}")
        return
    for part in ("CERTIFICATE-----", "PRIVATE KEY-----"):
        if part not in text:
            problems.report(path, f"{file} holds no {part.rstrip('-').lower()}", "one PEM file with both")
