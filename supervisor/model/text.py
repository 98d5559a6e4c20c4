"""Text from outside made harmless: no control or bidirectional character survives, and length is bounded."""

import re
from collections.abc import Sequence

LONGEST = 2_000
PLACE_MARK = "\x1e"
"""Begins a line that tells where in a log the next ones stand: no line that was made harmless can hold it."""

# C0 and C1 controls, DEL, bidirectional controls, zero-width joiners, line separators, BOM, lone surrogates.
_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


def _visible(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def clean(text: str, longest: int = LONGEST) -> str:
    """One line that is safe on any terminal: controls become visible pictures (␛, ␊), tabs one space."""
    if text.isascii() and text.isprintable() and len(text) <= longest:
        return text
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return _HOSTILE.sub(_visible, text.replace("\t", " "))


def clean_bytes(line: bytes, longest: int = LONGEST) -> str:
    """`clean` for a line of output in any encoding: what is not UTF-8 becomes U+FFFD."""
    return clean(line[: longest * 4].decode("utf-8", "replace"), longest)


def reason(error: OSError) -> str:
    """What the system says of it, in our style: `permission denied`."""
    return (error.strerror or str(error)).lower()


def plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def last_words(lines: Sequence[str]) -> str:
    """What a worker wrote before its end, to stand after the reason."""
    return f"; its last lines: {' | '.join(lines[-3:])}" if lines else ""
