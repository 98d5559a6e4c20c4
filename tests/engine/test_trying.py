"""The trial that nobody configured: what a new version does worse at `/` than the old ones, and nothing else."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import pytest

from supervisor.engine.trying import compared
from supervisor.model.phases import Phase
from supervisor.model.spec import PoolSpec, ReadySpec, RolloutSpec
from supervisor.model.workers import Worker

pytestmark = pytest.mark.real

SPEC = PoolSpec(name="web", command=("web",), ready=ReadySpec(http="/healthz", timeout=12.0), rollout=RolloutSpec())
"""So an old worker has 3 s for an answer."""


@contextlib.asynccontextmanager
async def worker(generation: int, answers: str) -> AsyncIterator[Worker]:
    """One that answers with a status, at once or late (`200 after 1.5`), or `closes`, or `hangs`."""

    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if answers == "hangs":
                await reader.read()
            elif answers != "closes":
                status, _, seconds = answers.partition(" after ")
                await asyncio.sleep(float(seconds or 0))
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Worker(
            serial=generation,
            pool="web",
            slot=0,
            generation=generation,
            address=f"127.0.0.1:{port}",
            pid=os.getpid(),
            phase=Phase.READY,
        )
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("new", "old", "ok", "bad"),
    [
        ("200", "200", True, False),
        ("404", "200", True, False),
        ("500", "200", False, True),
        ("503", "404", False, True),
        ("500", "500", True, False),
        ("500", "closes", True, False),
        ("closes", "200", False, True),
        ("hangs", "200", False, False),
        ("hangs", "hangs", True, False),
        ("500", "hangs", True, False),
        ("500", "200 after 2", False, True),
        ("200 after 1.2", "200 after 0.8", True, False),
    ],
)
async def test_only_what_the_old_workers_do_better_is_held_against_a_new_one(
    new: str, old: str, ok: bool, bad: bool
) -> None:
    async with worker(2, new) as young, worker(1, old) as elder:
        found = await compared(young, SPEC, [(elder, SPEC)])
    assert (found.ok, found.bad) == (ok, bad), found.why
    assert ok or ("GET /: " in found.why and "web.0 of generation 1 gives HTTP" in found.why)


async def test_where_one_old_worker_hangs_another_is_the_measure() -> None:
    async with worker(3, "500") as young, worker(1, "hangs") as stuck, worker(2, "200") as elder:
        found = await compared(young, SPEC, [(stuck, SPEC), (elder, SPEC)])
    assert (found.ok, found.bad) == (False, True)
    assert "where web.0 of generation 2 gives HTTP 200" in found.why


async def test_without_anybody_to_compare_with_nothing_is_asked() -> None:
    async with worker(2, "500") as young:
        assert (await compared(young, SPEC, [])).ok
