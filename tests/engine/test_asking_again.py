"""What a worker is asked follows the configuration: what applies at once reaches those that run already."""

import asyncio
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine.watching import Probes
from supervisor.model.facts import ProbeMissed
from supervisor.model.phases import Phase
from supervisor.model.spec import AliveSpec, PoolSpec
from supervisor.model.workers import Worker

pytestmark = pytest.mark.real


async def test_a_running_worker_is_asked_what_the_configuration_says_by_now(tmp_path: Path) -> None:
    asked: list[bytes] = []
    first = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        asked.append(path)
        first.set()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (200 if path == b"/old" else 500))
        writer.close()

    told: asyncio.Queue[object] = asyncio.Queue()
    probes = Probes(told.put_nowait)
    path = str(tmp_path / "w.sock")
    spec = PoolSpec(name="web", command=("web",), listen=path, alive=AliveSpec(http="/old", every=0.05))
    worker = Worker(serial=1, pool="web", slot=0, generation=1, address=path, phase=Phase.READY, pid=os.getpid())
    async with await asyncio.start_unix_server(answer, path), asyncio.timeout(10):
        probes.align([worker], lambda _: spec)
        await first.wait()
        probes.align([worker], lambda _: replace(spec, workers=2))
        later = replace(spec, alive=AliveSpec(http="/new", every=0.05))
        probes.align([worker], lambda _: later)
        fact = await told.get()
        assert isinstance(fact, ProbeMissed)
        assert "500" in fact.why
        del asked[:]
        await told.get()
        assert set(asked) == {b"/new"}, "nobody asks the old question any more"
        probes.close()
