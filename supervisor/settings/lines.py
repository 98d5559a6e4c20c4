"""Which line of a TOML file holds a key; good enough for messages, no second parser."""

import re

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def lines_of_keys(text: str) -> dict[str, int]:
    """Key path -> line, counted from 1; keys inside inline tables are found by their table."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            table = _path(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            path = _path(key[1])
            found.setdefault(f"{table}.{path}" if table else path, number)
    return found


def line_of(found: dict[str, int], path: str) -> int | None:
    """The line of `path`, or of the nearest table around it."""
    while path:
        if path in found:
            return found[path]
        path = path.rpartition(".")[0]
    return None


def _path(written: str) -> str:
    return ".".join(part.strip("\"'") for part in _PART.findall(written))
