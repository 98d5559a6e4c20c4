"""How workers end: told once with how, group and strays gone, kept until acknowledged."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from supervisor.model.launch import Exited
from tests.keeper.stage import Stage, alive, until

pytestmark = pytest.mark.real

FAMILY = """
import os, signal, sys, time
def child(own_session):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if own_session:
            os.setsid()
            if os.fork():  # a daemon's double fork
                os._exit(0)
        print(os.getpid(), flush=True)
        time.sleep(1000)
child({own_session})
time.sleep(1000)
"""


async def test_an_exit_code_and_a_signal_are_told_as_such(stage: Stage) -> None:
    """`code` or `signal`, never both; the numbers of exits rise by one."""
    stage.keeper()
    engine = await stage.engine()
    engine.link.spawn(stage.launch(1, "raise SystemExit(3)"))
    exited = await engine.exited(1)
    assert (exited.number, exited.code, exited.signal, exited.known, exited.oom) == (1, 3, None, True, False)
    spawned = await engine.spawned(stage.sleeper(2))
    before = time.monotonic()
    os.kill(spawned.pid, signal.SIGKILL)
    exited = await engine.exited(2)
    assert (exited.number, exited.code, exited.signal, exited.pid) == (2, None, "KILL", spawned.pid)
    assert before <= exited.at <= time.monotonic()


async def test_a_program_that_ends_at_once_is_told_as_spawned_first(stage: Stage) -> None:
    """Spawned, then Exited, however quick it was."""
    stage.keeper()
    engine = await stage.engine()
    for serial in range(1, 21):
        engine.link.spawn(stage.launch(serial, "", argv=("true",)))
    for serial in range(1, 21):
        await engine.exited(serial)
        order = [type(fact).__name__ for fact in engine.facts if getattr(fact, "serial", 0) == serial]
        assert order == ["Spawned", "Exited"]


def stopped(pid: int) -> bool:
    return "State:\tT" in Path(f"/proc/{pid}/status").read_text()


async def test_a_signal_goes_to_the_group_or_to_the_first_process_alone(stage: Stage) -> None:
    """By name, with or without SIG; to what is not there it is nothing."""
    stage.keeper()
    engine = await stage.engine()
    code = "import os, time; os.fork(); print(os.getpid(), flush=True); time.sleep(1000)"
    spawned = await engine.spawned(stage.launch(1, code))
    await until(lambda: len(stage.written(1)) == 2, "both pids")
    engine.link.signal(99, "KILL")
    engine.link.signal(1, "NOSUCH")
    engine.link.signal(1, "STOP", group=False)
    # Pending together, TERM would be taken first, whatever the order in which they were sent.
    await until(lambda: stopped(spawned.pid), "the stop")
    engine.link.signal(1, "SIGTERM")
    await until(lambda: sum(map(alive, stage.written(1))) == 1, "the end of the child, not of its stopped parent")
    engine.link.signal(1, "CONT", group=False)
    assert (await engine.exited(1)).signal == "TERM"


@pytest.mark.parametrize("own_session", [False, True], ids=["in the group", "a daemon of its own session"])
async def test_a_grandchild_that_ignores_term_goes_with_its_worker(stage: Stage, own_session: bool) -> None:
    """What a worker leaves behind is KILLed when its first process is gone."""
    stage.keeper()
    engine = await stage.engine()
    await engine.spawned(stage.launch(1, FAMILY.replace("{own_session}", str(own_session))))
    await until(lambda: stage.written(1), "the grandchild")
    (grandchild,) = stage.written(1)
    assert alive(grandchild)
    engine.link.signal(1, "TERM")
    assert (await engine.exited(1)).signal == "TERM"
    await until(lambda: not alive(grandchild), "the end of the grandchild")


async def test_a_daemon_of_a_living_worker_is_left_alone_when_another_ends(stage: Stage) -> None:
    """A stray is killed for the end of its own worker only."""
    stage.keeper()
    engine = await stage.engine()
    await engine.spawned(stage.launch(1, FAMILY.replace("{own_session}", "True")))
    await until(lambda: stage.written(1), "the daemon")
    await engine.spawned(stage.sleeper(2))
    engine.link.signal(2, "KILL")
    await engine.exited(2)
    await engine.link.held()  # the keeper has swept by then
    assert alive(stage.written(1)[0])


async def test_strays_that_beget_strays_are_hunted_down(stage: Stage) -> None:
    """Daemons of daemons, each in a session of its own."""
    stage.keeper()
    engine = await stage.engine()
    code = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        print(os.getpid(), flush=True)
    else:
        break
time.sleep(1000)
"""
    await engine.spawned(stage.launch(1, code))
    await until(lambda: len(stage.written(1)) == 4, "four daemons")
    engine.link.signal(1, "KILL")
    await until(lambda: not any(map(alive, stage.written(1))), "the end of all")


