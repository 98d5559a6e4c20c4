"""The rules of the house (CONTRIBUTING.md), read from the source: floors, sizes, names, and what is never written.

Each test lists every offender. Where a rule has an exception, it stands in the rule's own table with its reason.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = {
    "model": 0,
    "core": 1,
    "settings": 1,
    "keeper": 1,
    "host": 2,
    "proxies": 2,
    "engine": 3,
    "api": 4,
    "boot": 5,
}
STRANGERS = {("host", "proxies"), ("host", "core"), ("proxies", "host"), ("proxies", "core")}
"""Rooms that must not know each other, though the floors would allow it."""

PURE = {
    "bisect", "collections", "dataclasses", "difflib", "enum", "functools", "heapq", "itertools", "math",
    "msgspec", "operator", "re", "statistics", "typing",
}  # fmt: skip
"""All that `model` and `core` may import: nothing of the world, so that time and chance are arguments."""

THEIRS = {
    "childutils", "compat", "confecho", "datatypes", "dispatchers", "events", "http", "http_client", "loggers",
    "medusa", "options", "pidproxy", "poller", "process", "rpcinterface", "scripts", "skel", "socket_manager",
    "states", "supervisorctl", "supervisord", "templating", "tests", "ui", "web", "xmlrpc",
}  # fmt: skip
"""Names directly under PyPI's `supervisor`, beside which ours can live in one environment."""

NOTHING_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 49

HEAVY = {"textual", "rich", "httpx", "msgspec", "asyncio", "psutil"}
"""What the quick verbs do not pay for."""


def rel(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def sources(*rooms: str) -> tuple[Path, ...]:
    return tuple(path for room in rooms for path in sorted((ROOT / room).rglob("*.py")))


def everything() -> tuple[Path, ...]:
    return sources("supervisor", "dashboard", "tests", "configs")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and whole name of every import, those inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{rel(path)}:{node.lineno}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (
                    node.lineno,
                    inner if (ROOT / inner.replace(".", "/")).with_suffix(".py").exists() else str(node.module),
                )


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_a_floor_imports_itself_and_those_below_and_nothing_else() -> None:
    offenders = []
    for path in sources("supervisor"):
        parts = path.relative_to(ROOT / "supervisor").parts
        here = parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for line, name in imports(path):
            there = room_of(name)
            if not name.startswith("supervisor") or there == here:
                continue
            if FLOORS[there] > FLOORS[here] or (here, there) in STRANGERS:
                offenders.append(f"{rel(path)}:{line}: {here} imports {name}")
    assert not offenders, "\n" + "\n".join(offenders)


def test_model_and_core_import_nothing_of_the_world() -> None:
    offenders = [
        f"{rel(path)}:{line}: {name}"
        for path in sources("supervisor/model", "supervisor/core")
        for line, name in imports(path)
        if name.split(".")[0] not in PURE and not name.startswith(("supervisor.model", "supervisor.core"))
    ]
    assert not offenders, "\n" + "\n".join(offenders)


def test_the_keeper_is_standard_library_alone() -> None:
    offenders = [
        f"{rel(path)}:{line}: {name}"
        for path in sources("supervisor/keeper")
        for line, name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("supervisor.keeper")
    ]
    assert not offenders, "\n" + "\n".join(offenders)


def test_the_dashboard_knows_the_records_and_the_supervisor_knows_no_dashboard() -> None:
    offenders = [
        f"{rel(path)}:{line}: {name}"
        for path in sources("dashboard")
        for line, name in imports(path)
        if name.startswith("supervisor") and not name.startswith("supervisor.model")
    ] + [
        f"{rel(path)}:{line}: {name}"
        for path in sources("supervisor")
        for line, name in imports(path)
        if name.split(".")[0] in ("dashboard", "tests")
    ]
    assert not offenders, "\n" + "\n".join(offenders)


def test_every_file_begins_with_a_sentence_and_a_package_holds_nothing_else() -> None:
    offenders = []
    for path in everything():
        if path.name == "__init__.py" and "tests" in path.parts and not path.read_text():
            continue
        said = ast.get_docstring(tree(path))
        if not said or not said.split("\n\n")[0].rstrip().endswith((".", ":", "?")):
            offenders.append(f"{rel(path)}: no sentence at its head")
        if path.name == "__init__.py" and len(tree(path).body) > 1:
            offenders.append(f"{rel(path)}: more than a docstring")
    assert not offenders, "\n" + "\n".join(offenders)


def test_files_and_functions_are_short() -> None:
    offenders = []
    for path in everything():
        lines = len(path.read_text().splitlines())
        if lines > LONGEST_FILE:
            offenders.append(f"{rel(path)}: {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    offenders.append(f"{rel(path)}:{node.lineno}: {node.name} has {length} lines")
    assert not offenders, "\n" + "\n".join(offenders)


def test_names_say_something_and_are_not_those_of_supervisord() -> None:
    offenders = [
        rel(path) for path in everything() if path.stem in NOTHING_NAMES or path.parent.name in NOTHING_NAMES
    ]
    offenders += [rel(path) for path in (ROOT / "supervisor").iterdir() if path.stem in THEIRS]
    assert not offenders, "\n" + "\n".join(offenders)


def test_no_shell_is_run_and_no_markup_is_parsed() -> None:
    offenders = []
    for path in everything():
        for node in ast.walk(tree(path)):
            where = f"{rel(path)}:{getattr(node, 'lineno', 0)}"
            match node:
                case ast.keyword(arg="shell" | "markup", value=ast.Constant(value=True)):
                    offenders.append(f"{rel(path)}:{node.value.lineno}: {node.arg}=True")
                case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen"):
                    offenders.append(f"{where}: os.{node.attr}")
                case ast.Attribute(attr="from_markup") | ast.Name(id="from_markup"):
                    offenders.append(f"{where}: from_markup")
    assert not offenders, "\n" + "\n".join(offenders)


@pytest.mark.real
def test_the_command_line_starts_without_what_only_the_screen_needs() -> None:
    program = "import json, sys, dashboard.cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert HEAVY & {name.split(".")[0] for name in json.loads(done.stdout)} == set()


@pytest.mark.real
def test_the_keeper_starts_without_what_only_the_engine_needs() -> None:
    program = "import json, sys, supervisor.keeper.__main__; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert HEAVY & {name.split(".")[0] for name in json.loads(done.stdout)} == set()
