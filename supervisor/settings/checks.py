"""What only shows when keys are held against each other: within a pool, between pools, pools and proxies."""

from supervisor.model.places import socket_path
from supervisor.model.spec import ClusterSpec, PoolSpec, RestartSpec
from supervisor.settings import addresses
from supervisor.settings.commands import asks_for
from supervisor.settings.proxychecks import check_proxy
from supervisor.settings.table import Problems, nearest

LONGEST_SOCKET_PATH = 107
"""Bytes in sun_path of struct sockaddr_un on Linux, the final NUL aside."""


def check(spec: ClusterSpec, problems: Problems) -> None:
    _socket_length("cluster.state_dir", socket_path(spec.state_dir), problems)
    if spec.read_only_socket:
        _socket_length("cluster.read_only_socket", spec.read_only_socket, problems)
    elif spec.read_only_group:
        problems.report("cluster.read_only_group", "needs cluster.read_only_socket, and there is none")
    wrong = {problem.path for problem in problems.found}
    for pool in spec.pools:
        _pool(pool, wrong, problems)
        _traffic(pool, spec, wrong, problems)
    for proxy in spec.proxies:
        check_proxy(proxy, spec.pools, wrong, problems)
        if proxy.socket:
            _socket_length(f"proxies.{proxy.name}.socket", proxy.socket, problems)
    addresses.check(spec, problems)


def _pool(pool: PoolSpec, wrong: set[str], problems: Problems) -> None:
    path = f"pools.{pool.name}"
    _placeholders(pool, path, wrong, problems)
    if pool.ports and pool.listen:
        problems.report(f"{path}.listen", "found ports and listen, expected one of them")
    if pool.ports and "PORT" in pool.env:
        problems.report(f"{path}.env", "sets PORT, which is each worker's own port from ports", "leave it out")
    addressed = pool.ports or pool.listen or {f"{path}.ports", f"{path}.listen"} & wrong
    for asked, question in (("ready", pool.ready), ("alive", pool.alive)):
        for key in ("http", "tcp"):
            if getattr(question, key) and not addressed:
                problems.report(
                    f"{path}.{asked}.{key}",
                    "asks at an address, and the pool has none",
                    f"give {path} ports or listen",
                )
    if pool.rollout.surge == 0 and pool.rollout.unavailable == 0:
        problems.report(
            f"{path}.rollout",
            "surge = 0 and unavailable = 0 leave no way to replace a worker",
            "let one of them be 1 or more",
        )
    if pool.rollout.trial and (pool.ready.notify or not pool.ready.asks or not addressed):
        problems.report(
            f"{path}.rollout.trial",
            "asks at an address once the worker is ready, and needs ready.http, ready.tcp or ready.log",
            f"give {path} a readiness question, and ports or listen",
        )
    if pool.ports:
        _enough_ports(pool, path, problems)
    if pool.listen and "/" in pool.listen:
        _socket_length(f"{path}.listen", pool.listen, problems)
    _backoff(pool.restart, f"{path}.restart", wrong, problems)


def _placeholders(pool: PoolSpec, path: str, wrong: set[str], problems: Problems) -> None:
    for placeholder, there, key in (("port", pool.ports, "ports"), ("fd", pool.listen, "listen")):
        if asks_for(pool.command, placeholder) and not there and f"{path}.{key}" not in wrong:
            problems.report(
                f"{path}.command", f"holds {{{placeholder}}}, and the pool has no {key}", f"give {path} {key}"
            )


def _enough_ports(pool: PoolSpec, path: str, problems: Problems) -> None:
    assert pool.ports is not None
    first, last = pool.ports
    there, needed = last - first + 1, pool.workers + pool.rollout.surge
    if there < needed:
        problems.report(
            f"{path}.ports",
            f"found {there} port{'s' if there > 1 else ''} ({first}-{last}), expected at least {needed}: "
            f"{pool.workers} workers and {pool.rollout.surge} more while replacing (rollout.surge)",
            f'such as "{first}-{min(65535, first + needed - 1)}"',
        )


def _backoff(restart: RestartSpec, path: str, wrong: set[str], problems: Problems) -> None:
    if restart.backoff > restart.backoff_max and not {f"{path}.backoff", f"{path}.backoff_max"} & wrong:
        problems.report(
            f"{path}.backoff_max",
            f"{restart.backoff_max:g} s is below backoff ({restart.backoff:g} s)",
        )


def _traffic(pool: PoolSpec, spec: ClusterSpec, wrong: set[str], problems: Problems) -> None:
    if pool.traffic is None:
        return
    path = f"pools.{pool.name}"
    if not pool.ports and not pool.listen and not {f"{path}.ports", f"{path}.listen"} & wrong:
        problems.report(f"{path}.traffic", "the pool has no address for a proxy", f"give {path} ports or listen")
    names = [proxy.name for proxy in spec.proxies]
    if pool.traffic.proxy not in names:
        problems.report(
            f"{path}.traffic.proxy",
            f'found "{pool.traffic.proxy}", which is no [proxies.NAME]',
            nearest(pool.traffic.proxy, names),
        )


def _socket_length(path: str, socket: str, problems: Problems) -> None:
    length = len(socket.encode(errors="surrogateescape"))
    if length > LONGEST_SOCKET_PATH:
        problems.report(
            path,
            f"the socket's path would have {length} bytes, expected at most {LONGEST_SOCKET_PATH}: {socket}",
            "choose a shorter directory",
        )
