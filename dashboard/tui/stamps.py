"""When a line of a worker's log was written, as far as the line itself tells; pure."""

import re
from collections.abc import Sequence
from datetime import datetime

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?\s?(Z|[+-]\d\d:?\d\d)?")
"""ISO 8601 and RFC 3339, with the comma of Python's logging."""
_COMMON = re.compile(r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]")
"""The access log of Apache, which gunicorn and others write."""
_LOOKED_AT = 120


def stamp(line: str) -> float | None:
    """Wall seconds; without a zone in the line it is local time. None where no moment stands in it."""
    start = line[:_LOOKED_AT]
    try:
        if found := _ISO.search(start):
            day, time, fraction, zone = found.groups()
            text = f"{day}T{time}.{(fraction or '0').ljust(6, '0')}{zone or ''}"
            return datetime.fromisoformat(text).timestamp()
        if found := _COMMON.search(start):
            return datetime.strptime(found[1], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    return None


def written_until(lines: Sequence[str], wall: float) -> list[str] | None:
    """Those lines that were written by then; None where no line tells when it was written.

    Lines without a moment (of a traceback) belong to the one before.
    """
    stamps = [stamp(line) for line in lines]
    known = [one for one in stamps if one is not None]
    if not known:
        return None
    when, kept = known[0], []
    for line, own in zip(lines, stamps, strict=True):
        when = when if own is None else own
        if when < wall + 1:  # stamps are often of whole seconds
            kept.append(line)
    return kept
