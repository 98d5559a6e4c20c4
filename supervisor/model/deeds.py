"""Things to do, in the imperative, as data: what reconciling decides and the engine performs."""

from msgspec import Struct

from supervisor.model.backends import Want


class Spawn(Struct, frozen=True, kw_only=True):
    pool: str
    slot: int
    generation: int


class Signal(Struct, frozen=True, kw_only=True):
    serial: int
    signal: str


class Dismiss(Struct, frozen=True, kw_only=True):
    serial: int
    why: str
    force: bool


class DropSlot(Struct, frozen=True, kw_only=True):
    """Forget a slot that is no longer wanted and holds nobody."""

    pool: str
    slot: int


class Converge(Struct, frozen=True, kw_only=True):
    proxy: str
    owner: str
    """A pool behind the upstream, whose events these are; empty when there is none."""
    want: Want


Deed = Spawn | Signal | Dismiss | DropSlot | Converge
