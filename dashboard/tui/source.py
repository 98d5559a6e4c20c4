"""What the screen needs of the cluster: dashboard.link.Link has it, and so has the simulated one of the tests."""

from collections.abc import AsyncIterator
from typing import Any, Protocol, runtime_checkable

from dashboard.link import Away
from dashboard.log_places import Places
from supervisor.model.events import Event
from supervisor.model.snapshot import OperationRow, Snapshot


class Source(Protocol):
    """A cluster that can be watched and asked."""

    def watch(self, interval: float = 1.0) -> AsyncIterator[Snapshot | Away]: ...

    def events(self, after: int = 0) -> AsyncIterator[Event]: ...

    async def past_times(self) -> list[str]: ...

    async def past(self, at: str, count: int) -> list[Snapshot]: ...

    async def ask(
        self, method: str, path: str, body: dict[str, object] | None = None, dry_run: bool = False
    ) -> OperationRow | tuple[str, ...]: ...

    def log(
        self, target: str, lines: int = 200, follow: bool = False, places: Places | None = None
    ) -> AsyncIterator[str]: ...

    async def worker(self, id: str) -> dict[str, Any]: ...


@runtime_checkable
class Recorded(Protocol):
    """A source that is over: it has a past, with all its events, and no now."""

    trouble: str
    """What of it could not be read, as a sentence."""

    def happened_until(self, wall: float) -> tuple[Event, ...]:
        """What had happened by then, in wall seconds."""
