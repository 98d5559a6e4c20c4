"""Rows of the picture before, so that the next one makes anew only what has changed: mostly a few numbers a row.

A row is made again whenever a record that it was made of is another one; records are frozen, so looking at their
identity is enough.
"""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from supervisor.model.backends import Backend
from supervisor.model.operations import Operation
from supervisor.model.phases import Rotation
from supervisor.model.readings import Sample
from supervisor.model.snapshot import BackendRow, OperationRow, WorkerRow
from supervisor.model.spec import PoolSpec
from supervisor.model.workers import Slot, Worker


class KnownWorker(Struct, frozen=True, gc=False):
    """A row without a `why`, and what it was made of."""

    worker: Worker
    slot: Slot
    spec: PoolSpec
    backend: str | None
    row: WorkerRow

    def with_numbers(self, sample: Sample, rate: float | None, source: str | None, now: float) -> WorkerRow:
        """The same row as of now."""
        cpu, started = sample.cpu_percent, self.worker.started
        return replace(
            self.row,
            uptime_seconds=None if started is None else round(now - started, 1),
            cpu_percent=None if cpu is None else round(cpu, 1),
            rss_bytes=sample.rss_bytes,
            fds=sample.fds,
            threads=sample.threads,
            processes=sample.processes,
            requests_per_second=rate,
            requests_source=None if rate is None else source,
            sampled_seconds_ago=round(now - sample.at, 1),
        )


class KnownBackend(Struct, frozen=True, gc=False):
    backend: Backend
    row: BackendRow

    def same(
        self,
        backend: Backend,
        worker: str | None,
        requests: float | None,
        errors: float | None,
        asked: Rotation | None,
    ) -> bool:
        row = self.row
        return (
            self.backend is backend
            and row.worker == worker
            and row.requests_per_second == requests
            and row.errors_per_second == errors
            and row.asked_rotation == asked
        )


class KnownRows:
    """Workers by serial; backends by name, for each proxy and upstream."""

    def __init__(self) -> None:
        self.workers: dict[int, KnownWorker] = {}
        self.backends: dict[tuple[str, str], dict[str, KnownBackend]] = {}
        self.operations: dict[str, tuple[Operation, OperationRow]] = {}

    def retain(self, serials: Collection[int], proxies: Collection[str]) -> None:
        """Forget what is gone, now and then."""
        if len(self.workers) < 2 * len(serials) + 100:
            return
        self.workers = {serial: known for serial, known in self.workers.items() if serial in serials}
        self.backends = {key: known for key, known in self.backends.items() if key[0] in proxies}
