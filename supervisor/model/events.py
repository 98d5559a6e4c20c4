"""A fact as published to the outside: numbered and timed."""

from typing import Literal

from msgspec import Struct

Level = Literal["info", "warning", "error"]


class Event(Struct, frozen=True, kw_only=True):
    number: int
    time: str
    kind: str
    """Stable word: worker-started, worker-ready, worker-exited, slot-backing-off, slot-failed, rotation,
    health, proxy-unreachable, proxy-reachable, operation-asked, operation-ended, config-reloaded, …"""
    level: Level
    subject: str
    """What it is about: `web.0`, `web`, `lb/web/web.0`, `lb`, `cluster`."""
    text: str
    """One sentence, sanitised, for people."""
    actor: str | None = None
    operation: str | None = None
    pid: int | None = None
