"""What the API asks of the engine: pictures, events, changes and logs. Runs in the engine's own event loop."""

import os
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec

from supervisor.engine.asking import ask
from supervisor.engine.desk import rfc3339
from supervisor.engine.doctoring import examine
from supervisor.engine.history import History
from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.engine.loop import Engine
from supervisor.engine.planning import plan
from supervisor.engine.refusing import target_pool
from supervisor.engine.rows import exit_row, host_row, operation_row, pool_row, proxy_row
from supervisor.engine.running import Running
from supervisor.engine.tailing import lines_of, lines_to_come, logged, logs_of, places_of, told_place
from supervisor.host.following import Place
from supervisor.keeper.identity import is_stopped
from supervisor.model.errors import Unknown
from supervisor.model.events import Event
from supervisor.model.requests import AnyRequest, Reload, Shutdown, Upgrade
from supervisor.model.snapshot import EngineRow, OperationRow, Snapshot
from supervisor.model.text import PLACE_MARK

OPERATIONS_SHOWN = 20
WATCHED = 3.0
"""Seconds since somebody asked for a picture in which the next ones are made beforehand."""
SECRET = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "DSN", "AUTH")
"""Parts of a variable's name that make its value nobody's business."""
PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")


class EngineDoor:
    """Fulfils supervisor.api.door.Door."""

    def __init__(self, engine: Engine, keeper_pid: int, version: str, running: Running) -> None:
        self._engine = engine
        self._keeper_pid = keeper_pid
        self._version = version
        self._running = running
        self._started = rfc3339(time.time())
        self._cached: Snapshot | None = None
        self._asked = -WATCHED
        self.kept = History()

    def snapshot(self) -> Snapshot:
        self._asked = time.monotonic()
        return self.picture()

    def prepare(self) -> None:
        """While somebody looks again and again, a picture is made when its readings come in and are at hand.

        Then an answer is there when it is asked for; and a thousand rows made right after their readings cost half
        of what they cost later, when the processor has forgotten them.
        """
        if time.monotonic() - self._asked < WATCHED:
            self.picture()

    def picture(self) -> Snapshot:
        """The cluster as of this revision; made once."""
        ledger = self._engine.ledger
        if self._cached is not None and self._cached.revision == ledger.revision:
            return self._cached
        now = time.monotonic()
        ledger.rows.retain(ledger.workers, ledger.proxies)
        operations = self._operations(ledger)
        running = [row for row in operations if row.ended is None]
        ended = [row for row in operations if row.ended is not None]
        self._cached = Snapshot(
            revision=ledger.revision,
            time=rfc3339(time.time()),
            cluster=ledger.spec.name,
            host=host_row(ledger),
            engine=EngineRow(
                pid=os.getpid(),
                keeper_pid=self._keeper_pid,
                version=self._version,
                started=self._started,
                cpu_percent=None if ledger.own_cpu_percent is None else round(ledger.own_cpu_percent, 2),
                rss_bytes=ledger.own_rss_bytes,
                config=ledger.spec.source,
            ),
            pools=tuple(
                pool_row(ledger, pool, now)
                for name, pool in ledger.pools.items()
                if not name.startswith(PROXY_POOL)
            ),
            proxies=tuple(proxy_row(ledger, state, now) for state in ledger.proxies.values()),
            operations=(*ended[-OPERATIONS_SHOWN:], *running),
            warnings=tuple(self._warnings()),
        )
        return self._cached

    def _warnings(self) -> Iterator[str]:
        if self._engine.journal.failing:
            yield self._engine.journal.failing
        if is_stopped(keeper := self._keeper_pid):
            # What brings it back comes first: what is cut off where room is short must not be that.
            yield f"`kill -CONT {keeper}`: the keeper is stopped, nothing is started and no end is noticed"

    def _operations(self, ledger: Ledger) -> list[OperationRow]:
        """Those that are as they were in the last picture are not written out again, with all their steps."""
        before = ledger.rows.operations
        ledger.rows.operations = {
            name: known
            if (known := before.get(name)) is not None and known[0] is operation
            else (operation, operation_row(operation))
            for name, operation in ledger.operations.items()
        }
        return [row for _, row in ledger.rows.operations.values()]

    def events(self, after: int) -> Sequence[Event | Snapshot]:
        feed = self._engine.desk.feed
        found: list[Event | Snapshot] = [self.snapshot()] if feed.gap(after) else []
        # A number that was not given yet is of a life whose files are gone: all is new to that reader.
        return [*found, *feed.after(after if after <= feed.last else 0)]

    async def follow(self, after: int) -> AsyncIterator[Event | Snapshot]:
        feed = self._engine.desk.feed
        while True:
            items, after = self.events(after), feed.last
            for item in items:
                yield item
            if feed.last == after:
                await feed.wait()

    def past_times(self) -> Sequence[str]:
        return self.kept.times()

    def past(self, moment: float, count: int) -> Iterator[bytes]:
        pictures = self.kept.until(moment, count)
        if not pictures:
            first = next(iter(self.kept.times()), None)
            raise Unknown(
                f"nothing so old is kept; the first picture is of {first}" if first else "nothing is kept yet"
            )
        return (picture.snapshot() for picture in pictures)

    def submit(self, request: AnyRequest) -> OperationRow:
        row = self._submit(request)
        # What was answered must not be forgotten, though we die before the turn that follows.
        self._engine.save()
        return row

    def _submit(self, request: AnyRequest) -> OperationRow:
        if isinstance(request, Reload):
            return self._running.reload(request)
        if isinstance(request, Shutdown):
            return self._running.shut_down(request)
        if isinstance(request, Upgrade):
            return self._running.upgrade(request)
        operation = ask(self._engine.desk, request, time.monotonic(), time.time())
        self._engine.ledger.revision += 1
        self._engine.touch(*([operation.pool] if operation.pool else []))
        for proxy in self._engine.ledger.proxies:
            self._engine.nudge(proxy)
        return operation_row(operation)

    def plan(self, request: AnyRequest) -> Sequence[str]:
        if isinstance(request, Reload):
            return self._running.dry_reload()
        return plan(self._engine.ledger, request)

    def findings(self, pool: str | None) -> Sequence[object]:
        if pool is not None:
            target_pool(self._engine.ledger, pool)
        return examine(self._engine.ledger, pool)

    def operation(self, id: str) -> OperationRow:
        operation = self._engine.ledger.operations.get(id)
        if operation is None:
            raise Unknown(f"no such operation: {id!r}")
        return operation_row(operation)

    def worker_detail(self, id: str) -> dict[str, object]:
        ledger = self._engine.ledger
        pool, number = target_pool(ledger, id)
        if number is None:
            raise Unknown(f"no such worker: {id!r}")
        slot = ledger.slot(pool.name, number)
        spec = pool.revision(slot.generation)
        rows = [row for row in pool_row(ledger, pool, time.monotonic()).workers if row.id == id]
        return {
            "id": id,
            "workers": [msgspec.to_builtins(row) for row in rows],
            "command": [without_passwords(word) for word in spec.command],
            "cwd": spec.cwd,
            "env": {key: shown(key, value) for key, value in spec.env.items()},
            "limits": msgspec.to_builtins(spec.limits),
            "stop": {"signal": spec.stop.signal, "timeout": spec.stop.timeout},
            "ready": {**msgspec.to_builtins(spec.ready), "timeout": spec.ready.timeout},
            "alive": msgspec.to_builtins(spec.alive),
            "logs": {name: log.path for name, log in logs_of(ledger, id).items()},
            "ends": [msgspec.to_builtins(exit_row(end)) for end in reversed(slot.ends)],
            "deaths_in_window": len(slot.deaths),
        }

    def log(self, target: str, lines: int, follow: bool, places: str | None = None) -> AsyncIterator[str]:
        ledger = self._engine.ledger
        prefixed = logged(ledger, target)[1] is None
        logs = logs_of(ledger, target)
        if not follow:
            return worded(lines_of(logs, lines), prefixed, False)
        known = places_of(ledger, target, places or "")
        return worded(lines_to_come(ledger, target, lines, known), prefixed, places is not None)


async def worded(
    items: AsyncIterator[tuple[str, str] | Place] | AsyncIterator[tuple[str, str]], prefixed: bool, places: bool
) -> AsyncIterator[str]:
    """Lines as the API tells them; with `places` also where they stand, in lines that no log can hold."""
    async for item in items:
        if not isinstance(item, Place):
            yield f"{item[0]} | {item[1]}" if prefixed else item[1]
        elif places:
            yield PLACE_MARK + told_place(item)


def shown(key: str, value: str) -> str:
    """A variable as those see it who may look at the cluster."""
    return "…" if any(part in key.upper() for part in SECRET) else without_passwords(value)


def without_passwords(text: str) -> str:
    """`postgres://shop:…@db/shop`: a password in a URL (RFC 3986, 3.2.1) has no name that would tell it."""
    return PASSWORD.sub(r"\1…", text)
