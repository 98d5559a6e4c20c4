"""The end of one worker's log, following the cursor: one stream at a time, started when the cursor rests."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from dashboard.answers import NoAnswer, Refused
from dashboard.tui.ink import Line
from dashboard.tui.source import Source
from dashboard.tui.widgets.log_view import level

KEPT = 60
REST = 0.25
"""Seconds that the cursor must rest on a worker before its log is asked for."""
TOGETHER = 0.2
"""Seconds in which lines are gathered: a flood is painted five times a second."""


class Tail:
    def __init__(self, source: Source, changed: Callable[[], None]) -> None:
        self._source = source
        self._changed = changed
        self._target: str | None = None
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._task: asyncio.Task[None] | None = None
        self._fresh = False

    @property
    def lines(self) -> Sequence[Line]:
        return list(self._lines)

    def aim(self, target: str | None) -> None:
        """Follow this worker's log from now on; None: nobody's."""
        if target == self._target:
            return
        self.stop()
        self._target = target
        if target is not None:
            self._task = asyncio.create_task(self._run(target), name=f"tail {target}")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task, self._target = None, None
        self._lines.clear()

    async def _run(self, target: str) -> None:
        await asyncio.sleep(REST)
        loop = asyncio.get_running_loop()
        while True:
            self._lines.clear()
            try:
                async for line in self._source.log(target, KEPT, True):
                    self._lines.append(((line, level(line)),))
                    if not self._fresh:
                        self._fresh = True
                        loop.call_later(TOGETHER, self._show)
            except (NoAnswer, Refused) as lost:
                self._lines.append(((str(lost), "dim"),))
            self._show()
            await asyncio.sleep(2.0)

    def _show(self) -> None:
        self._fresh = False
        if self._target is not None:
            self._changed()
