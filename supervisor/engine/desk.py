"""The desk at which the loop works: the ledger, the feed, and the sentences that go from one to the other."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace

from supervisor.engine.feed import Feed
from supervisor.engine.ledger import OPERATIONS_KEPT, Ledger
from supervisor.model.events import Level
from supervisor.model.operations import Operation, OperationPhase, Step
from supervisor.model.requests import Reload, Shutdown
from supervisor.model.text import clean

STEPS_KEPT = 200


def rfc3339(wall: float) -> str:
    """Wall seconds as UTC with milliseconds: `2026-11-23T08:00:00.000Z`."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Desk:
    ledger: Ledger
    feed: Feed

    def say(
        self,
        kind: str,
        subject: str,
        text: str,
        *,
        level: Level = "info",
        pool: str | None = None,
        operation: str | None = None,
        pid: int | None = None,
    ) -> None:
        """Publish an event; where an operation holds its pool, the event is a step of the operation too."""
        wall = time.time()
        held = self.ledger.operations.get(operation) if operation else self.holder(pool)
        actor = held.request.actor if held else None
        name = held.id if held else None
        self.feed.publish(rfc3339(wall), kind, subject, text, level=level, actor=actor, operation=name, pid=pid)
        if held and held.running and kind != "operation-asked":
            step = Step(wall=wall, text=clean(f"{subject}: {text}", 400))
            self.ledger.operations[held.id] = replace(held, steps=(*held.steps, step)[-STEPS_KEPT:])

    def holder(self, pool: str | None) -> Operation | None:
        """The running operation that this pool's events belong to: the newest one on it."""
        if pool is None:
            return None
        pools = self.ledger.pools
        for operation in reversed(self.ledger.operations.values()):
            if operation.running and (operation.pool == pool or isinstance(operation.request, Reload | Shutdown)):
                return operation
        rollout = pools[pool].rollout if pool in pools else None
        return self.ledger.operations.get(rollout.operation) if rollout else None

    def begin(self, operation: Operation) -> None:
        self.ledger.operations[operation.id] = operation
        text = f"{operation.verb}, asked by {operation.request.actor}"
        self.say("operation-asked", operation.target, text, operation=operation.id)
        ended = [o.id for o in self.ledger.operations.values() if not o.running]
        for name in ended[: max(0, len(self.ledger.operations) - OPERATIONS_KEPT)]:
            del self.ledger.operations[name]

    def end(self, name: str, phase: OperationPhase, progress: str, why: str | None = None) -> None:
        operation = self.ledger.operations.get(name)
        if operation is None or not operation.running:
            return
        text = f"{operation.verb}: {phase}" + (f": {why}" if why else f": {progress}" if progress else "")
        level: Level = "info" if phase is OperationPhase.DONE else "error"
        self.say("operation-ended", operation.target, text, level=level, operation=name)
        operation = self.ledger.operations[name]
        self.ledger.operations[name] = replace(
            operation,
            phase=phase,
            progress=clean(progress, 400),
            why=why and clean(why, 1000),
            ended_wall=time.time(),
        )
