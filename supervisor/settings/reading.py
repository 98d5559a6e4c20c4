"""From a file to a ClusterSpec: read it, read its tables, check them against each other."""

import os
import tomllib
from collections.abc import Mapping

import msgspec

from supervisor.model.errors import BadConfig, Problem
from supervisor.model.places import state_dir
from supervisor.model.spec import ClusterSpec, PoolSpec, ProxySpec
from supervisor.model.text import reason
from supervisor.settings import keys, values
from supervisor.settings.checks import check
from supervisor.settings.lines import line_of, lines_of_keys
from supervisor.settings.table import Problems, Report, read_table, required, shown
from supervisor.settings.tables import absolute, read_pool, read_proxy

LARGEST_FILE = 4 * 1024 * 1024


def read(path: str, env: Mapping[str, str], root: bool, cpus: int) -> ClusterSpec:
    """The cluster that the file asks for.

    `env` gives $XDG_STATE_HOME and $HOME, `root` whether we run as root, `cpus` what "cores" means.
    Raises BadConfig with every problem of the file.
    """
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = str(error) or "nested too deeply"
        raise BadConfig(path, (Problem(path="", message=f"not TOML: {said}"),)) from None
    lines = lines_of_keys(text)
    problems = Problems(lambda key: line_of(lines, key))
    spec = _cluster(document, os.path.abspath(path), env, root, cpus, problems)
    if problems.found:
        raise BadConfig(path, tuple(sorted(problems.found, key=lambda problem: problem.line or 0)))
    return spec


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _whole(path, f"cannot be read: {reason(error)}") from None
    if len(data) > LARGEST_FILE:
        raise _whole(path, f"larger than {LARGEST_FILE} bytes, which no configuration is")
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _whole(path, f"not UTF-8: byte {data[error.start]:#04x} at offset {error.start}") from None
    if not text.strip():
        raise _whole(path, "empty", 'the least is [cluster] with name = "…"')
    return text


def _whole(path: str, message: str, hint: str | None = None) -> BadConfig:
    return BadConfig(path, (Problem(path="", message=message, hint=hint),))


def _cluster(
    document: dict[str, object], source: str, env: Mapping[str, str], root: bool, cpus: int, problems: Problems
) -> ClusterSpec:
    directory = os.path.dirname(source)
    report = problems.report
    top = read_table(document, "", keys.TOP, report)
    if "cluster" not in top:
        report("cluster", "missing", 'begin with [cluster] and name = "…"')
    given = top.get("cluster", {})
    cluster = read_table(given, "cluster", keys.CLUSTER, report)
    if "cluster" in top:
        required(cluster, given, "cluster", ("name",), report)
    name = cluster.get("name", "")
    state = cluster.get("state_dir")
    pools = [
        read_pool(pool, table, directory, cpus, report)
        for pool, table in _named(top.get("pools", {}), "pools", report)
    ]
    proxies = [
        read_proxy(proxy, table, directory, report)
        for proxy, table in _named(top.get("proxies", {}), "proxies", report)
    ]
    spec = ClusterSpec(
        name=name,
        state_dir=absolute(state, directory) if state else os.path.abspath(state_dir(name, env, root)),
        pools=tuple(pools),
        proxies=tuple(_checked_like_their_pool(proxy, pools) for proxy in proxies),
        source=source,
        read_only_socket=absolute(looking, directory) if (looking := cluster.get("read_only_socket")) else None,
        read_only_group=cluster.get("read_only_group"),
    )
    check(spec, problems)
    return spec


def _named(tables: object, path: str, report: Report) -> list[tuple[str, object]]:
    """The tables below [pools] or [proxies]; a name that will not do is reported, its table still read."""
    if not isinstance(tables, dict):
        report(path, f"found {shown(tables)}, expected tables [{path}.NAME]", None)
        return []
    for name in tables:
        try:
            values.name(name)
        except ValueError as expected:
            report(f"{path}.{name}", f"found the name {shown(name)}, expected {expected}", None)
    return list(tables.items())


def _checked_like_their_pool(proxy: ProxySpec, pools: list[PoolSpec]) -> ProxySpec:
    """An embedded proxy asks what the pool's own readiness asks, where nothing else is said."""
    if not proxy.embedded or proxy.check.http:
        return proxy
    asks = [pool.ready.http for pool in pools if pool.traffic and pool.traffic.proxy == proxy.name]
    if not asks or asks[0] is None:
        return proxy
    return msgspec.structs.replace(proxy, check=msgspec.structs.replace(proxy.check, http=asks[0]))
