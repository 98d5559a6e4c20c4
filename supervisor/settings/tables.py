"""[pools.NAME] and [proxies.NAME] turned into records; what a table lacks, the record's default fills in."""

import os
from collections.abc import Mapping
from typing import Any

from supervisor.model.spec import (
    AliveSpec,
    CheckSpec,
    LimitsSpec,
    LogSpec,
    PoolSpec,
    ProxySpec,
    ReadySpec,
    RestartSpec,
    RolloutSpec,
    StopSpec,
    TrafficSpec,
)
from supervisor.settings import keys
from supervisor.settings.table import Report, read_table, required

_MISSING_COMMAND = ("?",)


def read_pool(name: str, given: object, directory: str, cpus: int, report: Report) -> PoolSpec:
    """The pool as far as it could be read: what is wrong is reported, and stands at its default."""
    path = f"pools.{name}"
    read = read_table(given, path, keys.POOL, report)
    required(read, given, path, ("command",), report)
    parts = {
        part: read_table(read.pop(part), f"{path}.{part}", known, report)
        for part, known in keys.POOL_TABLES.items()
        if part in read
    }
    _one_question(parts.get("ready", {}), f"{path}.ready", report)
    _one_question(parts.get("alive", {}), f"{path}.alive", report)
    if read.get("workers") == "cores":
        read["workers"] = max(1, cpus)
    if "/" in read.get("listen", ""):
        read["listen"] = absolute(read["listen"], directory)
    read["cwd"] = absolute(read.get("cwd", "."), directory)
    read.setdefault("command", _MISSING_COMMAND)
    traffic = parts.pop("traffic", None)
    if traffic is not None and required(
        traffic, given_part(given, "traffic"), f"{path}.traffic", ("proxy", "upstream"), report
    ):
        read["traffic"] = TrafficSpec(**traffic)
    return PoolSpec(name=name, **read, **_parts(parts))


def _parts(read: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    restart = dict(read.get("restart", {}))
    if "give_up" in restart:
        restart["give_up"], restart["give_up_window"] = restart["give_up"]
    log = dict(read.get("log", {}))
    if "max_size" in log:
        log["max_bytes"] = log.pop("max_size")
    return {
        "ready": ReadySpec(**read.get("ready", {})),
        "alive": AliveSpec(**read.get("alive", {})),
        "stop": StopSpec(**read.get("stop", {})),
        "restart": RestartSpec(**restart),
        "rollout": RolloutSpec(**read.get("rollout", {})),
        "limits": LimitsSpec(**read.get("limits", {})),
        "log": LogSpec(**log),
    }


def _one_question(read: Mapping[str, Any], path: str, report: Report) -> None:
    asked = [key for key in ("http", "tcp", "notify", "log") if read.get(key)]
    if len(asked) > 1:
        report(path, f"found {' and '.join(asked)}, expected one of them", "a worker is asked one question")


def read_proxy(name: str, given: object, directory: str, report: Report) -> ProxySpec:
    path = f"proxies.{name}"
    read = read_table(given, path, keys.PROXY, report)
    if "check" in read:
        read["check"] = CheckSpec(**read_table(read["check"], f"{path}.check", keys.CHECK, report))
    for key in ("socket", "tls"):
        if key in read:
            read[key] = absolute(read[key], directory)
    return ProxySpec(name=name, **read)


def absolute(path: str, directory: str) -> str:
    """`path` as seen from the directory of the configuration file."""
    return os.path.normpath(os.path.join(directory, path))


def given_part(given: object, part: str) -> object:
    return given.get(part) if isinstance(given, dict) else None
