"""Which cluster is meant: its configuration file, its state directory, its socket."""

import os
from typing import Any, NamedTuple

from dashboard.printing import tell
from supervisor.model.places import config_candidates, socket_path, state_dir
from supervisor.model.text import reason

_LONGEST_SOCKET = 107


class NoConfig(Exception):
    """No configuration where one is needed; says where it was looked for."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Place(NamedTuple):
    """Where one cluster lives."""

    config: str | None
    """None where the socket was named directly."""
    name: str
    state: str
    socket: str


def config_file(named: str | None) -> str:
    """The configuration that is meant, as an absolute path."""
    if named:
        if not os.path.exists(named):
            raise NoConfig(f"no such file: {named}", 2)
        return os.path.abspath(named)
    candidates = config_candidates(os.environ)
    for path in candidates:
        if os.path.exists(path):
            return os.path.abspath(path)
        if path == os.environ.get("CLUSTERCTL_CONFIG"):
            raise NoConfig(f"no such file: {path} ($CLUSTERCTL_CONFIG names it)", 2)
    raise NoConfig(
        f"no configuration found (looked for {', '.join(candidates)}); "
        "name one with -c FILE, or see `clusterctl demo`",
        3,
    )


def place(config: str | None, socket: str | None) -> Place:
    """Where the cluster lives that the flags mean. Raises NoConfig."""
    if socket:
        state = os.path.dirname(os.path.abspath(socket))
        return _fits(Place(None, os.path.basename(state), state, os.path.abspath(socket)))
    path = config_file(config)
    name, state = _cluster(path)
    return _fits(Place(path, name, state, socket_path(state)))


def _fits(where: Place) -> Place:
    """Raises NoConfig where no socket can have that path (unix(7))."""
    if len(os.fsencode(where.socket)) > _LONGEST_SOCKET:
        raise NoConfig(f"{where.socket}: a socket's path may have {_LONGEST_SOCKET} bytes; choose a shorter one", 2)
    return where


def _cluster(path: str) -> tuple[str, str]:
    """Name and state directory; whether the rest of the file is valid is not asked here."""
    try:
        with open(path, "rb") as file:
            cluster = _table(file.read())
    except OSError as error:
        raise NoConfig(f"{path}: cannot be read: {reason(error)}", 2) from error
    except ValueError as error:
        raise NoConfig(f"{path}: not TOML: {error}", 2) from error
    found = cluster if isinstance(cluster, dict) else {}
    name, state = found.get("name"), found.get("state_dir")
    if isinstance(state, str) and state:
        return str(name or "cluster"), os.path.normpath(os.path.join(os.path.dirname(path), state))
    if not isinstance(name, str) or not name:
        raise NoConfig(f"{path}: cluster.name is missing (see `clusterctl check {path}`)", 2)
    return name, state_dir(name, os.environ, os.geteuid() == 0)


def _table(data: bytes) -> Any:
    """What the file has under `cluster`. A mistake elsewhere does not keep what runs from being asked."""
    import tomllib

    try:
        return tomllib.loads(data.decode()).get("cluster")
    except ValueError:
        import re

        alone = re.search(rb"(?m)^[ \t]*\[cluster\](?s:.*?)(?=^[ \t]*\[|\Z)", data)
        if alone is None:
            raise
        return tomllib.loads(alone[0].decode()).get("cluster")


def tell_other_file(where: Place, snapshot: dict[str, Any]) -> None:
    """Says it where the cluster that runs there was made from another file than the one that is meant."""
    read = snapshot.get("engine", {}).get("config")
    if where.config and read and os.path.realpath(where.config) != os.path.realpath(read):
        tell(f"the cluster reads {read}, not {where.config}")
