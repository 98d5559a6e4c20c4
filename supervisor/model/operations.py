"""What an operator asked for, followed to its end."""

from enum import StrEnum

from msgspec import Struct

from supervisor.model.requests import AnyRequest


class OperationPhase(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


class Step(Struct, frozen=True, kw_only=True):
    wall: float
    text: str


class Operation(Struct, frozen=True, kw_only=True):
    """One request under way or ended. Whether it is done is judged by looking, not by counting steps."""

    id: str
    request: AnyRequest
    verb: str
    """As it would be typed: `scale web=4`."""
    target: str
    pool: str | None
    asked: float
    """Monotonic."""
    asked_wall: float
    serials: tuple[int, ...] = ()
    """Workers that it is about: those to be replaced or taken down."""
    ended_wall: float | None = None
    phase: OperationPhase = OperationPhase.RUNNING
    progress: str = ""
    why: str | None = None
    steps: tuple[Step, ...] = ()

    @property
    def running(self) -> bool:
        return self.phase is OperationPhase.RUNNING