async def test_exits_are_told_again_until_they_are_acknowledged(stage: Stage) -> None:
    """A new engine hears what the old one did not journal, with the same numbers."""
    stage.keeper()
    engine = await stage.engine()
    for serial in (1, 2):
        engine.link.spawn(stage.launch(serial, f"raise SystemExit({serial})"))
        await engine.exited(serial)
    engine.link.ack(1)
    second = next(fact for fact in engine.of(Exited) if fact.serial == 2)
    engine.facts.clear()
    await engine.link.held()
    assert engine.of(Exited) == [second]
    os.kill(engine.pid, signal.SIGKILL)
    engine = await stage.engine()
    assert engine.of(Exited) == [second]
    engine.link.ack(second.number)
    engine.facts.clear()
    await engine.link.held()
    assert engine.facts == []


async def test_a_hundred_that_die_at_once_are_all_told(stage: Stage) -> None:
    """None is lost where signals coalesce."""
    stage.keeper()
    engine = await stage.engine()
    for serial in range(1, 101):
        engine.link.spawn(stage.sleeper(serial))
    await until(lambda: len(engine.facts) == 100, "a hundred starts")
    pids = [held.pid for held in await engine.link.held()]
    assert len(pids) == 100
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(engine.of(Exited)) == 100, "a hundred ends")
    assert {fact.serial for fact in engine.of(Exited)} == set(range(1, 101))
    assert sorted(fact.number for fact in engine.of(Exited)) == list(range(1, 101))
    assert await engine.link.held() == ()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_worker_that_crash_loops_leaves_no_zombie_and_no_descriptor(stage: Stage) -> None:
    """Two hundred starts and ends later the keeper is as it was."""
    keeper = stage.keeper()
    engine = await stage.engine()
    before = len(os.listdir(f"/proc/{keeper.pid}/fd"))
    for batch in range(10):
        for number in range(20):
            argv = ("false",) if number % 2 else ("no-such-program",)
            engine.link.spawn(stage.launch(batch * 20 + number + 1, "", argv=argv))
        await until(lambda: len(engine.of(Exited)) == 10 * (batch + 1), "the batch")  # noqa: B023
        for fact in engine.of(Exited):
            engine.link.ack(fact.number)
    await engine.link.held()
    assert len(os.listdir(f"/proc/{keeper.pid}/fd")) == before
    assert children_of(keeper.pid) == [engine.pid]


async def test_an_engine_that_does_not_read_delays_nothing(stage: Stage) -> None:
    """Much is told to a deaf engine; it hears all of it later, and the keeper goes on meanwhile."""
    stage.keeper()
    engine = await stage.engine()
    asyncio.get_running_loop().remove_reader(engine.link._socket)
    note = {"much": "x" * 20_000}
    for serial in range(1, 11):
        engine.link.spawn(stage.sleeper(serial, note=note))
    for _ in range(40):
        engine.link._send({"type": "held"})
    engine.link.signal(1, "KILL")
    log = stage.state / "workers.jsonl"
    await until(lambda: '"end":1' in log.read_text(), "the end, seen though nobody listens")
    asyncio.get_running_loop().add_reader(engine.link._socket, engine.link._read)
    assert (await engine.exited(1)).signal == "KILL"
