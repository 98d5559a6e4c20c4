"""From the engine's launch to an order and its record, checked: what is malformed is refused and never raised."""

import os
from typing import Any

from supervisor.keeper.protocol import Message, encode
from supervisor.keeper.records import Record
from supervisor.keeper.sockets import Listeners
from supervisor.keeper.spawning import Order


class BadOrder(Exception):
    """Why a launch cannot even be tried."""


def record_of(launch: Message, started: float, wall: float, boot: str) -> Record:
    """What is kept about it, pid and start ticks apart."""
    return {
        "serial": _want(launch, "serial", int),
        "boot": boot,
        "name": _want(launch, "name", str),
        "started": started,
        "started_wall": wall,
        "log": _want(launch, "log", str),
        "listen": _strings(launch.get("listen", []), "listen"),
        "note": _mapping(launch.get("note", {}), "note"),
    }


def order_of(launch: Message, record: Record, listeners: Listeners, notify_path: str) -> Order:
    names = record["listen"]
    try:
        fds = listeners.fds(names)
    except KeyError as error:
        raise BadOrder(f"no listening socket named {error.args[0]}") from None
    argv = _strings(launch.get("argv"), "argv")
    if not argv or not argv[0]:
        raise BadOrder("no program named")
    if names:
        argv = [argument.replace("{fd}", "3") for argument in argv]
    env = _mapping(launch.get("env", {}), "env")
    # Last, so that nothing that the engine passes on can put another worker's marks on it.
    told = encode({key: record[key] for key in ("name", "log", "listen", "note")}).decode().rstrip()
    env |= {
        "NOTIFY_SOCKET": notify_path,
        "CLUSTERCTL_SERIAL": str(record["serial"]),
        "CLUSTERCTL_RECORD": told,
    }
    nofile = launch.get("nofile")
    if nofile is not None and not isinstance(nofile, int):
        raise BadOrder("nofile: not a number")
    _refuse_nul(argv, env)
    return Order(
        argv=argv,
        cwd=_want(launch, "cwd", str),
        env=env,
        log=os.path.abspath(record["log"]),
        fds=fds,
        listen=names,
        nofile=nofile,
        record=encode(record).decode()[1:-1],
    )


def _refuse_nul(argv: list[str], env: dict[str, str]) -> None:
    for text in (*argv, *env, *env.values()):
        if "\0" in text:
            raise BadOrder(f"a NUL byte in {text.replace(chr(0), '␀')[:60]}")
    for key in env:
        if not key or "=" in key:
            raise BadOrder(f"not a name for an environment variable: {key[:60]!r}")


def _want(launch: Message, key: str, kind: type) -> Any:
    value = launch.get(key)
    if not isinstance(value, kind):
        raise BadOrder(f"{key}: missing or not of type {kind.__name__}")
    return value


def _strings(value: Any, key: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadOrder(f"{key}: not a list of strings")
    return value


def _mapping(value: Any, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise BadOrder(f"{key}: not strings by name")
    return dict(value)
