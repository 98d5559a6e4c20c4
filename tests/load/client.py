"""A load client that retries nothing: `python -m tests.load.client --url URL --seconds N`.

Closed loop: so many users, each with one connection at a time, each waiting for its answer before it asks again.
Users of three kinds of manners: `careful` looks for a FIN before it uses a connection again, `careless` never
looks, `single` makes a connection for each request. Beside them, streams and websockets are held open.
It ends by itself after --seconds, or when its standard input is closed, letting requests in flight finish.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.load.tally import Failure, Result
from tests.load.wire import Answer, Broken, Wire

MANNERS = ("careful", "careless", "single")
SLOW_SHARE, POST_SHARE = 0.10, 0.20
SLOW_MS = 400


@dataclass(frozen=True)
class Plan:
    """What load to make."""

    url: str
    seconds: float = 10.0
    users: int = 24
    """Spread evenly over `manners`."""
    manners: tuple[str, ...] = MANNERS
    rate: float = 300.0
    """Requests per second of all users together, at most; 0: as fast as answers come."""
    streams: int = 1
    sockets: int = 1
    held: float = 2.0
    """Seconds that a stream lasts and a websocket is held open."""
    timeout: float = 10.0
    cookie: bool = False
    """Send back the cookies that were set, as browsers do."""
    count: int = 0
    """Stop after so many requests; 0: no such limit."""
    seed: int = 1


class Client:
    """Runs the users of a plan, and counts."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.result = Result()
        self.stopping = asyncio.Event()
        parts = urlsplit(plan.url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80

    async def run(self) -> Result:
        plan, result = self.plan, self.result
        result.began = time.monotonic()
        users = [User(self, plan.manners[n % len(plan.manners)], n) for n in range(plan.users)]
        tasks = [asyncio.create_task(user.ask_for_ever()) for user in users]
        tasks += [asyncio.create_task(self._hold(stream)) for _ in range(plan.streams)]
        tasks += [asyncio.create_task(self._hold(websocket)) for _ in range(plan.sockets)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(plan.seconds):
                await self.stopping.wait()
        self.stopping.set()
        await asyncio.gather(*tasks)
        result.ended = time.monotonic()
        return result

    async def _hold(self, act: "Callable[[Client], Awaitable[Answer]]") -> None:
        while not self.stopping.is_set():
            await self.counted(act.__name__, self.plan.held + self.plan.timeout, lambda: act(self))

    async def counted(
        self, kind: str, timeout: float, act: Callable[[], Awaitable[Answer]], manner: str = "single"
    ) -> bool:
        """One request, counted whatever becomes of it; whether it succeeded."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                answer = await act()
            if not 100 <= answer.status < 300:
                worker = answer.headers.get("x-worker", "no worker")
                raise Broken(f"status {answer.status}", f"{worker}: {answer.body[:120]!r}")
        except Broken as broken:
            cause, detail = broken.cause, broken.detail
        except TimeoutError:
            cause, detail = "time-out", f"no whole answer within {timeout:g} s"
        else:
            self.result.succeed(kind, began, time.monotonic(), answer.headers.get("x-worker", "unnamed"))
            if self.plan.count and self.result.requests >= self.plan.count:
                self.stopping.set()
            return True
        now = time.monotonic()
        self.result.fail(Failure(now, kind, cause, detail, round((now - began) * 1000, 1)), manner)
        await asyncio.sleep(0.01)  # a server that is away must not turn us into a storm
        return False


class User:
    """One connection at a time, one request at a time."""

    def __init__(self, client: Client, manner: str, number: int) -> None:
        self._client, self._manner = client, manner
        self._random = random.Random(client.plan.seed * 1000 + number)
        self._wire: Wire | None = None
        self._cookie = ""

    async def ask_for_ever(self) -> None:
        plan = self._client.plan
        pause = plan.users / plan.rate if plan.rate else 0.0
        due = time.monotonic() + self._random.random() * pause
        while not self._client.stopping.is_set():
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            due = max(due + pause, time.monotonic() - pause) if pause else 0.0
            kind, data, expected = self._request()
            ask = functools.partial(self._ask, data, expected)
            if not await self._client.counted(kind, plan.timeout, ask, self._manner):
                self._drop()
        self._drop()

    def _request(self) -> tuple[str, bytes, bytes | None]:
        """Kind, the bytes to send, and the body that must come back if it is known."""
        dice = self._random.random()
        if dice < SLOW_SHARE:
            return "slow", self._head("GET", f"/slow?ms={SLOW_MS}"), None
        if dice < SLOW_SHARE + POST_SHARE:
            body = self._random.randbytes(self._random.choice((10, 1_000, 40_000)))
            return "post", self._head("POST", "/echo", len(body)) + body, body
        return "get", self._head("GET", "/"), None

    def _head(self, method: str, path: str, length: int | None = None) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._client.host}"]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        if self._cookie:
            lines.append(f"Cookie: {self._cookie}")
        if self._manner == "single":
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _ask(self, data: bytes, expected: bytes | None) -> Answer:
        wire = self._wire
        if wire is not None and self._manner == "careful" and wire.seen_closed():
            self._client.result.reconnected += 1
            self._drop()
            wire = None
        if wire is None:
            wire = self._wire = await Wire.connect(self._client.host, self._client.port)
        await wire.send(data)
        answer = await wire.answer()
        if answer.status == 200 and expected is not None and answer.body != expected:
            raise Broken("wrong body", f"{len(answer.body)} bytes instead of the {len(expected)} that were sent")
        if answer.status == 200 and expected is None and not answer.body.startswith(b"ok "):
            raise Broken("wrong body", repr(answer.body[:80]))
        if self._client.plan.cookie and (cookie := answer.headers.get("set-cookie")):
            self._cookie = cookie.split(";")[0]
        if self._manner == "single" or not answer.stays:
            self._drop()
        return answer

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


async def stream(client: Client) -> Answer:
    """A long chunked answer, which must come whole and in order."""
    wire = await Wire.connect(client.host, client.port)
    try:
        await wire.send(f"GET /stream?seconds={client.plan.held:g} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = await wire.answer()
        lines = answer.body.split()
        if answer.status == 200 and lines != [b"%d" % n for n in range(len(lines) - 1)] + [b"end"]:
            raise Broken("wrong body", f"a stream of {len(lines)} lines is not the one that was asked for")
        return answer
    finally:
        wire.close()


async def websocket(client: Client) -> Answer:
    """An upgraded connection: says something ten times a second, and wants to hear it again."""
    wire = await Wire.connect(client.host, client.port)
    try:
        await wire.send(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        answer = await wire.answer()
        if answer.status != 101:
            return answer
        until = time.monotonic() + client.plan.held
        number = 0
        while time.monotonic() < until:
            number += 1
            await wire.send(b"word %d\n" % number)
            if await wire.until(b"\n", "a part of an echo") != b"word %d" % number:
                raise Broken("wrong body", "an echo came back changed")
            await asyncio.sleep(0.1)
        return answer
    finally:
        wire.close()


async def run(plan: Plan) -> Result:
    """The whole load of a plan, in this process."""
    return await Client(plan).run()


async def run_until_input_ends(plan: Plan) -> Result:
    """As a process of its own: whoever started it closes its input to have it end, and so does their death."""
    client = Client(plan)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    ended = asyncio.create_task(reader.read())
    ended.add_done_callback(lambda _: client.stopping.set())
    try:
        return await client.run()
    finally:
        ended.cancel()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.client", description=__doc__)
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT")
    parser.add_argument("--plan", default="{}", help="the other fields of the plan, as JSON")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=Plan.rate)
    parser.add_argument("--users", type=int, default=Plan.users)
    parser.add_argument("--no-idle-check", action="store_true", help="every user is careless")
    parser.add_argument("--result", type=Path, help="write everything that was counted here, as JSON")
    parser.add_argument("--json", action="store_true", help="print counts as JSON instead of words")
    parser.add_argument("--until-input-ends", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """0: nothing failed; 1: something did."""
    args = parse(arguments)
    fields = {"seconds": args.seconds, "rate": args.rate, "users": args.users, **json.loads(args.plan)}
    if args.no_idle_check:
        fields["manners"] = ("careless",)
    fields["manners"] = tuple(fields.get("manners", MANNERS))
    plan = Plan(url=args.url, **fields)
    result = asyncio.run(run_until_input_ends(plan) if args.until_input_ends else run(plan))
    if args.result:
        result.write(args.result)
    if args.json:
        counts = {key: value for key, value in result.plain().items() if key != "latencies"}
        print(json.dumps({**counts, "p50_ms": result.percentile(0.5), "p99_ms": result.percentile(0.99)}))
    else:
        print(result.summary())
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
