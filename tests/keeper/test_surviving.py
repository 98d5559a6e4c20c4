"""What outlives what: workers outlive engines and keepers, and a number that changed hands is never touched."""

import json
import os
import signal
from pathlib import Path

import pytest

from supervisor.keeper import identity
from supervisor.keeper.held import living
from supervisor.model.launch import Exited, Notified
from tests.keeper.stage import Stage, alive, until
from tests.keeper.test_ending import FAMILY

pytestmark = pytest.mark.real


async def test_an_engine_that_is_killed_is_back_and_finds_the_same_workers(stage: Stage) -> None:
    """At once, with the same pids, notes and start times."""
    stage.keeper()
    engine = await stage.engine()
    for serial in (1, 2, 3):
        await engine.spawned(stage.sleeper(serial, note={"pool": "web", "slot": str(serial)}))
    before = await engine.link.held()
    assert [held.note["slot"] for held in before] == ["1", "2", "3"]
    assert before[0].start_ticks == identity.start_ticks(before[0].pid)
    os.kill(engine.pid, signal.SIGKILL)
    again = await stage.engine()
    assert again.pid != engine.pid
    assert await again.link.held() == before
    assert all(alive(held.pid) for held in before)


async def test_what_dies_while_no_engine_is_there_is_told_to_the_next(stage: Stage) -> None:
    """With code and signal: the keeper was there."""
    stage.keeper()
    engine = await stage.engine()
    spawned = await engine.spawned(stage.sleeper(1))
    await engine.spawned(stage.launch(2, "raise SystemExit(9)"))
    os.kill(engine.pid, signal.SIGSTOP)
    os.kill(spawned.pid, signal.SIGUSR1)
    os.kill(engine.pid, signal.SIGKILL)
    engine = await stage.engine()
    assert (await engine.exited(1)).signal == "USR1"
    assert (await engine.exited(2)).code == 9


async def test_a_keeper_that_is_killed_costs_no_worker_and_the_next_adopts_them(stage: Stage) -> None:
    """Same pids; those that died meanwhile are told with a status unknown; the adopted are watched to their end."""
    first = stage.keeper()
    engine = await stage.engine()
    pids = [(await engine.spawned(stage.sleeper(serial))).pid for serial in (1, 2, 3)]
    before = await engine.link.held()
    first.kill()
    first.wait()
    await until(lambda: not engine.link._open, "KeeperLost")
    assert type(engine.facts[-1]).__name__ == "KeeperLost"
    assert all(map(alive, pids))
    os.kill(pids[2], signal.SIGKILL)
    await until(lambda: not alive(pids[2]), "the end of the third")

    stage.keeper()
    engine = await stage.engine()
    assert await engine.link.held() == before[:2]
    lost = await engine.exited(3)
    assert (lost.pid, lost.code, lost.signal, lost.known) == (pids[2], None, None, False)
    engine.link.signal(1, "TERM")
    ended = await engine.exited(1)
    assert (ended.known, ended.number) == (False, lost.number + 1)
    assert not alive(pids[0])


async def test_an_exit_that_nobody_acknowledged_survives_the_keeper(stage: Stage) -> None:
    """With its number and its status, and numbers go on from there."""
    first = stage.keeper()
    engine = await stage.engine()
    engine.link.spawn(stage.launch(1, "raise SystemExit(5)"))
    exited = await engine.exited(1)
    await engine.spawned(stage.sleeper(2))
    first.kill()
    first.wait()
    stage.keeper()
    engine = await stage.engine()
    assert engine.of(Exited) == [exited]
    engine.link.signal(2, "KILL")
    assert (await engine.exited(2)).number == exited.number + 1


async def test_a_signal_that_was_sent_is_known_to_the_next_keeper(stage: Stage) -> None:
    """A second TERM means to many programs that they must not finish what they are about."""
    first = stage.keeper()
    engine = await stage.engine()
    await engine.spawned(stage.launch(1, "", argv=("sh", "-c", "trap '' TERM; echo; while :; do sleep 0.1; done")))
    await until(lambda: stage.log(1), "its trap")
    engine.link.signal(1, "TERM")
    assert [one.signals for one in await engine.link.held()] == [("TERM",)]
    for _ in range(2):  # from its line, and from the file written anew
        first.kill()
        first.wait()
        first = stage.keeper()
        engine = await stage.engine()
        assert [one.signals for one in await engine.link.held()] == [("TERM",)]


async def test_the_group_and_the_strays_of_an_adopted_worker_go_with_it(stage: Stage) -> None:
    """They are no children of the new keeper, and are found by their mark."""
    first = stage.keeper()
    engine = await stage.engine()
    for serial, own_session in ((1, "False"), (2, "True")):
        await engine.spawned(stage.launch(serial, FAMILY.replace("{own_session}", own_session)))
        await until(lambda: stage.written(serial), "the grandchild")  # noqa: B023
    grandchildren = stage.written(1) + stage.written(2)
    first.kill()
    first.wait()
    stage.keeper()
    engine = await stage.engine()
    for serial in (1, 2):
        engine.link.signal(serial, "TERM")
        await engine.exited(serial)
    await until(lambda: not any(map(alive, grandchildren)), "the end of the grandchildren")


