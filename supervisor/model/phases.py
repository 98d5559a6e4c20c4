"""The words for where a worker is in its life, and for a backend's rotation and health."""

from enum import StrEnum


class Phase(StrEnum):
    """A worker's place in its life; it only ever moves forward."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    GONE = "gone"


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
