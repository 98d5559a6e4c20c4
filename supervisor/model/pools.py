"""A pool as the engine keeps it: what is wanted of it, its revisions, and the rollout under way."""

from enum import StrEnum

from msgspec import Struct

from supervisor.model.spec import PoolSpec


class RolloutPhase(StrEnum):
    RUNNING = "running"
    HOLDING = "holding"
    """The canaries are out; `rollout resume` goes on."""
    PAUSED = "paused"
    ABORTING = "aborting"
    """Turned back; the old generation is being put back everywhere."""


class Rollout(Struct, frozen=True, kw_only=True):
    """A change of a pool to another generation. Progress is not here: it is read off the workers."""

    operation: str
    from_generation: int
    to_generation: int
    started: float
    started_wall: float
    phase: RolloutPhase = RolloutPhase.RUNNING
    why: str | None = None
    """Why it aborts, pauses or holds."""
    released: bool = False
    """The hold after the canaries is over."""
    settled_at: float | None = None
    """When the last turned slots were all replaced; the pause between slots counts from here."""


class Pool(Struct, frozen=True, kw_only=True):
    """A named, wanted set of identical workers."""

    spec: PoolSpec
    """As last configured. What only steers us (restart, rollout, limits) is taken from here."""
    desired: int
    generation: int = 1
    """The newest generation that was ever asked for."""
    complete: int = 1
    """The last generation that all slots had: what new slots get, and what an abort goes back to."""
    previous: int | None = None
    """The complete generation before that: what `undo` goes back to."""
    revisions: dict[int, PoolSpec] = {}
    """Spec of each generation that is still of use."""
    stopped: bool = False
    rollout: Rollout | None = None
    last_rollout: str | None = None
    """How the last rollout ended, in one sentence."""
    turned_back: bool = False
    """The last rollout was aborted."""
    leaving: bool = False
    """No longer in the configuration: its workers are taken down, then it is forgotten."""

    @property
    def name(self) -> str:
        return self.spec.name

    def revision(self, generation: int) -> PoolSpec:
        return self.revisions.get(generation, self.spec)
