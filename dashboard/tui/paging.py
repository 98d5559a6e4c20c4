"""A text of the screen in the operator's own $PAGER, and on their clipboard."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from dashboard.tui.ink import Line
from supervisor.model.text import clean

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


def plain(lines: Iterable[Line]) -> list[str]:
    """Without colours and harmless: a pager may pass on what it is given."""
    return [clean("".join(text for text, _ in line)).rstrip() for line in lines]


def page_out(top: "TopApp", lines: Iterable[str]) -> None:
    """Leave the terminal to the pager until it ends; the streams wait meanwhile, and the cluster goes on."""
    command = shlex.split(os.environ.get("PAGER") or "less") or ["less"]
    with tempfile.NamedTemporaryFile("w", prefix="clusterctl-", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        failed = _run(top, [*command, file.name])
    if failed:
        top.say(f"{command[0]}: {failed}", "warning")


def _run(top: "TopApp", argv: list[str]) -> str | None:
    # Ctrl-C is the pager's then. A handler, and not SIG_IGN, which the pager would inherit.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    top.suspended = True
    try:
        with top.suspend():
            subprocess.run(argv, check=False)
    except SuspendNotSupported:
        return "this terminal cannot be lent to another program (a browser?)"
    except OSError as error:
        return f"cannot be run ({error.strerror or error}); set PAGER to one that can"
    finally:
        top.suspended = False
        signal.signal(signal.SIGINT, before)
    return None


def copy(top: "TopApp", lines: list[str], what: str) -> None:
    """By OSC 52, which terminals pass on over SSH too."""
    top.copy_to_clipboard("\n".join(clean(line) for line in lines))
    top.say(f"copied {what}")
