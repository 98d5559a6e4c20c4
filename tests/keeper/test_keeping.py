"""The keeper itself: one for each directory, private, told to end in several ways, and its engine started again."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.model.launch import ReloadAsked, Terminate
from tests.keeper.stage import Stage, alive, until

pytestmark = pytest.mark.real


def complaint(keeper: subprocess.Popen[bytes]) -> str:
    _, said = keeper.communicate(timeout=10)
    return said.decode()


async def test_a_second_keeper_says_who_holds_the_directory(stage: Stage) -> None:
    """Exit 5, and the first one's sockets stay as they are."""
    first = stage.keeper()
    engine = await stage.engine()
    second = stage.keeper()
    said = complaint(second)
    assert second.returncode == 5
    assert (
        said == f"clusterctl keeper: {stage.state}: held by another keeper, pid {first.pid}; nothing was started\n"
    )
    assert (await engine.spawned(stage.sleeper(1))).pid


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o702])
async def test_a_directory_that_others_may_enter_is_refused(stage: Stage, mode: int) -> None:
    """Exit 2, with what to do."""
    stage.state.mkdir()
    stage.state.chmod(mode)
    keeper = stage.keeper()
    said = complaint(keeper)
    assert keeper.returncode == 2
    assert f"mode {mode:04o} lets others in" in said
    assert f"chmod 700 {stage.state}" in said


async def test_a_directory_of_somebody_else_is_refused(stage: Stage) -> None:
    """Exit 2. Only root can give one away; anybody else finds one of root's."""
    if os.geteuid() == 0:
        stage.state.mkdir(mode=0o700)
        os.chown(stage.state, 12345, 12345)
    else:
        stage.state = Path("/usr")
    keeper = stage.keeper()
    assert "belongs to user" in complaint(keeper)
    assert keeper.returncode == 2


async def test_a_path_too_long_for_a_socket_is_refused(stage: Stage) -> None:
    """Exit 2, before anything is made there."""
    stage.state = stage.base / ("x" * 100)
    keeper = stage.keeper()
    assert "too long a path for a socket" in complaint(keeper)
    assert keeper.returncode == 2


