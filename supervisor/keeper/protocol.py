"""The lines between keeper and engine: one JSON object a line, both ways, on one stream socket.

The engine asks:

    {"type": "held"}                       Exited and Notified that are not heard yet are told, then Held
    {"type": "spawn", …Launch}             answered by Spawned or SpawnFailed
    {"type": "signal", "serial": 7, "signal": "TERM", "group": true}
    {"type": "ack", "number": 12}          the Exited of that number is journaled
    {"type": "listen", "name": "web", "address": "127.0.0.1:8000", "request": 1}   answered by Listening
    {"type": "unlisten", "name": "web"}
    {"type": "up"}                         the engine serves: whoever started the keeper may be told
    {"type": "alive"}                      the engine takes its turns; told about once a second
    {"type": "succeed", "python": "/…"}    the next engine is run by that interpreter
    {"type": "shutdown", "keep_workers": false}

The keeper tells, with the keys of supervisor/model/launch.py:

    {"type": "Held", "workers": […], "listening": ["web"]}
    {"type": "Spawned", …}                 {"type": "SpawnFailed", …}   {"type": "Exited", …}
    {"type": "Notified", …}                {"type": "Terminate"}        {"type": "ReloadAsked"}
    {"type": "Listening", "request": 1, "why": null}

Nothing is told before the engine asked `held`, so that it hears nothing twice and nothing of its predecessor's.
Unknown types are ignored by both, so that an engine may be newer than its keeper.
"""

import json
from collections.abc import Iterator
from typing import Any

from supervisor.keeper import limits

Message = dict[str, Any]

_encode = json.JSONEncoder(separators=(",", ":")).encode


class BadLine(Exception):
    """What arrived is no line of this protocol."""


def encode(message: Message) -> bytes:
    """One line; lone surrogates (arguments that are not UTF-8) survive as escapes."""
    return _encode(message).encode() + b"\n"


def decode(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise BadLine("not an object")
    return message


class Lines:
    """Bytes in, whole lines out; what is not yet a line is kept, up to a bound."""

    def __init__(self, longest: int = limits.LINE) -> None:
        self._rest = bytearray()
        self._longest = longest

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises BadLine when a line outgrows the bound."""
        self._rest += data
        if b"\n" not in data:
            if len(self._rest) > self._longest:
                raise BadLine(f"a line is longer than {self._longest} bytes")
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        yield from lines
