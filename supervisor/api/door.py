"""What the API needs of the engine, and nothing more."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from supervisor.model.events import Event
from supervisor.model.requests import AnyRequest
from supervisor.model.snapshot import OperationRow, Snapshot


class Door(Protocol):
    """Called from the engine's own event loop; nothing here may block it.

    Refusals are BadRequest and its subclasses, or BadConfig; both carry what the asker is told.
    """

    def snapshot(self) -> Snapshot:
        """The newest picture. Two pictures that differ have different revisions, over restarts of ours too."""

    def events(self, after: int) -> Sequence[Event | Snapshot]:
        """Events numbered above `after`; a Snapshot before them where some of those are no longer kept."""

    def follow(self, after: int) -> AsyncIterator[Event | Snapshot]:
        """`events`, and then those to come, for ever. Keeps nothing for a reader that does not read: one that
        comes back too late gets a Snapshot and goes on from there."""

    def past_times(self) -> Sequence[str]:
        """When the pictures that are still kept were taken, oldest first."""

    def past(self, moment: float, count: int) -> Iterator[bytes]:
        """The last `count` pictures up to a moment in wall seconds, oldest first, as JSON; at least one.

        Raises Unknown when called, not when iterated.
        """

    def submit(self, request: AnyRequest) -> OperationRow:
        """Takes a change on, and answers at once."""

    def plan(self, request: AnyRequest) -> Sequence[str]:
        """The steps that `submit` would lead to, in sentences. Changes nothing."""

    def findings(self, pool: str | None) -> Sequence[object]:
        """What could go wrong, as records for JSON; of one pool, or of all. Raises Unknown."""

    def operation(self, id: str) -> OperationRow:
        """Raises Unknown."""

    def worker_detail(self, id: str) -> dict[str, object]:
        """Everything about one slot, `web.0`, as plain JSON. Raises Unknown."""

    def log(self, target: str, lines: int, follow: bool, places: str | None = None) -> AsyncIterator[str]:
        """The last lines of a worker's log, or of a pool's, prefixed; then with `follow` those to come.

        With `places`, where the lines that come stand in which file is told between them; they go on from those
        that it names. Raises Unknown and BadSpec when called, not when iterated.
        """
