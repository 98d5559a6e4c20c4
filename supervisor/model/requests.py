"""What an operator can ask for. Each is answered at once with an operation, or refused with a reason."""

from typing import Literal

from msgspec import Struct

from supervisor.model.phases import Rotation


class Request(Struct, frozen=True, kw_only=True, tag=True):
    actor: str = "unknown"
    """Who asks: `uid 1000 (ada), pid 812`."""
    yes: bool = False
    """Go on where the answer would be: are you sure?"""


class Scale(Request, frozen=True, kw_only=True, tag=True):
    pool: str
    desired: int | None = None
    change: int | None = None
    """Exactly one of the two is set."""


class Restart(Request, frozen=True, kw_only=True, tag=True):
    target: str
    """A pool (a rollout to a new generation of the same spec) or a worker's slot."""


class Stop(Request, frozen=True, kw_only=True, tag=True):
    target: str


class Start(Request, frozen=True, kw_only=True, tag=True):
    target: str


class Rotate(Request, frozen=True, kw_only=True, tag=True):
    target: str
    """PROXY/UPSTREAM/BACKEND, or a worker's slot, which names its backend."""
    rotation: Rotation


class Steer(Request, frozen=True, kw_only=True, tag=True):
    pool: str
    action: Literal["pause", "resume", "abort", "undo"]


class Reload(Request, frozen=True, kw_only=True, tag=True):
    pass


class Shutdown(Request, frozen=True, kw_only=True, tag=True):
    keep_workers: bool = False


class Upgrade(Request, frozen=True, kw_only=True, tag=True):
    """The engine that is installed now takes over from the one that runs."""

    python: str | None = None
    """Absolute path of the interpreter that is to run it; None: the one that runs it now."""


AnyRequest = Scale | Restart | Stop | Start | Rotate | Steer | Reload | Shutdown | Upgrade