def test_a_command_line_that_makes_no_sense_is_answered_with_the_usage() -> None:
    """Exit 2."""
    for arguments in (
        [],
        ["--state-dir", "/tmp/x"],
        ["--state-dir", "/tmp/x", "--"],
        ["--what", "x", "--", "true"],
    ):
        keeper = [sys.executable, "-m", "supervisor.keeper", *arguments]
        done = subprocess.run(keeper, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "usage: python -m supervisor.keeper --state-dir DIR" in done.stderr


async def test_everything_that_it_makes_is_private(stage: Stage) -> None:
    """Directories 0700, files and sockets 0600, whatever the umask."""
    stage.keeper()
    engine = await stage.engine()
    await engine.spawned(stage.sleeper(1))
    os.kill(engine.pid, signal.SIGKILL)
    await stage.engine()
    names = {path.name for path in stage.state.iterdir()}
    assert names == {"lock", "clusterctl.sock", "notify.sock", "workers.jsonl", "keeper.log", "engine.log"}
    for path in (stage.state, *stage.state.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_whoever_started_it_hears_when_the_engine_is_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ready` on --ready-fd and READY=1 to the manager, once, when the engine says so and not before."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(stage.base / "manager.sock"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(stage.base / "manager.sock"))
        keeper = stage.keeper(ready_fd=write)
        os.close(write)
        engine = await stage.engine()
        with pytest.raises(BlockingIOError):
            os.read(read, 10)
        engine.link.up()
        await engine.link.held()
        assert os.read(read, 10) == b"ready\n"
        assert os.read(read, 10) == b""
        os.close(read)
        assert manager.recv(100) == f"READY=1\nMAINPID={keeper.pid}".encode()


async def test_shutdown_kills_what_is_left_and_leaves_nothing(stage: Stage) -> None:
    """Workers, their strays, sockets; exit 0."""
    keeper = stage.keeper()
    engine = await stage.engine()
    await engine.link.listen("web", f"{stage.base}/web.sock")
    code = "import os, time\nfor _ in range(3):\n  if os.fork() == 0: os.setsid()\ntime.sleep(1000)"
    for serial in (1, 2):
        await engine.spawned(stage.launch(serial, code))
    await until(lambda: len(stage.descendants()) == 16, "two families of eight")
    engine.link.shutdown(False)
    engine.leave()
    assert await stage.ended(keeper) == 0
    assert stage.descendants() == []
    assert sorted(path.name for path in stage.state.iterdir()) == ["engine.log", "lock", "workers.jsonl"]
    assert not (stage.base / "web.sock").exists()
    assert (stage.state / "lock").read_text() == ""


async def test_shutdown_that_keeps_workers_leaves_them_for_the_next(stage: Stage) -> None:
    """Exit 0; they live, and are adopted with their pids; an adopted one can be ended with the rest."""
    keeper = stage.keeper()
    engine = await stage.engine()
    pid = (await engine.spawned(stage.sleeper(1))).pid
    engine.link.shutdown(True)
    engine.leave()
    assert await stage.ended(keeper) == 0
    assert alive(pid)
    keeper = stage.keeper()
    engine = await stage.engine()
    assert [held.pid for held in await engine.link.held()] == [pid]
    engine.link.shutdown(False)
    engine.leave()
    assert await stage.ended(keeper) == 0
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_asks_the_engine_to_go_down_and_a_second_one_does_not_ask(
    stage: Stage, number: signal.Signals
) -> None:
    """First Terminate, workers untouched; then everything is killed."""
    keeper = stage.keeper()
    engine = await stage.engine()
    pid = (await engine.spawned(stage.sleeper(1))).pid
    keeper.send_signal(number)
    await engine.told(Terminate)
    assert alive(pid)
    keeper.send_signal(number)
    assert await stage.ended(keeper) == 0
    assert not alive(pid)
    assert not alive(engine.pid)


async def test_a_hangup_asks_for_a_reload(stage: Stage) -> None:
    """SIGHUP is told as ReloadAsked; nothing else happens."""
    keeper = stage.keeper()
    engine = await stage.engine()
    keeper.send_signal(signal.SIGHUP)
    await engine.told(ReloadAsked)


async def test_ctrl_z_does_not_stop_it(stage: Stage) -> None:
    """Nobody would see a worker's end, or start the engine again."""
    keeper = stage.keeper()
    engine = await stage.engine()
    keeper.send_signal(signal.SIGTSTP)
    await engine.spawned(stage.launch(1, "raise SystemExit(7)"))
    assert (await engine.exited(1)).code == 7


async def test_a_hang_up_while_no_engine_is_there_is_told_to_the_next_one(stage: Stage) -> None:
    """One that is lost is a configuration that an operator believes to be in force."""
    keeper = stage.keeper(changed="limits.BACKOFF_FIRST = 1.0")
    for _ in range(2):
        engine = await stage.engine()
        engine.leave(1)
        await until(lambda pid=engine.pid: not alive(pid), "the engine's end")  # type: ignore[misc]
    keeper.send_signal(signal.SIGHUP)
    following = await stage.engine()
    await following.told(ReloadAsked)


async def test_an_engine_that_dies_on_its_way_down_gets_one_more_life(stage: Stage) -> None:
    """The next one is told Terminate with what it asks first; if it dies too, everything is killed."""
    keeper = stage.keeper()
    engine = await stage.engine()
    pid = (await engine.spawned(stage.sleeper(1))).pid
    keeper.send_signal(signal.SIGTERM)
    await engine.told(Terminate)
    os.kill(engine.pid, signal.SIGKILL)
    engine = await stage.engine()
    await engine.told(Terminate)
    assert alive(pid)
    os.kill(engine.pid, signal.SIGKILL)
    assert await stage.ended(keeper) == 0
    assert not alive(pid)


async def test_an_engine_that_refuses_its_configuration_is_not_started_again(stage: Stage) -> None:
    """Exit 2 before it ever came up ends the keeper with 2."""
    keeper = stage.keeper()
    engine = await stage.engine()
    engine.leave(2)
    assert await stage.ended(keeper) == 2


async def test_an_engine_that_cannot_come_up_is_given_up_while_there_is_nothing_to_hold(stage: Stage) -> None:
    """Three deaths, exit 1, and whoever started it reads why: those in the foreground see no log."""
    keeper = stage.keeper(engine=[sys.executable, "-c", "raise SystemExit('no such \x1b[2Jluck')"])
    assert await stage.ended(keeper) == 1
    assert (stage.state / "engine.log").read_text() == "no such \x1b[2Jluck\n" * 3
    assert keeper.stderr is not None
    assert keeper.stderr.read().decode().splitlines() == [
        "clusterctl keeper: engine: ended with code 1 before it ever came up; the keeper ends",
        "no such \ufffd[2Jluck",
    ]


async def test_what_a_link_in_its_directory_leads_to_is_not_written_over(stage: Stage) -> None:
    """The lock is another's file then."""
    stage.state.mkdir(mode=0o700)
    other = stage.base / "other"
    other.write_text("of worth")
    (stage.state / "lock").symlink_to(other)
    keeper = stage.keeper()
    assert await stage.ended(keeper) == 2
    assert other.read_text() == "of worth"


async def test_something_else_where_its_socket_belongs_is_named(stage: Stage) -> None:
    stage.state.mkdir(mode=0o700)
    (stage.state / "clusterctl.sock").write_text("x")
    keeper = stage.keeper()
    assert await stage.ended(keeper) == 2
    assert keeper.stderr is not None
    assert "something else than a socket is there: " in keeper.stderr.read().decode()


async def test_an_engine_that_is_no_program_is_named_in_the_log(stage: Stage) -> None:
    """The keeper does not go on without one."""
    keeper = stage.keeper(engine=["/no/such/engine"])
    assert await stage.ended(keeper) == 1
    assert "engine: no such program: /no/such/engine" in (stage.state / "keeper.log").read_text()


def test_the_keeper_imports_little() -> None:
    """Standard library only, and nothing of it that a holding process has no use for."""
    code = "import sys, supervisor.keeper.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"msgspec", "asyncio", "argparse", "logging", "dataclasses", "inspect", "subprocess", "ssl"}
