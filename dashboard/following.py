"""An operation watched to its end: each step as it happens, then the outcome, and the exit code for it."""

import json
import sys
import time
from typing import Any

from dashboard.answers import NoAnswer, NobodyThere, Refused, quoted
from dashboard.pipe import Pipe
from dashboard.printing import coloured, out_json, result, tell
from dashboard.say import clock, local
from dashboard.table import cut
from supervisor.model.text import clean

Row = dict[str, Any]

_FIRST_PAUSE = 0.02
_LAST_PAUSE = 0.2
_PATIENCE = 15.0
"""Seconds without any answer, after which an operation is no longer waited for."""


class Progress:
    """Steps as lines on stderr; on a terminal also one line that is written over again and again."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and coloured()
        self._last: list[str] | None = None
        self._shown = ""

    def show(self, operation: Row) -> None:
        """The steps that are new since the last call, and where it stands."""
        steps = [list(step) for step in operation.get("steps") or ()]
        # The engine keeps a bounded number of steps: counting them would go wrong.
        fresh = steps[steps.index(self._last) + 1 :] if self._last in steps else steps
        for step in fresh:
            self._wipe()
            tell(f"{clock(step[0])} {step[1]}")
        self._last = steps[-1] if steps else self._last
        if operation.get("phase") == "running":
            self.line(str(operation.get("progress") or ""))

    def line(self, text: str) -> None:
        """Where it stands, on a terminal alone."""
        if self._live and text and text != self._shown:
            sys.stderr.write("\r\x1b[K" + cut(clean(text), 78))
            sys.stderr.flush()
            self._shown = text

    def _wipe(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = ""

    def close(self) -> None:
        self._wipe()
        sys.stderr.flush()


def follow(pipe: Pipe, operation: Row, timeout: float | None, as_json: bool) -> int:
    """Waits until `operation` has ended. 0 done, 1 failed or aborted, 6 out of time, 130 interrupted."""
    deadline = None if timeout is None else time.monotonic() + timeout
    progress = Progress()
    try:
        operation = _to_the_end(pipe, operation, deadline, progress)
    except KeyboardInterrupt:
        progress.close()
        tell(f"interrupted; {_name(operation)} goes on (`clusterctl operations {operation.get('id')}` follows it)")
        return 130
    finally:
        progress.close()
    return outcome(operation, as_json)


def outcome(operation: Row, as_json: bool) -> int:
    """Prints how an operation stands; the exit code for it."""
    phase = operation.get("phase")
    if as_json:
        out_json(json.dumps(operation).encode())
    else:
        result(said(operation))
    match phase:
        case "done":
            return 0
        case "running":
            if not as_json:
                tell(f"`clusterctl operations {operation.get('id')}` follows it")
            return 6
        case _:
            return 1


def said(operation: Row) -> str:
    """One sentence: what was asked for and how it stands."""
    verb, progress, why = (local(str(operation.get(key) or "")) for key in ("verb", "progress", "why"))
    match operation.get("phase"):
        case "done":
            return f"{verb}: {progress or 'done'}"
        case "running":
            return f"still going: {_name(operation)}: {progress or 'asked for'}"
        case phase:
            told = "; ".join(text for text in (why, progress if progress != why else "") if text)
            return f"{verb}: {phase}" + (f": {told}" if told else "")


def _to_the_end(pipe: Pipe, operation: Row, deadline: float | None, progress: Progress) -> Row:
    pause, heard = _FIRST_PAUSE, time.monotonic()
    while True:
        progress.show(operation)
        now = time.monotonic()
        if operation.get("phase") != "running" or (deadline is not None and now >= deadline):
            return operation
        time.sleep(pause if deadline is None else max(0.0, min(pause, deadline - now)))
        pause = min(pause * 1.3, _LAST_PAUSE)
        try:
            most = pipe.timeout if deadline is None else min(pipe.timeout, max(0.1, deadline - time.monotonic()))
            asked = Pipe(pipe.socket, most).get(f"/v1/operations/{quoted(str(operation.get('id')))}")
            operation = dict(asked.json())
            heard = time.monotonic()
        except Refused as error:
            raise NoAnswer(f"{_name(operation)} cannot be followed: {error.detail}") from error
        except NoAnswer as error:
            # The engine is started again by its keeper; the operation is in its journal and goes on.
            if deadline is not None and time.monotonic() >= deadline:
                return operation
            if time.monotonic() - heard > _PATIENCE:
                raise
            gone = isinstance(error, NobodyThere)
            progress.line("nobody answers; waiting" if gone else f"{error}; asking again")


def _name(operation: Row) -> str:
    return f"{operation.get('id')} ({operation.get('verb')})"
