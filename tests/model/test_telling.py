"""The last line that is shown of a program that died is the one that says why, whatever its language."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.model.telling import telling

JAVA = """Exception in thread "main" java.lang.IllegalStateException: cannot start
\tat com.shop.Main.main(Main.java:12)
Caused by: java.net.ConnectException: Connection refused
\tat java.base/sun.nio.ch.Net.connect0(Native Method)
\t... 12 more"""
GO = """serving on :8080
panic: no database

goroutine 1 [running]:
main.main()
\t/src/main.go:9 +0x1d
exit status 2"""
RUST = """thread 'main' panicked at src/main.rs:3:29:
called `Option::unwrap()` on a `None` value
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"""
RUBY = """app.rb:1:in `connect': no database (RuntimeError)
\tfrom app.rb:4:in `<main>'"""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (JAVA, "Caused by: java.net.ConnectException: Connection refused"),
        (GO, "panic: no database"),
        (RUST, "called `Option::unwrap()` on a `None` value"),
        (RUBY, "app.rb:1:in `connect': no database (RuntimeError)"),
        ("bye", "bye"),
        ("Settings\n  database_url\n    Field required", "    Field required"),
        ("    at the end", "    at the end"),
    ],
)
def test_the_reason_is_last(said: str, reason: str) -> None:
    assert telling([line for line in said.splitlines() if line])[-1] == reason


NODE = {
    "require('no-such-thing')": "Error: Cannot find module 'no-such-thing'",
    "throw new TypeError('no database')": "TypeError: no database",
    "require('http').createServer().listen({fd: 77})": "Error: listen E",
    "Promise.reject(new Error('no database'))": "Error: no database",
}


@pytest.mark.real
@pytest.mark.parametrize("program", NODE, ids=["a module", "an error", "a descriptor", "a rejection"])
def test_what_node_writes_below_its_error_is_left_out(tmp_path: Path, program: str) -> None:
    node = shutil.which("node")
    assert node, "Node is needed"
    (tmp_path / "x.js").write_text(program)
    ran = subprocess.run([node, "x.js"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    lines = [line for line in ran.stderr.splitlines() if line.strip()]
    assert lines[-1].startswith("Node.js v")
    assert telling(lines)[-1].startswith(NODE[program]), ran.stderr


@pytest.mark.real
def test_of_pythons_traceback_the_lines_of_source_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("def f():\n    raise OSError('no database')\nf()\n")
    ran = subprocess.run([sys.executable, "x.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert telling(ran.stderr.splitlines()) == ["Traceback (most recent call last):", "OSError: no database"]
