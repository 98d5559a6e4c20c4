"""A configuration validated by the program that knows them, in a process of its own."""

import subprocess
import sys
from argparse import Namespace

from dashboard.finding import config_file
from dashboard.printing import out, tell
from supervisor.model.text import clean

_LONGEST_LINE = 100_000


def check(args: Namespace) -> int:
    done = _asked(config_file(args.file or args.config), ["--json"] if args.json else [])
    out(*(clean(line, _LONGEST_LINE) for line in done.stdout.splitlines()))
    for line in done.stderr.splitlines():
        tell(line)
    return done.returncode


def checked(path: str) -> int:
    """0, or 2 with every problem of the configuration on stderr."""
    done = _asked(path, [])
    for line in done.stderr.splitlines():
        tell(line)
    return done.returncode


def _asked(path: str, flags: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "supervisor.settings", path, *flags],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
