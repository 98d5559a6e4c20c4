"""The words for where a worker or a slot is in its life, and for a backend's rotation and health."""

from enum import StrEnum


class Phase(StrEnum):
    """A worker's place in its life; it only ever moves forward."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    GONE = "gone"


class SlotPhase(StrEnum):
    """What a slot without a live worker is doing."""

    OPEN = "open"
    """May be filled at once, or is filled."""
    BACKING_OFF = "backing-off"
    FAILED = "failed"
    STOPPED = "stopped"
    """Kept down because an operator asked for it, or a policy says that its end was the end."""


class Rotation(StrEnum):
    """What we asked the proxy to do with a backend."""

    READY = "ready"
    DRAIN = "drain"
    MAINT = "maint"


class Health(StrEnum):
    """What the proxy's own checks say."""

    UP = "up"
    DOWN = "down"
    CHECKING = "checking"
    UNKNOWN = "unknown"
