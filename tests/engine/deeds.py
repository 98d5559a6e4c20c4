"""What leaves the engine's process, read from its source: no deed goes unseen by the test that dies at each."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("boot.py", "engine", "host", "proxies")
"""The API answers, and changes nothing by itself; its read-only socket is made anew by each engine."""
OF_FILES = {"write", "pwrite", "rename", "replace", "unlink", "rmdir", "ftruncate", "truncate", "mkdir", "makedirs"}
OF_OS = OF_FILES | {"chmod", "chown", "kill", "killpg"}
OF_ANY = {"_send", "sendall", "sock_sendall", "send", "fallocate", "truncate", "create_subprocess_exec"}

WITHIN = {
    "Feed._append": "Feed.save",
    "Feed._rotated": "Feed.save",
    "KeeperLink.spawn": "Performer.spawn",
    "KeeperLink.signal": "Performer.signal",
    "Rewriting.abandon": "Rewriting.finish",
    "Spare._write": "Feed.save",
    "Spare.clear": "Rewriting.finish",
    "logs.write_all": "Rewriting.run",
}
"""What is done by, and as a part of, one of the steps."""
NO_DEEDS = {
    "Feed._reopen": "at the start: a closed file is open again",
    "KeeperLink._flush": "the rest of what was asked",
    "KeeperLink._send": "how all is asked",
    "KeeperLink.alive": "says that we live",
    "KeeperLink.held": "asks",
    "embedded._run": "asks HAProxy to read a file",
    "embedding.prepare": "a directory",
    "haproxy_socket.ask": "questions, and what is a step of its own: Hands.change, embedded.tell_master",
    "logs._can_collapse": "a trial file",
    "logs._collapse": "rotation, which is no business of the ledger's",
    "logs._copy": "rotation",
    "logs._fallocate": "rotation",
    "logs._shift": "rotation",
    "logs._truncate": "rotation",
    "preflight.trial": "asks another engine",
    "probing._get": "asks a worker",
    "sockdiag._exchange": "asks the kernel",
}


def found() -> set[str]:
    """Each function that writes, sends or starts something: `Class.method`, or `module.function`."""
    root = Path(__file__).parents[2] / "supervisor"
    paths = [
        path for room in ROOMS for path in ([root / room] if room.endswith(".py") else (root / room).rglob("*.py"))
    ]
    return {name for path in paths for name in in_source(path)}


def in_source(path: Path) -> Iterator[str]:
    def look(node: ast.AST, names: tuple[str, ...]) -> Iterator[str]:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from look(inner, (*names, inner.name))
                continue
            if isinstance(inner, ast.Call) and does(inner.func):
                yield ".".join((path.stem, *names)[-2:] if len(names) < 2 else names[:2])
            yield from look(inner, names)

    yield from look(ast.parse(path.read_text()), ())


def does(called: ast.expr) -> bool:
    if not isinstance(called, ast.Attribute):
        return False
    of_os = isinstance(called.value, ast.Name) and called.value.id == "os"
    return called.attr in (OF_OS if of_os else OF_ANY)
