"""A cluster that is recorded while it is watched: everything that comes goes into the file too."""

from collections.abc import AsyncIterator
from typing import Any

from dashboard.link import Away
from dashboard.log_places import Places
from dashboard.recording import Recorder
from dashboard.say import size
from dashboard.tui.source import Source
from supervisor.model.events import Event
from supervisor.model.snapshot import OperationRow, Snapshot


class Tee:
    """A Source. When the file cannot be written any more, that is said and watching goes on."""

    def __init__(self, source: Source, recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder
        self.failed: str | None = None

    @property
    def recording(self) -> str:
        """A word for the head of the screen."""
        return f"REC FAILED: {self.failed}" if self.failed else f"REC {size(self._recorder.size)}"

    def _take(self, news: Snapshot | Event) -> None:
        if self.failed is not None:
            return
        try:
            self._recorder.take(news)
        except OSError as error:
            self.failed = error.strerror or str(error)

    async def watch(self, interval: float = 1.0) -> AsyncIterator[Snapshot | Away]:
        async for news in self._source.watch(interval):
            if isinstance(news, Snapshot):
                self._take(news)
            yield news

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        async for event in self._source.events(after):
            self._take(event)
            yield event

    async def past_times(self) -> list[str]:
        return await self._source.past_times()

    async def past(self, at: str, count: int) -> list[Snapshot]:
        return await self._source.past(at, count)

    async def ask(
        self, method: str, path: str, body: dict[str, object] | None = None, dry_run: bool = False
    ) -> OperationRow | tuple[str, ...]:
        return await self._source.ask(method, path, body, dry_run)

    def log(
        self, target: str, lines: int = 200, follow: bool = False, places: Places | None = None
    ) -> AsyncIterator[str]:
        return self._source.log(target, lines, follow, places)

    async def worker(self, id: str) -> dict[str, Any]:
        return await self._source.worker(id)
