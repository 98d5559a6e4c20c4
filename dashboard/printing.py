"""Where text goes: results to stdout, progress and errors to stderr, colour only where a terminal wants it."""

import os
import sys
from contextlib import suppress
from typing import TextIO

from dashboard.table import Paper
from supervisor.model.text import clean


def open_streams() -> None:
    """A shell's `>&-` leaves one closed: what is opened next would get its number, and be written to."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)  # also makes it one for our children
            if null != number:
                os.close(null)
            else:
                os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def let_go_of_stdout() -> None:
    """It takes nothing more: Python would complain once again when it flushes at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def paper_for(stream: TextIO) -> Paper:
    """Plain without end for pipes and files; the terminal's width, and colour unless told otherwise, else."""
    if not stream.isatty():
        return Paper()
    try:
        width = os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        width = 80
    return Paper(colour=coloured(), width=width)


def coloured() -> bool:
    """https://no-color.org, and terminals that cannot."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in ("dumb", "")


def screen_possible() -> bool:
    """A terminal on both sides that can do more than print lines."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")


def out(*lines: str) -> None:
    """Lines that were made harmless already."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def result(text: str) -> None:
    """One sentence that is what was asked for."""
    out(clean(text))


def tell(text: str) -> None:
    """One sentence beside the result; a terminal that is gone is no reason to stop half-way."""
    with suppress(OSError):
        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()


def fail(text: str) -> None:
    tell(f"clusterctl: {text}")


def out_json(body: bytes) -> None:
    """JSON as it came, one line; outside ASCII it is escaped, for it may hold what a terminal obeys."""
    if not body.isascii() or b"\x7f" in body:
        import json

        body = json.dumps(json.loads(body)).replace("\x7f", "\\u007f").encode()
    sys.stdout.write(body.decode("ascii").rstrip("\n") + "\n")
    sys.stdout.flush()
