"""Sends what the operator agreed to, and tells how each operation ended, on whatever screen they are by then."""

import asyncio
from collections.abc import Callable
from typing import Literal

from dashboard.answers import NoAnswer, Refused
from dashboard.mirror import Mirror
from dashboard.tui.intents import Ask, Intent
from dashboard.tui.source import Source
from supervisor.model.snapshot import OperationRow, Snapshot

Severity = Literal["information", "warning", "error"]
Say = Callable[[str, Severity], None]
NEEDS_YES = "needs_yes"
"""The code of a refusal that an explicit yes overcomes."""
AT_ONCE = 8
"""Requests under way at the same time for one intent."""


class Operator:
    """Holds what was asked from this screen and has not ended yet."""

    def __init__(self, source: Source, say: Say) -> None:
        self._source = source
        self._say = say
        self._followed: dict[str, str] = {}
        """Operation id -> the verb, as it was asked."""

    @property
    def followed(self) -> frozenset[str]:
        return frozenset(self._followed)

    async def plan(self, intent: Intent) -> tuple[str, ...]:
        """The engine's own steps for it; raises Refused or NoAnswer."""
        steps: list[str] = []
        for ask in intent.asks[:4]:
            answer = await self._source.ask(ask.method, ask.path, self._body(intent, ask), dry_run=True)
            steps += answer if isinstance(answer, tuple) else ()
        return tuple(steps)

    async def perform(
        self, intent: Intent, unsure: list[tuple[Ask, str]] | None = None
    ) -> tuple[OperationRow, ...]:
        """Every request of it; what was refused is said, and the others go on.

        What the engine wants an explicit yes for is put into `unsure`, with its reason.
        """
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(ask: Ask) -> OperationRow | None:
            async with gate:
                return await self._ask(intent, ask, unsure)

        rows = await asyncio.gather(*(one(ask) for ask in intent.asks))
        return tuple(row for row in rows if row is not None)

    @staticmethod
    def _body(intent: Intent, ask: Ask) -> dict[str, object]:
        return ask.body | ({"yes": True} if intent.sure else {})

    async def _ask(self, intent: Intent, ask: Ask, unsure: list[tuple[Ask, str]] | None) -> OperationRow | None:
        try:
            row = await self._source.ask(ask.method, ask.path, self._body(intent, ask))
        except Refused as refused:
            if refused.code == NEEDS_YES and unsure is not None and not intent.sure:
                unsure.append((ask, refused.detail))
                return None
            self._say(f"{ask.verb}: refused: {refused.detail}", "error")
            return None
        except NoAnswer as lost:
            self._say(f"{ask.verb}: not sent: {lost}", "error")
            return None
        if not isinstance(row, OperationRow):
            return None
        if row.ended is not None:
            self._tell(row)
        else:
            self._followed[row.id] = row.verb
        return row

    def look(self, mirror: Mirror) -> None:
        """Tell what has ended since."""
        snapshot: Snapshot | None = mirror.snapshot
        if not self._followed or snapshot is None:
            return
        for row in snapshot.operations:
            if row.id in self._followed and row.ended is not None:
                del self._followed[row.id]
                self._tell(row)

    def _tell(self, row: OperationRow) -> None:
        said = row.why or row.progress
        match row.phase:
            case "done":
                self._say(f"{row.verb}: {said or 'done'}", "information")
            case "aborted":
                self._say(f"{row.verb}: aborted: {said}", "warning")
            case _:
                self._say(f"{row.verb}: {row.phase}: {said}", "error")
