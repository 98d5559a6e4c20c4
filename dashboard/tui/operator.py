"""Sends what the operator agreed to, and tells how each operation ended, on whatever screen they are by then."""

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple

from dashboard.answers import NoAnswer, NobodyThere, Refused
from dashboard.mirror import Mirror
from dashboard.tui.intents import Ask, Intent
from dashboard.tui.say import local
from dashboard.tui.source import Source
from dashboard.tui.wanting import Wanting
from supervisor.model.snapshot import OperationRow, Snapshot

Severity = Literal["information", "warning", "error"]
Say = Callable[[str, Severity], None]
HELD = "conflict"
"""The code of a refusal where another operation holds the pool."""
NEEDS_YES = "needs_yes"
"""The code of a refusal that an explicit yes overcomes."""
AT_ONCE = 8
"""Requests under way at the same time for one intent."""


class Later(NamedTuple):
    """A request that waits: what was asked with it holds its pool."""

    intent: Intent
    ask: Ask
    after: frozenset[str]
    """Ids of the operations of the same intent, one of which holds the pool."""


class Operator:
    """Holds what was asked from this screen and has not ended yet."""

    def __init__(self, source: Source, say: Say) -> None:
        self._source = source
        self._say = say
        self._followed: dict[str, str] = {}
        """Operation id -> the verb, as it was asked."""
        self._later: list[Later] = []
        self._going: asyncio.Task[None] | None = None
        self.wanting = Wanting()

    @property
    def later(self) -> tuple[str, ...]:
        """Verbs that are sent when those before them have ended."""
        return tuple(one.ask.verb for one in self._later)

    @property
    def followed(self) -> frozenset[str]:
        return frozenset(self._followed)

    async def plan(self, intent: Intent) -> tuple[str, ...]:
        """The engine's own steps for it; raises Refused or NoAnswer."""
        steps: list[str] = []
        for ask in intent.asks[:4]:
            if len(intent.asks) > 1 and "rotation" in ask.body:
                continue  # each would be counted as if it were alone; what is left by all is told beforehand
            answer = await self._source.ask(ask.method, ask.path, self._body(intent, ask), dry_run=True)
            steps += answer if isinstance(answer, tuple) else ()
        return tuple(steps)

    async def perform(
        self, intent: Intent, unsure: list[tuple[Ask, str]] | None = None
    ) -> tuple[OperationRow, ...]:
        """Every request of it; what was refused is said, and the others go on.

        Of several for one pool the engine does one at a time: the next is sent when the one before has ended.
        What the engine wants an explicit yes for is put into `unsure`, with its reason.
        """
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(ask: Ask) -> OperationRow | Refused | None:
            async with gate:
                return await self._ask(intent, ask, unsure)

        answers = await asyncio.gather(*(one(ask) for ask in intent.asks))
        rows = tuple(answer for answer in answers if isinstance(answer, OperationRow))
        refused = [
            (ask, answer) for ask, answer in zip(intent.asks, answers, strict=True) if isinstance(answer, Refused)
        ]
        self._settle(intent, refused, frozenset(row.id for row in rows))
        return rows

    def _settle(self, intent: Intent, refused: list[tuple[Ask, Refused]], batch: frozenset[str]) -> None:
        """What only another of the same batch stands in the way of comes later; all else is said."""
        waiting = []
        for ask, answer in refused:
            if answer.code == HELD and batch & set(answer.detail.split()):
                self._later.append(Later(intent, ask, batch))
                waiting.append(ask.verb)
            else:
                self._say(f"{ask.verb}: refused: {answer.detail}", "error")
        if waiting:
            self._say(f"one after the other, from this screen: then {', then '.join(waiting)}", "information")

    async def _go_on(self, first: Later) -> None:
        """The next of those that waited; it holds the pool for those behind it."""
        answer = await self._ask(first.intent, first.ask, None)
        batch = first.after
        if isinstance(answer, OperationRow):
            batch |= {answer.id}
        elif isinstance(answer, Refused) and answer.code == HELD and batch & set(answer.detail.split()):
            return self._later.insert(0, first)
        elif isinstance(answer, Refused):
            self._say(f"{first.ask.verb}: refused: {answer.detail}", "error")
        self._later = [one._replace(after=batch) if one.intent is first.intent else one for one in self._later]

    @staticmethod
    def _body(intent: Intent, ask: Ask) -> dict[str, object]:
        return ask.body | ({"yes": True} if intent.sure else {})

    async def _ask(
        self, intent: Intent, ask: Ask, unsure: list[tuple[Ask, str]] | None
    ) -> OperationRow | Refused | None:
        try:
            row = await self._send(intent, ask)
        except Refused as refused:
            if refused.code == NEEDS_YES and unsure is not None and not intent.sure:
                unsure.append((ask, refused.detail))
                return None
            return refused
        except NobodyThere as lost:
            self._say(f"{ask.verb}: not sent: {lost}", "error")
            return None
        except NoAnswer as lost:
            # It lies in the socket, which outlives the engine: the next one may do it yet.
            self._say(f"{ask.verb}: sent, and may still be done (o tells): {lost}", "error")
            return None
        if not isinstance(row, OperationRow):
            return None
        if row.ended is not None:
            self._tell(row)
        else:
            self._followed[row.id] = row.verb
        return row

    async def _send(self, intent: Intent, ask: Ask) -> OperationRow | tuple[str, ...]:
        row = None
        self.wanting.ask(ask)
        try:
            row = await self._source.ask(ask.method, ask.path, self._body(intent, ask))
        finally:
            self.wanting.answered(ask, row.id if isinstance(row, OperationRow) else None)
        return row

    def look(self, mirror: Mirror) -> None:
        """Tell what has ended since."""
        snapshot: Snapshot | None = mirror.snapshot
        if snapshot is None:
            return
        self.wanting.look(snapshot)
        if not (self._followed or self._later):
            return
        for row in snapshot.operations:
            if row.id in self._followed and row.ended is not None:
                del self._followed[row.id]
                self._tell(row)
                if row.phase != "done":
                    self._drop(row)
        due = next((one for one in self._later if not one.after & self._followed.keys()), None)
        if due is not None and (self._going is None or self._going.done()):
            self._later.remove(due)
            self._going = asyncio.create_task(self._go_on(due))

    def _drop(self, row: OperationRow) -> None:
        """What came first went wrong: the rest would probably, too."""
        dropped = [one.ask.verb for one in self._later if row.id in one.after]
        self._later = [one for one in self._later if row.id not in one.after]
        if dropped:
            self._say(f"not sent: {', '.join(dropped)}, because {row.verb} {row.phase}", "warning")

    def _tell(self, row: OperationRow) -> None:
        said = local(row.why or row.progress)
        match row.phase:
            case "done":
                self._say(f"{row.verb}: {said or 'done'}", "information")
            case "aborted":
                self._say(f"{row.verb}: aborted: {said}", "warning")
            case _:
                self._say(f"{row.verb}: {row.phase}: {said}", "error")
