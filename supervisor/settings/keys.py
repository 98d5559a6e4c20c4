"""The language: every table and key that a configuration may hold, with the word that reads it.

docs/config.md describes the same keys; a test holds the two equal. Defaults live in supervisor.model.spec.
"""

from collections.abc import Mapping

from supervisor.settings import commands, values
from supervisor.settings.values import Parse


def _as_it_is(value: object) -> object:
    """A table within, read by itself."""
    return value


_TABLE: Parse = _as_it_is

TOP: Mapping[str, Parse] = {"cluster": _TABLE, "pools": _TABLE, "proxies": _TABLE}

CLUSTER: Mapping[str, Parse] = {
    "name": values.name,
    "state_dir": values.path,
    "read_only_socket": values.path,
    "read_only_group": values.group,
}

POOL: Mapping[str, Parse] = {
    "command": commands.argv,
    "workers": values.workers,
    "ports": values.ports,
    "listen": values.listen,
    "host": values.ip_address,
    "cwd": values.path,
    "env": commands.environment,
    "ready": _TABLE,
    "alive": _TABLE,
    "probe_host": values.host_name,
    "stop": _TABLE,
    "restart": _TABLE,
    "rollout": _TABLE,
    "limits": _TABLE,
    "log": _TABLE,
    "traffic": _TABLE,
}

READY: Mapping[str, Parse] = {
    "http": values.http_path,
    "tcp": values.yes_or_no,
    "notify": values.yes_or_no,
    "log": values.pattern,
    "timeout": values.duration,
    "every": values.duration,
}

ALIVE: Mapping[str, Parse] = {
    "http": values.http_path,
    "tcp": values.yes_or_no,
    "every": values.duration,
    "timeout": values.duration,
    "failures": values.whole(1, 1000),
}

STOP: Mapping[str, Parse] = {"signal": values.signal_name, "timeout": values.duration}

RESTART: Mapping[str, Parse] = {
    "policy": values.one_of("always", "on-failure", "never"),
    "backoff": values.duration,
    "backoff_max": values.duration,
    "give_up": values.give_up,
    "reset_after": values.duration,
}

ROLLOUT: Mapping[str, Parse] = {
    "surge": values.whole(0, values.MOST_WORKERS),
    "unavailable": values.whole(0, values.MOST_WORKERS),
    "batch": values.whole(0, values.MOST_WORKERS),
    "trial": values.http_paths,
    "canary": values.whole(0, values.MOST_WORKERS),
    "pause": values.pause,
    "watch": values.pause,
    "on_drain_timeout": values.one_of("abort", "force"),
}

LIMITS: Mapping[str, Parse] = {"memory": values.size(1 << 20), "nofile": values.whole(16, 1 << 30)}

LOG: Mapping[str, Parse] = {"max_size": values.size(4096), "keep": values.whole(0, 1000)}

TRAFFIC: Mapping[str, Parse] = {
    "proxy": values.name,
    "upstream": values.upstream,
    "drain_timeout": values.duration,
}

PROXY: Mapping[str, Parse] = {
    "kind": values.one_of("haproxy", "memory"),
    "socket": values.path,
    "bind": values.host_port,
    "balance": values.one_of("roundrobin", "leastconn", "source"),
    "cookie": values.cookie,
    "tls": values.path,
    "check": _TABLE,
    "every": values.duration,
    "timeout": values.duration,
    "maxconn": values.whole(1, 1_000_000),
}

CHECK: Mapping[str, Parse] = {
    "http": values.http_path,
    "every": values.duration,
    "fall": values.whole(1, 1000),
    "rise": values.whole(1, 1000),
}

POOL_TABLES: Mapping[str, Mapping[str, Parse]] = {
    "ready": READY,
    "alive": ALIVE,
    "stop": STOP,
    "restart": RESTART,
    "rollout": ROLLOUT,
    "limits": LIMITS,
    "log": LOG,
    "traffic": TRAFFIC,
}

TABLES: Mapping[str, Mapping[str, Parse]] = {
    "cluster": CLUSTER,
    "pools.NAME": POOL,
    **{f"pools.NAME.{name}": keys for name, keys in POOL_TABLES.items()},
    "proxies.NAME": PROXY,
    "proxies.NAME.check": CHECK,
}
"""Every table by its path, for the reference and its test."""
