"""All benchmarks, or those named, one after the other: what `make bench` runs.

    .venv/bin/python -m tests.benchmarks [idle status …] [--record]

`--record` keeps the figures in docs/performance.jsonl, in the place of those benchmarks' last ones, and writes the
tables of docs/performance.md from it.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks._page import FIGURES, write
from tests.benchmarks._peers import say_missing, versions
from tests.benchmarks._readings import machine

HERE = Path(__file__).parent
LAST = ("idle", "screen", "reload")
"""The longest come last."""
APART = ("growth", "screengrowth")
"""What takes hours, or shows one, is run by its own name only."""
LONGER = {"growth": ("--minutes", "100"), "screengrowth": ("--pictures", "6600")}
SHORTER = {"screen": ("--seconds", "6", "--rounds", "3"), "reload": ("--reloads", "2", "--pause", "2")}
"""So that all of them take less than 20 minutes."""


def names() -> list[str]:
    """Every program here; the quick ones first."""
    found = [path.stem for path in HERE.glob("[!_]*.py")] + [
        path.parent.name for path in HERE.glob("*/__main__.py")
    ]
    return sorted(found, key=lambda name: (name in LAST, name))


def run(name: str) -> tuple[list[dict[str, Any]], bool]:
    """Passes on what it prints; a line of its circumstances and its lines of JSON, and whether it ended well."""
    words = ["-m", f"tests.benchmarks.{name}", *SHORTER.get(name, ()), *LONGER.get(name, ())]
    command = f"python {' '.join(words)}"
    print(f"== {command}", flush=True)
    head = {
        "benchmark": name,
        "command": command,
        "date": datetime.date.today().isoformat(),
        **machine(),
        "realtime": os.sched_getscheduler(0) == os.SCHED_RR,
        "programs": versions(),
    }
    lines, begun = [], time.monotonic()
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        for line in one.stdout:
            if line.startswith('{"benchmark"'):
                lines.append(json.loads(line))
            else:
                print(line, end="", flush=True)
    seconds = round(time.monotonic() - begun)
    print(f"{name}: {seconds} s\n", flush=True)
    return [head | {"seconds": seconds}, *lines], one.returncode == 0


def record(made: dict[str, list[dict[str, Any]]]) -> None:
    """Into the file, in the place of the last run of the same benchmarks, and from there into the page."""
    kept = [json.loads(line) for line in FIGURES.read_text().splitlines()] if FIGURES.exists() else []
    lines = [line for line in kept if line["benchmark"] not in made]
    lines += [line for new in made.values() for line in new]
    FIGURES.write_text(
        "".join(f"{json.dumps(line)}\n" for line in sorted(lines, key=lambda line: line["benchmark"]))
    )
    write(lines)


def main() -> int:
    """1 when one of them failed; the others are run, and kept, all the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *names()], metavar="NAME", help=" ".join(names()))
    parser.add_argument(
        "--realtime", action="store_true", help="ahead of all other work on the machine (SCHED_RR; needs root)"
    )
    parser.add_argument("--record", action="store_true", help="into docs/performance.jsonl and docs/performance.md")
    options = parser.parse_args()
    say_missing()
    if options.realtime:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    made, failed, begun = {}, [], time.monotonic()
    for name in options.names or [name for name in names() if name not in APART]:
        lines, well = run(name)
        if well:
            made[name] = lines
        else:
            failed.append(name)
    print(f"all: {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)
    if options.record:
        record(made)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
