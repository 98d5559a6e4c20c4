"""Starting programs: what they are given, and the words when they cannot be started."""

import json
import os
import resource
from pathlib import Path

import pytest

from tests.keeper.stage import Stage, until

pytestmark = pytest.mark.real

TELL = """
import json, os, resource, signal, sys
print(json.dumps({
    "pid": os.getpid(), "group": os.getpgrp(), "session": os.getsid(0), "cwd": os.getcwd(),
    "env": dict(os.environ), "fds": sorted(map(int, os.listdir("/proc/self/fd"))),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "argv": sys.argv[1:],
    "status": open("/proc/self/status").read(), "in": os.readlink("/proc/self/fd/0"),
}), flush=True)
"""

SETTABLE = ~(0b11 << 31)
"""All but 32 and 33, glibc's own: whoever ignores those hands it down, and no program can change it."""


async def told_by(stage: Stage, serial: int) -> dict[str, object]:
    await until(lambda: stage.log(serial).endswith("\n"), "the worker's words")
    answer = json.loads(stage.log(serial))
    assert isinstance(answer, dict)
    return answer


async def test_a_worker_leads_a_session_with_nothing_of_ours_but_what_it_is_given(stage: Stage) -> None:
    """Own session and group, default signals, empty mask, /dev/null, its log, no other descriptor."""
    stage.keeper()
    engine = await stage.engine()
    spawned = await engine.spawned(stage.launch(7, TELL, nofile=123))
    told = await told_by(stage, 7)
    assert told["pid"] == told["group"] == told["session"] == spawned.pid
    assert told["cwd"] == str(stage.base)
    assert told["in"] == "/dev/null"
    assert told["nofile"] == 123
    # The fourth is the listing's own.
    assert told["fds"] == [0, 1, 2, 3]
    masks = dict(
        line.split(":\t") for line in str(told["status"]).splitlines() if line.startswith(("SigIgn", "SigBlk"))
    )
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25) once it runs.
    assert int(masks["SigIgn"], 16) & SETTABLE & ~(1 << 12 | 1 << 24) == 0
    assert int(masks["SigBlk"], 16) == 0
    env = told["env"]
    assert isinstance(env, dict)
    assert env["CLUSTERCTL_SERIAL"] == "7"
    assert env["NOTIFY_SOCKET"] == f"{stage.state}/notify.sock"
    assert "LISTEN_FDS" not in env
    assert "CLUSTERCTL_KEEPER_FD" not in env


