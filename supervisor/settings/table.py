"""One table of the configuration read by its list of known keys, collecting every problem on the way."""

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from supervisor.model.errors import Problem
from supervisor.model.text import clean
from supervisor.settings.values import Parse

Report = Callable[[str, str, str | None], None]
"""Takes key path, message and hint."""

# What people write who come from other supervisors.
_SYNONYMS = {
    "cmd": "command",
    "exec": "command",
    "script": "command",
    "args": "command",
    "instances": "workers",
    "replicas": "workers",
    "processes": "workers",
    "numprocs": "workers",
    "count": "workers",
    "port": "ports",
    "directory": "cwd",
    "working_dir": "cwd",
    "environment": "env",
    "health": "alive",
    "liveness": "alive",
    "readiness": "ready",
    "stopsignal": "signal",
    "kill_timeout": "timeout",
    "interval": "every",
    "path": "http",
    "url": "http",
    "max_memory": "memory",
    "max_bytes": "max_size",
    "files": "keep",
    "backend": "upstream",
    "address": "bind",
    "type": "kind",
}


class Problems:
    """Everything wrong with one file, in the order found."""

    def __init__(self, line_of: Callable[[str], int | None]) -> None:
        self.found: list[Problem] = []
        self._line_of = line_of

    def report(self, path: str, message: str, hint: str | None = None) -> None:
        self.found.append(
            Problem(path=clean(path, 200), message=clean(message), hint=hint, line=self._line_of(path))
        )


def read_table(value: object, path: str, keys: Mapping[str, Parse], report: Report) -> dict[str, Any]:
    """The values that parsed, by key; the rest is reported. A key that is absent is absent."""
    if not isinstance(value, dict):
        report(path, f"found {shown(value)}, expected a table", None)
        return {}
    read: dict[str, Any] = {}
    for key, given in value.items():
        parse = keys.get(key)
        where = f"{path}.{key}" if path else key
        if parse is None:
            report(where, "unknown key", nearest(key, keys))
            continue
        try:
            read[key] = parse(given)
        except ValueError as expected:
            report(where, f"found {shown(given)}, expected {expected}", None)
    return read


def required(read: Mapping[str, Any], value: object, path: str, keys: Iterable[str], report: Report) -> bool:
    """Whether all of `keys` were read; those that are not even there are reported."""
    there = value if isinstance(value, dict) else {}
    for key in keys:
        if key not in there and isinstance(value, dict):
            report(f"{path}.{key}", "missing", f'"{path}" needs it')
    return all(key in read for key in keys)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the known word that was probably meant, else all of them."""
    words = list(known)
    synonym = _SYNONYMS.get(word.lower())
    if synonym in words:
        return f'did you mean "{synonym}"?'
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.65)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known: " + ", ".join(words) if words else "there is none"


def shown(value: object) -> str:
    """A value as it would be written, short."""
    if isinstance(value, dict):
        return "a table"
    try:
        written = json.dumps(value, ensure_ascii=False)
    except TypeError:
        written = str(value)
    return clean(written, 80)
