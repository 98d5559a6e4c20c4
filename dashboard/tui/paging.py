"""A text of the screen in the operator's own $PAGER, and on their clipboard."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from dashboard.tui.ink import Line
from supervisor.model.text import clean, reason

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


def plain(lines: Iterable[Line]) -> list[str]:
    """Without colours and harmless: a pager may pass on what it is given."""
    return [clean("".join(text for text, _ in line)).rstrip() for line in lines]


def page_out(top: "TopApp", lines: Iterable[str]) -> None:
    """Leave the terminal to the pager until it ends; the streams wait meanwhile, and the cluster goes on."""
    pager = os.environ.get("PAGER") or "less"
    try:
        command = shlex.split(pager) or ["less"]
        with tempfile.NamedTemporaryFile("w", prefix="clusterctl-", suffix=".txt", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            failed = _run(top, [*command, file.name])
    except OSError as error:
        failed = f"no file to show it from: {reason(error)}"
    except ValueError as error:
        failed = f"$PAGER makes no sense: {error}"
    if failed:
        top.say(f"{pager}: {failed}", "warning")


def _run(top: "TopApp", argv: list[str]) -> str | None:
    pager: subprocess.Popen[bytes] | None = None
    leaving = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal leaving
        leaving = True
        if pager is not None:
            pager.terminate()

    # Ctrl-C is the pager's then. Handlers, and not SIG_IGN, which the pager would inherit. What asks us to end must
    # end the pager first: our event loop, which hears of it too, waits for that.
    asked = {signal.SIGINT: lambda number, frame: None, signal.SIGTERM: end, signal.SIGHUP: end}
    before = {number: signal.signal(number, handler) for number, handler in asked.items()}
    top.suspended = True
    try:
        with top.suspend():
            pager = subprocess.Popen(argv)
            if leaving:
                pager.terminate()
            pager.wait()
    except SuspendNotSupported:
        return "this terminal cannot be lent to another program (a browser?)"
    except OSError as error:
        return f"cannot be run ({error.strerror or error}); set PAGER to one that can"
    finally:
        top.suspended = False
        for number, handler in before.items():
            signal.signal(number, handler)
    return None


def copy(top: "TopApp", lines: list[str], what: str) -> None:
    """By OSC 52, which terminals pass on over SSH too."""
    top.copy_to_clipboard("\n".join(clean(line) for line in lines))
    top.say(f"copied {what}")
