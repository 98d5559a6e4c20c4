"""Whose lines stand in which file: a slot has two logs while it is replaced, and its last one while it is empty."""

import os
from pathlib import Path

import pytest

from supervisor.engine.tailing import lines_of, logs_of
from supervisor.host.following import Log
from supervisor.model.errors import Unknown
from supervisor.model.requests import Restart, Stop
from tests.engine.test_transcripts import begun, ended


def test_a_slot_that_is_replaced_has_two_logs_and_then_the_newer_one(tmp_path: Path) -> None:
    world = begun(tmp_path)
    old = f"{tmp_path}/logs/web.0.log"
    assert logs_of(world.ledger, "web.0") == {"web.0": Log(old)}
    world.ask(Restart(target="web.0"))
    world.tick()
    new = Log(f"{tmp_path}/logs/web.0+1.log")
    assert logs_of(world.ledger, "web.0") == {"web.0": Log(old), "web.0#4": new}
    world.run(lambda: len(world.ledger.workers_of("web")) == 3)
    assert logs_of(world.ledger, "web.0") == {"web.0": new}


async def test_an_empty_slot_shows_what_its_last_worker_wrote(tmp_path: Path) -> None:
    world = begun(tmp_path)
    (tmp_path / "logs").mkdir()
    for when, name in ((2000, "web.0.log"), (3000, "web.0+1.log")):
        (tmp_path / "logs" / name).write_text(f"{name}\n")
        os.utime(tmp_path / "logs" / name, (when, when))
    world.ask(Stop(target="web.0"))
    world.run(lambda: len(world.ledger.workers_of("web")) == 2)
    logs = logs_of(world.ledger, "web.0")
    assert logs == {"web.0": Log(f"{tmp_path}/logs/web.0+1.log")}
    assert [line async for line in lines_of(world.ledger, "web.0", logs, 5, False)] == [("web.0", "web.0+1.log")]


async def test_what_a_failed_newcomer_wrote_is_read_by_the_name_of_its_file(tmp_path: Path) -> None:
    world = begun(tmp_path, bad="crash")
    world.run(ended(world, world.ask(Restart(target="web"))))
    assert logs_of(world.ledger, "web.0") == {"web.0": Log(f"{tmp_path}/logs/web.0.log")}
    told = [event.text for event in world.desk.feed.events if event.kind == "worker-exited"]
    assert told[0].startswith("exit code 1 (generation 2)"), told
    assert told[0].endswith("`clusterctl logs web.0+1` has its output"), told
    with pytest.raises(Unknown, match=r"web\.0\+1"):
        logs_of(world.ledger, "web.0+1")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "web.0+1.log").write_text("no such table\n")
    logs = logs_of(world.ledger, "web.0+1")
    assert [line async for line in lines_of(world.ledger, "web.0+1", logs, 5, False)] == [
        ("web.0+1", "no such table")
    ]
    (tmp_path / "logs" / "web.0.log").touch()
    assert logs_of(world.ledger, "web.0+0") == {"web.0+0": Log(f"{tmp_path}/logs/web.0.log")}
    for wrong in ("web.0+2", "web.0+00", "web.9+1", "../web.0+1", "web.0+1/../x"):
        with pytest.raises(Unknown):
            logs_of(world.ledger, wrong)


async def test_a_follower_of_what_is_no_longer_there_comes_to_an_end(tmp_path: Path) -> None:
    world = begun(tmp_path)
    logs = logs_of(world.ledger, "web.2")
    del world.ledger.slots["web"][2]
    assert [line async for line in lines_of(world.ledger, "web.2", logs, 5, True)] == []
    with pytest.raises(Unknown):
        logs_of(world.ledger, "web.2")
