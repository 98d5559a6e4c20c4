"""An engine in a few lines: a picture, some events, and a list of what was asked for."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from supervisor.model.errors import BadConfig, BadSpec, Conflict, Problem, Unknown
from supervisor.model.events import Event
from supervisor.model.phases import Health, Rotation
from supervisor.model.requests import AnyRequest, Reload, Scale, Stop
from supervisor.model.snapshot import (
    BackendRow,
    EngineRow,
    HostRow,
    OperationRow,
    PoolRow,
    ProxyRow,
    Snapshot,
    UpstreamRow,
    WorkerRow,
)

TIME = "2026-11-23T08:00:00.000Z"
KEPT = 50


class FakeDoor:
    """Fulfils supervisor.api.door.Door; keeps the last KEPT events."""

    def __init__(self, workers: int = 2) -> None:
        self.asked: list[AnyRequest] = []
        self.picture = picture(workers)
        self.feed: list[Event] = []
        self.kept: list[Snapshot] = []
        self.followers = 0
        self._news = asyncio.Event()
        self._last = 0

    def publish(self, text: str) -> None:
        self._last += 1
        event = Event(number=self._last, time=TIME, kind="said", level="info", subject="web", text=text)
        self.feed = [*self.feed, event][-KEPT:]
        self.picture = replace(self.picture, revision=self.picture.revision + 1)
        self._news.set()
        self._news = asyncio.Event()

    def snapshot(self) -> Snapshot:
        return self.picture

    def events(self, after: int) -> Sequence[Event | Snapshot]:
        kept = [event for event in self.feed if event.number > after]
        behind = bool(self.feed) and after < self.feed[0].number - 1
        return [self.picture, *kept] if behind else kept

    async def follow(self, after: int) -> AsyncIterator[Event | Snapshot]:
        self.followers += 1
        try:
            while True:
                news = self._news
                for item in self.events(after):
                    yield item
                    after = item.number if isinstance(item, Event) else after
                await news.wait()
        finally:
            self.followers -= 1

    def past_times(self) -> Sequence[str]:
        return [picture.time for picture in self.kept]

    def past(self, moment: float, count: int) -> Iterator[bytes]:
        found = [one for one in self.kept if datetime.fromisoformat(one.time).timestamp() <= moment]
        if not found:
            raise Unknown("nothing so old is kept")
        return (msgspec.json.encode(one) for one in found[-count:])

    def submit(self, request: AnyRequest) -> OperationRow:
        self._refuse(request)
        self.asked.append(request)
        return operation(f"op-{len(self.asked)}", request.actor)

    def plan(self, request: AnyRequest) -> Sequence[str]:
        self._refuse(request)
        return ("start web.2", "add web.2 to lb/web")

    def findings(self, pool: str | None) -> Sequence[object]:
        if pool not in (None, "web"):
            raise Unknown(f"no such pool: {pool!r}")
        return [{"check": "no-stop-handler", "subject": "web.0", "text": "dies at once", "hint": "handle it"}]

    def operation(self, id: str) -> OperationRow:
        if id != "op-1":
            raise Unknown(f"no such operation: {id}")
        return operation(id, "uid 0")

    def worker_detail(self, id: str) -> dict[str, object]:
        if id != "web.0":
            raise Unknown(f"no such worker: {id}")
        return {"id": id, "argv": ["run"]}

    def log(self, target: str, lines: int, follow: bool, places: str | None = None) -> AsyncIterator[str]:
        if target not in ("web", "web.0"):
            raise Unknown(f"no such worker: {target}")
        return self._lines(lines, follow)

    async def _lines(self, lines: int, follow: bool) -> AsyncIterator[str]:
        for number in range(lines):
            yield f"line {number}"
        while follow:
            news = self._news
            await news.wait()
            yield self.feed[-1].text

    def _refuse(self, request: AnyRequest) -> None:
        if isinstance(request, Reload):
            raise BadConfig("shop.toml", (Problem(path="pools.web.comand", message="unknown key"),))
        if isinstance(request, Scale) and request.pool != "web":
            raise Unknown(f"no such pool: {request.pool!r}")
        if isinstance(request, Scale) and request.desired == 9:
            raise BadSpec("9 workers need 10 ports")
        if isinstance(request, Stop) and not request.yes:
            raise Conflict("web is held by op-7 (restart web)")
        if isinstance(request, Scale) and request.desired == 13:
            raise RuntimeError("a fault of ours, with a secret")


def operation(id: str, actor: str) -> OperationRow:
    return OperationRow(
        id=id, verb="scale web=4", target="web", pool="web", actor=actor, asked=TIME, ended=None,
        phase="running", progress="", why=None,
    )  # fmt: skip


def picture(workers: int) -> Snapshot:
    rows = tuple(worker(number) for number in range(workers))
    backends = tuple(backend(number) for number in range(workers))
    return Snapshot(
        revision=42,
        time=TIME,
        cluster="shop",
        host=HostRow(
            cpus=2, cpu_percent=None, memory_total_bytes=1, memory_available_bytes=1, load=(0.1, 0.2, 0.3)
        ),
        engine=EngineRow(
            pid=1, keeper_pid=1, version="0.1.0", started=TIME, cpu_percent=0.4, rss_bytes=1 << 20
        ),
        pools=(
            PoolRow(
                name="web", desired=workers, ready=workers, generation=1, rollout=None, cpu_percent=None,
                rss_bytes=None, requests_per_second=None, workers=rows,
            ),
        ),
        proxies=(
            ProxyRow(
                name="lb", kind="haproxy", version="2.8.25", reachable=True, seen=TIME, seen_seconds_ago=0.1,
                why=None, capabilities=("drain",),
                upstreams=(UpstreamRow(name="web", balance="roundrobin", backends=backends),),
            ),
        ),
        operations=(operation("op-1", "uid 0"),),
    )  # fmt: skip


def worker(number: int) -> WorkerRow:
    return WorkerRow(
        id=f"web.{number}", serial=number, pid=100 + number, phase="ready", generation=1,
        address=f"127.0.0.1:{9001 + number}", started=TIME, uptime_seconds=1.0, restarts=3, last_exit=None,
        cpu_percent=2.5, rss_bytes=1000, fds=None, threads=1, processes=1, requests_per_second=None,
        requests_source="lb", backend=f"lb/web/web.{number}", why=None,
    )  # fmt: skip


def backend(number: int) -> BackendRow:
    return BackendRow(
        name=f"web.{number}", address=f"127.0.0.1:{9001 + number}", worker=f"web.{number}", health=Health.UP,
        health_reason="L7OK 200", rotation=Rotation.READY, weight=1, in_flight=2, queued=0, requests_total=1234,
        requests_per_second=40.0, errors_per_second=0.0, response_ms=3.1,
    )  # fmt: skip
