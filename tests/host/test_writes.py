"""Waiting for what is written to files, on the real kernel."""

import asyncio
import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from supervisor.host import writes as module
from supervisor.host.writes import BLIND, NET, TOGETHER, Writes

from .test_logs import write

pytestmark = pytest.mark.real


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not told waits for longer than the test."""
    monkeypatch.setattr(module, "NET", 60.0)
    monkeypatch.setattr(module, "BLIND", 60.0)


def inotifies() -> int:
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += "inotify" in os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
    return found


async def told(waiting: asyncio.Task[None]) -> None:
    async with asyncio.timeout(5):
        await waiting


@pytest.mark.usefixtures("slow")
async def test_each_who_waits_is_told_of_its_own_files_and_of_no_others(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one.log"), str(tmp_path / "two.log")
    write(one, b"")
    write(two, b"")
    with closing(Writes()) as first, closing(Writes()) as second, closing(Writes()) as both:
        first.watch([one])
        second.watch([two])
        both.watch([one, two])
        assert inotifies() == 1
        waits = [asyncio.create_task(each.wait()) for each in (first, second, both)]
        write(one, b"x\n")
        await told(waits[0])
        await told(waits[2])
        await asyncio.sleep(2 * TOGETHER)
        assert not waits[1].done()
        write(two, b"x\n")
        await told(waits[1])
    assert inotifies() == 0


@pytest.mark.usefixtures("slow")
async def test_what_is_written_between_watching_and_waiting_is_told(tmp_path: Path) -> None:
    log = str(tmp_path / "one.log")
    write(log, b"")
    with closing(Writes()) as writes:
        writes.watch([log])
        write(log, b"x\n")
        await asyncio.sleep(2 * TOGETHER)
        await told(asyncio.create_task(writes.wait()))


@pytest.mark.usefixtures("slow")
async def test_a_file_in_the_place_of_another_is_found_again(tmp_path: Path) -> None:
    log = str(tmp_path / "one.log")
    write(log, b"")
    with closing(Writes()) as writes:
        for moved in (True, False):
            writes.watch([log])
            waiting = asyncio.create_task(writes.wait())
            await asyncio.sleep(0)
            if moved:
                os.rename(log, f"{log}.old")
            else:
                os.unlink(log)
            write(log, b"new\n")
            if not waiting.done():
                writes.watch([log])  # as who waits does, after a while
                write(log, b"more\n")
            await told(waiting)
            await asyncio.sleep(2 * TOGETHER)


async def test_a_busy_file_wakes_ten_times_a_second_and_not_for_every_line(tmp_path: Path) -> None:
    log = str(tmp_path / "one.log")
    write(log, b"")
    turns = 0

    def busy() -> None:
        for _ in range(1000):
            write(log, b"x\n")
            time.sleep(0.001)

    with closing(Writes()) as writes:
        begun = time.monotonic()
        writing = asyncio.create_task(asyncio.to_thread(busy))
        while not writing.done():
            writes.watch([log])
            async with asyncio.timeout(5):
                await writes.wait()
            turns += 1
        took = time.monotonic() - begun
    assert 3 <= turns <= took / TOGETHER + 2


async def test_a_file_that_is_not_there_is_looked_for_again_soon(tmp_path: Path) -> None:
    with closing(Writes()) as writes:
        writes.watch([str(tmp_path / "none.log")])
        begun = time.monotonic()
        await writes.wait()
        assert BLIND * 0.9 <= time.monotonic() - begun < NET


async def test_where_the_system_has_no_more_of_them_waiting_takes_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: object) -> object:
        raise OSError(24, "too many open files")

    monkeypatch.setattr(module._Kernel, "of", none)
    log = str(tmp_path / "one.log")
    write(log, b"")
    with closing(Writes()) as writes:
        writes.watch([log])
        begun = time.monotonic()
        await writes.wait()
        assert BLIND * 0.9 <= time.monotonic() - begun < NET
