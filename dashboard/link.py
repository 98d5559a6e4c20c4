"""The screen's client of the API: snapshots, events and logs as they come, changes, and recovery by itself."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from dashboard.answers import NoAnswer, NobodyThere, Refused, TooLate, quoted, refusal
from dashboard.keepers import why_silent
from dashboard.log_places import Places, log_question
from supervisor.model.events import Event
from supervisor.model.snapshot import OperationRow, Snapshot

# httpx brings its own command line where click and rich are installed: 60 ms of imports before the first paint.
# None in sys.modules is an ImportError, for which it is prepared.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

_T = TypeVar("_T")
_FIRST_RETRY = 0.25
_LAST_RETRY = 2.0


class Away(Struct, frozen=True, kw_only=True):
    """The engine does not answer; the last picture is all there is."""

    since: float
    """Monotonic seconds of the first question that got no answer."""
    why: str


class _Steps(Struct):
    steps: tuple[str, ...] = ()


class _Times(Struct):
    times: list[str] = []


class Link:
    """One cluster's API. Raises Refused where the engine says no, and NoAnswer where nobody answers."""

    def __init__(self, socket: str, timeout: float = 5.0) -> None:
        self.socket = socket
        # verify=False: there is no TLS on a unix socket, and loading certificates takes 46 ms.
        transport = httpx.AsyncHTTPTransport(uds=socket, verify=False)
        self._http = httpx.AsyncClient(
            transport=transport, base_url="http://clusterctl", timeout=timeout, trust_env=False
        )
        self._etag: str | None = None
        self._last: Snapshot | None = None

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> "Link":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def snapshot(self) -> Snapshot:
        """The newest picture; the one already here where nothing changed since."""
        known = {"If-None-Match": self._etag} if self._etag and self._last else {}
        answer = await self._send("GET", "/v1/snapshot", headers=known)
        if answer.status_code == 304 and self._last is not None:
            return self._last
        snapshot = _decode(answer.content, Snapshot)
        self._etag, self._last = answer.headers.get("etag"), snapshot
        return snapshot

    async def watch(self, interval: float = 1.0) -> AsyncIterator[Snapshot | Away]:
        """Every new picture, for ever; Away again and again while nobody answers, then a picture at once."""
        since: float | None = None
        shown: Snapshot | None = None
        retry = _FIRST_RETRY
        while True:
            asked = time.monotonic()
            try:
                snapshot = await self.snapshot()
            except (NoAnswer, Refused) as error:
                since = since if since is not None else asked
                yield Away(since=since, why=str(error))
                await asyncio.sleep(min(retry, interval))
                retry = min(retry * 2, _LAST_RETRY)
                continue
            if snapshot is not shown or since is not None:
                yield snapshot
            shown, since, retry = snapshot, None, _FIRST_RETRY
            await asyncio.sleep(max(0.0, interval - (time.monotonic() - asked)))

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        """Every event with a number above `after`, for ever; connects again from where it was."""
        retry = _FIRST_RETRY
        while True:
            try:
                async for line in self._lines("/v1/events", {"after": after, "follow": 1}):
                    retry = _FIRST_RETRY
                    # A heartbeat is an empty line; a reader too far behind gets a snapshot, which `watch` has.
                    if line and not line.startswith('{"snapshot"'):
                        event = _decode(line.encode(), Event)
                        after = event.number
                        yield event
            except NoAnswer:
                retry = min(retry * 2, _LAST_RETRY)
            await asyncio.sleep(retry)

    async def past_times(self) -> list[str]:
        """When the pictures that the engine still keeps were taken, oldest first."""
        return _decode((await self._send("GET", "/v1/history")).content, _Times).times

    async def past(self, at: str, count: int) -> list[Snapshot]:
        """The last `count` pictures up to that time, oldest first."""
        answer = await self._send("GET", "/v1/history", params={"at": at, "frames": count})
        return [_decode(line, Snapshot) for line in answer.content.splitlines()]

    async def ask(
        self, method: str, path: str, body: dict[str, object] | None = None, dry_run: bool = False
    ) -> OperationRow | tuple[str, ...]:
        """One change: the operation that it became, or with `dry_run` the steps that it would take."""
        params = {"dry_run": "1"} if dry_run else {}
        answer = await self._send(method, path, json=body or {}, params=params)
        if dry_run:
            return _decode(answer.content, _Steps).steps
        return _decode(answer.content, OperationRow)

    async def operation(self, id: str) -> OperationRow:
        return _decode((await self._send("GET", f"/v1/operations/{quoted(id)}")).content, OperationRow)

    async def worker(self, id: str) -> dict[str, Any]:
        """Everything about one worker, as plain data."""
        answer = await self._send("GET", f"/v1/workers/{quoted(id)}")
        return _decode(answer.content, dict[str, Any])

    async def log(
        self, target: str, lines: int = 200, follow: bool = False, places: Places | None = None
    ) -> AsyncIterator[str]:
        """The last lines of a worker's or a pool's log, and with `follow` those to come, until the engine goes.

        With the `places` that an earlier call has filled they go on where that one was.
        """
        async for line in self._lines(log_question(target, lines, follow, places)):
            if places is None or not places.take(line):
                yield line

    async def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **how)
        except (httpx.HTTPError, OSError) as error:
            raise _lost(error, self.socket) from error
        # httpx ties an answer and its stream to each other; 700 kB of a picture would wait for the collector.
        del answer.stream
        if answer.status_code >= 400:
            raise refusal(answer.status_code, answer.content)
        return answer

    async def _lines(self, path: str, params: dict[str, int] | None = None) -> AsyncIterator[str]:
        async with self._stream(path, params) as answer:
            if answer.status_code >= 400:
                raise refusal(answer.status_code, await answer.aread())
            rest = ""
            # Not aiter_lines: it splits at U+2028 and form feeds too, which a worker's log may hold.
            async for text in answer.aiter_text():
                *whole, rest = (rest + text).split("\n")
                for line in whole:
                    yield line
            if rest:
                yield rest

    @asynccontextmanager
    async def _stream(self, path: str, params: dict[str, int] | None) -> AsyncIterator[httpx.Response]:
        # The engine sends a heartbeat on event streams each 15 s; a log may be silent for days.
        timeout = httpx.Timeout(5.0, read=40.0 if path == "/v1/events" else None)
        try:
            async with self._http.stream("GET", path, params=params, timeout=timeout) as answer:
                yield answer
        except (httpx.HTTPError, OSError) as error:
            raise _lost(error, self.socket) from error


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoAnswer(f"the engine's answer makes no sense: {error}") from error


def _lost(error: Exception, socket: str) -> NoAnswer:
    """NobodyThere where nothing was sent; else it may have been taken on."""
    match error:
        case httpx.ConnectError():
            return NobodyThere(f"nobody listens on {socket}")
        case httpx.TimeoutException():
            return TooLate(f"the engine does not answer in time; {why_silent(socket)}")
        case _:
            return NoAnswer(f"the engine ended the connection ({type(error).__name__})")