def status_of(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


async def test_signals_that_the_keeper_ignores_are_not_ignored_by_a_worker(stage: Stage) -> None:
    """A program without a runtime of its own starts with nothing ignored."""
    stage.keeper()
    engine = await stage.engine()
    spawned = await engine.spawned(stage.sleeper(1))
    status = status_of(spawned.pid)
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    assert int(ignored.split()[1], 16) & SETTABLE == 0
    assert "SigBlk:\t0000000000000000" in status


async def test_what_is_not_utf_8_reaches_the_program_as_it_was(stage: Stage) -> None:
    """Arguments are bytes on Linux; they survive as lone surrogates."""
    stage.keeper()
    engine = await stage.engine()
    argv = ("printf", "%s\n", os.fsdecode(b"caf\xe9 \xf0\x9f\x8d\xba"))
    engine.link.spawn(stage.launch(1, "", argv=argv))
    await engine.exited(1)
    assert (stage.base / "logs" / "1.log").read_bytes() == b"caf\xe9 \xf0\x9f\x8d\xba\n"


async def test_a_log_is_appended_to_and_kept_from_others(stage: Stage) -> None:
    """The missing directory is made; earlier lines stay; mode 0600."""
    stage.keeper()
    engine = await stage.engine()
    for serial in (1, 2):
        log = str(stage.base / "logs" / "1.log")
        engine.link.spawn(stage.launch(serial, f"print('life {serial}')", log=log))
        await engine.exited(serial)
    assert stage.log(1) == "life 1\nlife 2\n"
    assert (stage.base / "logs" / "1.log").stat().st_mode & 0o777 == 0o600
    assert (stage.base / "logs").stat().st_mode & 0o777 == 0o700


async def test_each_way_to_fail_has_its_words(stage: Stage) -> None:
    """No such program, no permission, no such directory, no format, no interpreter, no log, no socket, no limit."""
    stage.keeper()
    engine = await stage.engine()
    plain, garbage, lost = (stage.base / name for name in ("plain", "garbage", "lost"))
    plain.write_text("#!/bin/sh\n")
    garbage.write_bytes(b"\x00\x01\x02 no program")
    garbage.chmod(0o755)
    lost.write_text("#!/no/such/python\n")
    lost.chmod(0o755)
    (stage.base / "file").write_text("")
    sleep = ("sleep", "1000")
    cases: list[tuple[str, dict[str, object]]] = [
        ("no such program: nodee", {"argv": ("nodee", "x")}),
        ("no such program: ./nodee", {"argv": ("./nodee",)}),
        ("permission denied: ./plain", {"argv": ("./plain",)}),
        ("permission denied: plain", {"argv": ("plain",), "env": {"PATH": f"/nowhere:{stage.base}"}}),
        ("not an executable format: ./garbage", {"argv": ("./garbage",)}),
        ("no such interpreter: the one that ./lost names", {"argv": ("./lost",)}),
        ("no such directory: /no/where", {"argv": sleep, "cwd": "/no/where"}),
        (f"not a directory: {stage.base}/file", {"argv": sleep, "cwd": f"{stage.base}/file"}),
        ("cannot open the log: is a directory: /tmp", {"argv": sleep, "log": "/tmp"}),
        ("no listening socket named web", {"argv": sleep, "listen": ("web",)}),
        ("no such program: a?b", {"argv": ("a\x1eb",)}),
        ("no program named", {"argv": ()}),
        ("a NUL byte in a␀b", {"argv": ("sleep", "a\0b")}),
        (
            "cannot set the limit of 99999999999 open files: above the hard limit",
            {"argv": sleep, "nofile": 99999999999},
        ),
    ]
    for serial, (why, changes) in enumerate(cases, start=1):
        assert await engine.refused(stage.launch(serial, "", **changes)) == why
    assert await engine.link.held() == ()
    assert engine.facts[len(cases) :] == []


async def test_a_program_is_found_by_the_path_of_its_own_environment(stage: Stage) -> None:
    """PATH of the launch counts, not the keeper's; a slash is relative to its directory."""
    stage.keeper()
    engine = await stage.engine()
    (stage.base / "bin").mkdir()
    program = stage.base / "bin" / "own-program"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    env = {"PATH": f"/nowhere:{stage.base}/file/x:{stage.base}/bin:/bin:/usr/bin"}
    engine.link.spawn(stage.launch(1, "", argv=("own-program",), env=env))
    engine.link.spawn(stage.launch(2, "", argv=("bin/own-program",), env={}))
    for serial in (1, 2):
        assert (await engine.exited(serial)).code == 0
        assert stage.log(serial) == "ran\n"


async def test_a_serial_is_started_once(stage: Stage) -> None:
    """Asked twice for the same, the keeper answers twice with the one process."""
    stage.keeper()
    engine = await stage.engine()
    first = await engine.spawned(stage.sleeper(1))
    engine.facts.clear()
    assert await engine.spawned(stage.sleeper(1)) == first


async def test_having_no_descriptor_left_is_an_answer_and_no_crash(stage: Stage) -> None:
    """A keeper that may open no further file says so, and goes on."""
    keeper = stage.keeper()
    engine = await stage.engine()
    open_now = len(os.listdir(f"/proc/{keeper.pid}/fd"))
    limits = resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE, (open_now, limits[1]))
    assert await engine.refused(stage.sleeper(1)) == "too many open files"
    resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE, limits)
    assert (await engine.spawned(stage.sleeper(1))).pid > 0
