"""Which of a program's last lines say why it ended: stack frames and closing lines of run-times do not."""

import re
from collections.abc import Iterator, Sequence

_NODE = re.compile(r"Node\.js v\d+\.\d+\.\d+$")
_ERROR = re.compile(r"(Uncaught )?\w*Error\b")
_GO = re.compile(r"goroutine \d+ \[")
# Of V8 and the JVM, of Ruby, of Rust; and what Python draws under a line of source.
_FRAME = re.compile(
    r"\s+at \S|\s+\.\.\. \d+ more$|\s+from \S+:\d+:in |note: run with `RUST_BACKTRACE|\s+[\^~]+\s*$|Node\.js v\d"
)
_PYTHON = re.compile(r'\s+File ".+", line \d+')


def telling(lines: Sequence[str]) -> list[str]:
    """Those that are worth showing, in their order; all of them where none would be left."""
    return list(_without_frames(_to_the_reason(lines))) or list(lines)


def _to_the_reason(lines: Sequence[str]) -> Sequence[str]:
    """Node writes the fields of an error below it, Go what each goroutine was doing: the reason stands above."""
    if any(_NODE.match(line) for line in lines[-2:]):
        at = max((n for n, line in enumerate(lines) if _ERROR.match(line)), default=None)
        return lines if at is None else lines[: at + 1]
    panic = max((n for n, line in enumerate(lines) if line.startswith(("panic: ", "fatal error: "))), default=None)
    if panic is not None:
        below = (n for n in range(panic, len(lines)) if _GO.match(lines[n]))
        return lines[: next(below, len(lines))]
    return lines


def _without_frames(lines: Sequence[str]) -> Iterator[str]:
    source = False
    for line in lines:
        frame = _PYTHON.match(line) is not None
        if not frame and not _FRAME.match(line) and not (source and line.startswith("    ")):
            yield line
        source = frame