async def test_a_pid_that_changed_hands_is_neither_adopted_nor_touched(stage: Stage) -> None:
    """Pid and boot match and start ticks do not, or the boot is another: the worker is gone, the stranger lives."""
    stranger = stage.stranger(["sleep", "1000"], {})
    stage.state.mkdir(mode=0o700)
    ticks = identity.start_ticks(stranger.pid)
    record = {"pid": stranger.pid, "name": "web.0", "started": 1.0, "started_wall": 1.0, "note": {}}
    forged = [
        {"head": identity.boot_id(), "number": 41},
        {**record, "serial": 1, "boot": identity.boot_id(), "start_ticks": ticks + 1},
        {**record, "serial": 2, "boot": "another", "start_ticks": ticks},
        {**record, "serial": 3, "boot": identity.boot_id(), "start_ticks": 0},
    ]
    (stage.state / "workers.jsonl").write_text("\n".join(map(json.dumps, forged)))
    keeper = stage.keeper()
    engine = await stage.engine()
    told = [(fact.serial, fact.number, fact.known) for fact in engine.of(Exited)]
    assert told == [(1, 42, False), (2, 43, False), (3, 44, False)]
    engine.facts.clear()
    assert await engine.link.held() == ()
    engine.link.signal(1, "KILL")
    engine.link.shutdown(False)
    engine.leave()
    assert await stage.ended(keeper) == 0
    assert stranger.poll() is None


async def test_readiness_said_while_nobody_listened_is_told_again(stage: Stage) -> None:
    """To the next engine, and by the next keeper: nobody says READY twice."""
    first = stage.keeper()
    engine = await stage.engine()
    code = """
import os, socket, time
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1\\nSTATUS=fine", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""
    await engine.spawned(stage.launch(1, code))
    said = await engine.told(Notified)
    assert said.fields == {"READY": "1", "STATUS": "fine"}
    os.kill(engine.pid, signal.SIGKILL)
    engine = await stage.engine()
    assert engine.of(Notified) == [said]
    first.kill()
    first.wait()
    stage.keeper()
    engine = await stage.engine()
    assert engine.of(Notified) == [said]


@pytest.mark.parametrize("damage", ["cut", "garbage", "torn in the middle", "empty", "another version's"])
async def test_a_damaged_record_costs_no_worker(stage: Stage, damage: str) -> None:
    """The keeper starts, adopts what is on record or bears its mark, and never crashes."""
    first = stage.keeper()
    engine = await stage.engine()
    for serial in (1, 2):
        await engine.spawned(stage.sleeper(serial))
    first.kill()
    first.wait()
    path = stage.state / "workers.jsonl"
    data = path.read_bytes()
    changed = {
        "cut": data[:-20],
        "garbage": data + b"\xff\xfe{{{[[[\n" + b"[" * 100_000,
        "torn in the middle": data.replace(b'"serial":1', b'"ser\n{"pid', 1),
        "empty": b"",
        "another version's": data + b'\n{"something": "new"}\n{"pid": "x", "serial": []}\n{"end": 1}\n',
    }[damage]
    path.write_bytes(changed)
    stage.keeper()
    engine = await stage.engine()
    assert sorted(held.serial for held in await engine.link.held()) == [1, 2]


async def test_of_a_worker_whose_record_is_lost_the_next_keeper_knows_what_it_was_told_to_start(
    stage: Stage,
) -> None:
    """Its environment bears it, and a worker of a lost note would be taken for one that nobody wants."""
    first = stage.keeper()
    engine = await stage.engine()
    for serial in (1, 2):  # the thorough way, and the quick one
        await engine.spawned(stage.sleeper(serial, note={"pool": "web", "slot": str(serial), "odd": "é"}))
    before = await engine.link.held()
    first.kill()
    first.wait()
    (stage.state / "workers.jsonl").unlink()
    assert [row["name"] for row in living(str(stage.state))] == ["web.1", "web.2"]
    stage.keeper()
    engine = await stage.engine()
    assert [(one.name, one.note) for one in await engine.link.held()] == [(one.name, one.note) for one in before]


async def test_a_record_that_names_another_worker_is_not_believed(stage: Stage) -> None:
    """One digit changed, and it would say that one worker is the other."""
    first = stage.keeper()
    engine = await stage.engine()
    pids = {serial: (await engine.spawned(stage.sleeper(serial))).pid for serial in (1, 2)}
    first.kill()
    first.wait()
    path = stage.state / "workers.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"serial":1', b'"serial":2').replace(b'"about":1', b'"about":2'))
    stage.keeper()
    engine = await stage.engine()
    assert {held.serial: held.pid for held in await engine.link.held()} == pids


async def test_the_records_stay_small(stage: Stage) -> None:
    """Many starts and ends later the file is written anew, and holds what is held."""
    first = stage.keeper(changed="limits.RECORD_LINES = 100")
    engine = await stage.engine()
    pid = (await engine.spawned(stage.sleeper(1))).pid
    path = stage.state / "workers.jsonl"
    sizes = []
    for serial in range(2, 152):
        await engine.refused(stage.launch(serial, "", argv=("no-such-program",)))
        sizes.append(count_lines(path))
    assert max(sizes) < 250
    assert sizes != sorted(sizes)
    first.kill()
    first.wait()
    stage.keeper()
    engine = await stage.engine()
    assert [held.pid for held in await engine.link.held()] == [pid]


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")
