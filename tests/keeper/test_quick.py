"""The quick way to start a program: nothing that a program can see tells it from the thorough way."""

import asyncio
import json
import os
import signal
import stat
from pathlib import Path

import pytest

from supervisor.keeper import identity
from supervisor.keeper.quick import QuickStart
from supervisor.keeper.spawning import Order
from supervisor.model.launch import Exited
from tests.keeper.stage import Stage, alive, until

pytestmark = pytest.mark.real

LOOK = """
import json, os, resource, signal, sys
fds = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in map(int, os.listdir("/proc/self/fd")) if fd < 3}
open_ = len(os.listdir("/proc/self/fd"))
ignored = [int(n) for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN and n not in (13, 25)]
seen = {"sid": os.getsid(0) == os.getpid(), "cwd": os.getcwd(), "fds": fds, "open": open_, "ignored": ignored,
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE), "umask": os.umask(0),
        "env": sorted(k for k in os.environ if k != "LC_CTYPE"), "flags": sys.stdout.buffer.raw.fileno()}
print(json.dumps(seen), flush=True)
import time; time.sleep(1000)
"""


def lines(stage: Stage) -> list[dict[str, object]]:
    path = stage.state / "workers.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


async def test_a_program_cannot_tell_which_way_it_was_started(stage: Stage) -> None:
    stage.keeper()
    engine = await stage.engine()
    seen = []
    for serial in (1, 2):
        await engine.spawned(stage.launch(serial, LOOK, nofile=200, log=str(stage.base / "logs" / f"{serial}.log")))
        await until(lambda serial=serial: stage.log(serial).endswith("\n"), "what it sees")  # type: ignore[misc]
        seen.append(json.loads(stage.log(serial).replace(f"{serial}.log", "N.log")))
    assert seen[0] == seen[1]
    assert [line["about"] for line in lines(stage) if "about" in line] == [2]


async def test_the_way_of_a_failure_is_told_by_the_thorough_way(stage: Stage) -> None:
    stage.keeper()
    engine = await stage.engine()
    program = stage.base / "program"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o700)
    await engine.spawned(stage.launch(1, "", argv=(str(program),)))
    program.unlink()
    assert await engine.refused(stage.launch(2, "", argv=(str(program),))) == f"no such program: {program}"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o700)
    assert "no such interpreter" in await engine.refused(stage.launch(3, "", argv=(str(program),)))


async def test_one_whose_pid_was_never_written_is_found_by_its_mark(stage: Stage) -> None:
    """The keeper was killed between the start and the line that tells of it."""
    first = stage.keeper()
    engine = await stage.engine()
    pids = [(await engine.spawned(stage.sleeper(serial))).pid for serial in (1, 2)]
    first.kill()
    first.wait()
    path = stage.state / "workers.jsonl"
    kept = [line for line in lines(stage) if "began" not in line]
    path.write_text("".join(f"\n{json.dumps(line)}\n" for line in kept))
    stage.keeper()
    engine = await stage.engine()
    assert [held.pid for held in await engine.link.held()] == pids


async def test_one_that_was_never_started_is_told_as_gone(stage: Stage) -> None:
    first = stage.keeper()
    engine = await stage.engine()
    await engine.spawned(stage.sleeper(1))
    pid = (await engine.spawned(stage.sleeper(2))).pid
    first.kill()
    first.wait()
    os.kill(pid, signal.SIGKILL)
    path = stage.state / "workers.jsonl"
    kept = [line for line in lines(stage) if "began" not in line]
    path.write_text("".join(f"\n{json.dumps(line)}\n" for line in kept))
    stage.keeper()
    engine = await stage.engine()
    assert not (await engine.told(Exited)).known
    assert [held.serial for held in await engine.link.held()] == [1]


def order(tmp_path: Path, **changes: object) -> Order:
    logs = tmp_path / "logs"
    logs.mkdir(exist_ok=True)
    made = Order(["sleep", "1000"], str(tmp_path), {"PATH": "/usr/bin:/bin"}, str(logs / "1.log"), [], [])
    return made._replace(**changes)  # type: ignore[arg-type]


def test_what_lies_on_another_machine_is_left_to_the_thorough_way(tmp_path: Path) -> None:
    start = QuickStart()
    start.learn(order(tmp_path))
    assert start.takes(order(tmp_path))
    start._mounts._remote = [str(tmp_path / "logs")]
    start.learn(order(tmp_path, argv=["true"]))
    assert not start.takes(order(tmp_path, argv=["true"]))


@pytest.mark.parametrize("changes", [{"fds": [5]}, {"argv": ["./here"]}, {"cwd": "/elsewhere"}])
def test_only_a_way_that_was_gone_before_is_quick(tmp_path: Path, changes: dict[str, object]) -> None:
    start = QuickStart()
    start.learn(order(tmp_path))
    assert not start.takes(order(tmp_path, **changes))


def test_a_log_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    made = order(tmp_path, log=str(tmp_path / "logs" / "fifo"))
    os.mkfifo(made.log)
    here = os.getcwd()
    assert QuickStart().start(made) is None
    assert os.getcwd() == here


async def test_a_start_leaves_the_keeper_as_it_was(tmp_path: Path) -> None:
    here, files = os.getcwd(), len(os.listdir("/proc/self/fd"))
    start = QuickStart()
    pid = start.start(order(tmp_path, nofile=50))
    assert pid is not None
    try:
        assert alive(pid)
        # We go on when the old program is gone, which is a moment before the new one's arguments can be read.
        await until(lambda: identity.command(pid) == "sleep 1000", "the program runs")
        assert stat.S_IMODE(os.stat(tmp_path / "logs" / "1.log").st_mode) == 0o600
        assert os.getcwd() == here
        assert len(os.listdir("/proc/self/fd")) == files + 2
    finally:
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid, 0)
