"""Whose lines stand in which file: a slot has two logs while it is replaced, and its last one while it is empty."""

import asyncio
import os
from pathlib import Path

import pytest

from supervisor.engine.tailing import lines_of, lines_to_come, logs_of, places_of
from supervisor.host.following import Log, Place
from supervisor.model.errors import BadSpec, Unknown
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
    assert [line async for line in lines_of(logs, 5)] == [("web.0", "web.0+1.log")]


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
    assert [line async for line in lines_of(logs, 5)] == [("web.0+1", "no such table")]
    (tmp_path / "logs" / "web.0.log").touch()
    assert logs_of(world.ledger, "web.0+0") == {"web.0+0": Log(f"{tmp_path}/logs/web.0.log")}
    for wrong in ("web.0+2", "web.0+00", "web.9+1", "../web.0+1", "web.0+1/../x"):
        with pytest.raises(Unknown):
            logs_of(world.ledger, wrong)


async def test_a_follower_of_what_is_no_longer_there_comes_to_an_end(tmp_path: Path) -> None:
    world = begun(tmp_path)
    assert logs_of(world.ledger, "web.2")
    del world.ledger.slots["web"][2]
    assert [line async for line in lines_to_come(world.ledger, "web.2", 5, {})] == []
    with pytest.raises(Unknown):
        logs_of(world.ledger, "web.2")


async def test_who_was_cut_off_also_gets_the_last_words_of_a_worker_that_is_gone_meanwhile(tmp_path: Path) -> None:
    """Of a slot that is no more, and of a slot's other file; then the next worker's lines."""
    world = begun(tmp_path)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "web.7.log").write_text("known\nlast\n")
    (logs / "web.0.log").write_text("other\n")
    places = places_of(world.ledger, "web", "web.7~0~0~1,web.0~0~0~0")
    source = lines_to_come(world.ledger, "web", 5, places)
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(10):
        while len(found) < 2:
            if not isinstance(item := await anext(source), Place):
                found.append(item)
    assert sorted(found) == [("web.0", "other"), ("web.7", "last")]
    await source.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "word",
    [
        "web.0",
        "web.0~1~2",
        "jobs.0~0~0~0",
        "../web.0~0~0~0",
        "web.0~0~0~-1",
        "web.0~1~2~3,",
        "web.0+1~1~2~" + "9" * 19,
    ],
)
def test_what_is_no_place_in_a_log_is_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(BadSpec, match="is no place in a log of web"):
        places_of(begun(tmp_path).ledger, "web", word)
