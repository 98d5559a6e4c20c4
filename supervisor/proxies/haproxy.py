"""The HAProxy adapter, 2.6 to 3.x, attached or embedded: reads and changes a running one through its socket."""

import asyncio
import csv
import time
from collections.abc import Iterable

from msgspec.structs import replace

from supervisor.model.backends import Backend, Capability, Observation, Upstream, Want
from supervisor.model.errors import ProxyRefused, ProxyUnreachable
from supervisor.model.phases import Rotation
from supervisor.model.spec import ProxySpec
from supervisor.model.text import clean
from supervisor.proxies import embedded_text, haproxy_plan, haproxy_read, haproxy_text
from supervisor.proxies.established import count_established, elders
from supervisor.proxies.haproxy_hands import Hands
from supervisor.proxies.haproxy_socket import ask

_ALL: tuple[Capability, ...] = ("drain", "maint", "weight", "add", "remove", "in_flight")
_OLD: tuple[Capability, ...] = ("drain", "maint", "weight", "in_flight")
_WATCH: tuple[Capability, ...] = ("in_flight",)
_ADDS_SINCE = (2, 6)


class HAProxy:
    """One HAProxy. In an embedded one every server is ours; in an attached one those that carry our id."""

    settle = 0.02  # measured: `set server` is effective when the reply arrives, on all threads within 20 ms

    def __init__(self, spec: ProxySpec, runtime_dir: str) -> None:
        self.spec = spec
        self.limited: str | None = None
        """Why less than everything can be asked of it."""
        self._path = spec.socket or embedded_text.stats_socket(runtime_dir)
        self._capabilities = _ALL
        self._info: haproxy_read.Info | None = None
        self._rights = haproxy_read.Rights("admin", frozenset())
        self._numbers: dict[str, int] = {}
        self._before: frozenset[int] = frozenset()
        """Processes that answered here before this one, and may still carry requests."""
        self._memo: haproxy_read.Memo = {}
        self._converging = asyncio.Lock()

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return self._capabilities

    async def observe(self) -> Observation:
        asked = time.monotonic()
        info, upstreams, _ = await self._read(None)
        return Observation(
            version=info.version,
            epoch=info.epoch,
            upstreams=upstreams,
            asked=asked,
            answered=time.monotonic(),
            limited=self.limited,
        )

    async def look(self, upstream: str) -> Upstream:
        return (await self._read(upstream))[1][0]

    async def converge(self, want: Want) -> tuple[str, ...]:
        """First what leaves, then, looking again, what comes. `del server` may be refused: see haproxy_plan.

        Nothing is undone when a step is refused: asking again goes on from what is there.
        """
        async with self._converging:
            said: list[str] = []
            info, (upstream,), seats = await self._read(want.upstream)
            hands = Hands(self._ask, self.spec, info.release, None if "add" in self._capabilities else self.limited)
            if steps := haproxy_plan.leaving(upstream.backends, want):
                for step in steps:
                    if await hands.take_out(want.upstream, step):
                        said.append(haproxy_plan.said(want.upstream, step))
                _, (upstream,), seats = await self._read(want.upstream)
            marks = {seat.number for seat in seats.get(want.upstream, {}).values() if seat.marked}
            for coming in haproxy_plan.coming(upstream.backends, want):
                await hands.bring_in(want.upstream, coming, marks)
                said.append(haproxy_plan.said(want.upstream, coming))
            return tuple(said)

    async def close(self) -> None:
        """Nothing is kept open: each question has a connection of its own."""

    async def _read(
        self, upstream: str | None
    ) -> tuple[haproxy_read.Info, tuple[Upstream, ...], haproxy_read.Seats]:
        rights = self._info is None
        answer = await self._question(upstream, rights)
        if self._info is not None and haproxy_read.parse_info(answer[1]).epoch != self._info.epoch:
            # Another process answers: its rights, tables and numbers may be others.
            rights = True
            answer = await self._question(upstream, rights)
        info, upstreams, seats = self._understand(answer, upstream, rights=rights)
        if self._info is not None and self._info.pid != info.pid:
            self._before = elders(info.pid, (self._info.pid, *self._before))
        self._info = info
        return info, with_old_processes(info.pid, upstreams, self._before), seats

    async def _question(self, upstream: str | None, rights: bool) -> haproxy_read.Parts:
        number = None if rights or upstream is None else self._numbers.get(upstream)
        answer = await self._ask(haproxy_text.questions(upstream, number=number, rights=rights))
        if upstream is not None and "\nCan't find backend." in answer:
            raise ProxyRefused(f"HAProxy has no backend section {upstream!r}")
        return haproxy_read.parts(answer)

    def _understand(
        self, answer: haproxy_read.Parts, upstream: str | None, *, rights: bool
    ) -> tuple[haproxy_read.Info, tuple[Upstream, ...], haproxy_read.Seats]:
        level, told, stat, state = answer
        try:
            info = haproxy_read.parse_info(told)
            if rights:
                self._rights = haproxy_read.parse_rights(level)
                self._numbers = haproxy_read.parse_numbers(stat)
                self._limit(info)
            seats = haproxy_read.parse_state(state)
            ups, memo = haproxy_read.parse_stat(
                stat, seats, self._rights.tables, ours=self.spec.embedded, known=self._memo
            )
        except (ValueError, IndexError, csv.Error) as problem:
            raise ProxyRefused(f"HAProxy's answer cannot be read: {clean(str(problem), 200)}") from problem
        if upstream is None:
            self._memo = memo
        return info, tuple(u for u in ups if upstream in (None, u.name)), seats

    def _limit(self, info: haproxy_read.Info) -> None:
        self._capabilities, self.limited = _ALL, None
        if info.release < _ADDS_SINCE:
            self._capabilities = _OLD
            self.limited = f"HAProxy {info.version} cannot add servers at run time; 2.6 can"
        if self._rights.level != "admin":
            self._capabilities = _WATCH
            self.limited = f"its socket has level {self._rights.level}; changes need `level admin`"

    async def _ask(self, line: str) -> str:
        try:
            return await ask(self._path, line, self.spec.timeout)
        except ProxyUnreachable:
            pid = self._info.pid if self._info else 0
            if _stopped(pid):
                raise ProxyUnreachable(f"process {pid} is stopped (SIGSTOP)") from None
            raise


def with_old_processes(
    pid: int, upstreams: tuple[Upstream, ...], before: Iterable[int] = ()
) -> tuple[Upstream, ...]:
    """After a reload the new process shows nothing of what old ones still have in flight, websockets for hours.

    While one lives, open connections to a backend that is out of rotation count as in flight: an upper bound, so
    that no worker is stopped under a request that an old process carries.
    """
    out = {b.address for u in upstreams for b in u.backends if b.rotation is not Rotation.READY}
    if not out or not elders(pid, before):
        return upstreams
    open_to = count_established(out)
    return tuple(
        replace(u, backends=tuple(_at_least(b, open_to[b.address]) for b in u.backends)) for u in upstreams
    )


def _at_least(backend: Backend, open_connections: int) -> Backend:
    if open_connections <= (backend.in_flight or 0):
        return backend
    return replace(backend, in_flight=open_connections)


def _stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(") ")[2][:1] in ("T", "t")
    except OSError:
        return False
