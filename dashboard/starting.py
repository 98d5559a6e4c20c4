"""`clusterctl up`: keeper and engine started, in the foreground or detached."""

import os
import select
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import IO, Any

from dashboard.answers import NoAnswer, NobodyThere
from dashboard.checking import checked
from dashboard.finding import Place, place, tell_other_file
from dashboard.pipe import Pipe
from dashboard.printing import fail, result, tell
from supervisor.model.text import clean

_TAIL_BYTES = 4096
_TAIL_LINES = 12
_TRIED = 2
"""Starts that failed for a reason outside the program (no such program, no free port): a third would, too."""
_SOCKET, _PROXY = 5.0, 10.0
"""Seconds after which a shared socket is not had by itself any more, and an embedded proxy does not come up."""


def up(args: Namespace) -> int:
    if args.socket:
        fail("up: starts the cluster of a configuration; --socket names one that runs")
        return 2
    where = place(args.config, None)
    if (code := checked(str(where.config))) != 0:
        return code
    if args.detach:
        code = start_detached(where, args.timeout)
        return settled(where, args.timeout) if code == 0 and args.wait else code
    if running(where):
        fail(already_up(where))
        return 5
    tell(f"cluster {where.name}: socket {where.socket}; Ctrl-C stops it gracefully")
    command = keeper_command(where)
    os.execv(command[0], command)


def running(where: Place) -> bool:
    """Whether somebody listens there; an engine that is away for a moment counts."""
    try:
        tell_other_file(where, Pipe(where.socket, 5.0).get("/v1/snapshot").json())
    except NobodyThere:
        return False
    except NoAnswer:
        return True
    return True


def already_up(where: Place) -> str:
    from dashboard.keepers import keeper_of

    keeper = keeper_of(where.state)
    held = f" (keeper pid {keeper})" if keeper else ""
    return f"cluster {where.name} is already up{held}: socket {where.socket}"


def keeper_command(where: Place, ready_fd: int | None = None, ending: bool = False) -> list[str]:
    """The argv of the keeper, which starts the engine. -P: a random.py of the operator is none of Python.

    `ending`: what runs is adopted, nothing is started, and all goes down.
    """
    ready = ["--ready-fd", str(ready_fd)] if ready_fd is not None else []
    keeper = [sys.executable, "-P", "-m", "supervisor.keeper", "--state-dir", where.state, *ready, "--"]
    return [
        *keeper,
        sys.executable,
        "-P",
        "-m",
        "supervisor.boot",
        "--config",
        str(where.config),
        "--state-dir",
        where.state,
        *(["--ending"] if ending else []),
    ]


def _in_memory() -> IO[bytes]:
    """A full /tmp must not keep a cluster down; where there is no memfd_create(2), as on macOS, it may."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("said"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def start_detached(where: Place, timeout: float, say: Callable[[str], None] = result, ending: bool = False) -> int:
    """Starts keeper and engine in the background and waits until the API answers. Already so: says so."""
    if running(where):
        say(already_up(where))
        return 0
    with _in_memory() as said:
        keeper, ready = launched(where, said, ending)
        try:
            answer = _until_ready(keeper, ready, timeout)
        except KeyboardInterrupt:
            tell(f"the keeper (pid {keeper.pid}) goes on starting {where.name}; `clusterctl down` ends it")
            raise
        finally:
            os.close(ready)
        if answer == b"":
            return _not_up(where, keeper, said, timeout)
    say(f"cluster {where.name} is up: socket {where.socket}")
    return 0


def launched(
    where: Place, said: IO[bytes], ending: bool = False, **how: Any
) -> tuple[subprocess.Popen[bytes], int]:
    """The keeper in a session of its own, and the descriptor that tells when the engine is up."""
    ready, tells = os.pipe()
    try:
        # Not waited for: it outlives us, and whoever starts us reaps it.
        keeper = subprocess.Popen(
            keeper_command(where, tells, ending),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=(tells,),
            start_new_session=True,
            **how,
        )
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(tells)
    return keeper, ready


def _until_ready(keeper: subprocess.Popen[bytes], ready: int, timeout: float) -> bytes:
    """What the keeper wrote; nothing when it ended, or when time ran out."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if select.select([ready], [], [], min(left, 0.1))[0]:
            return os.read(ready, 64)
        if keeper.poll() is not None:
            return b""
    return b""


def _not_up(where: Place, keeper: subprocess.Popen[bytes], said: IO[bytes], timeout: float) -> int:
    said.seek(0)
    for line in said.read(_TAIL_BYTES).decode("utf-8", "replace").splitlines():
        tell(line)
    try:
        code = keeper.wait(1.0)
    except subprocess.TimeoutExpired:
        fail(
            f"cluster {where.name} did not answer within {timeout:g} s; "
            f"the keeper (pid {keeper.pid}) goes on trying"
        )
        tell_tail(f"{where.state}/engine.log")
        return 6
    fail(f"cluster {where.name} did not start: the keeper ended with exit code {code}")
    return code if code in (2, 5) else 1


def tell_tail(path: str) -> None:
    """The last lines of a log of ours, where there is one."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]
    except OSError:
        return
    if lines:
        tell(f"the last lines of {path}:")
        for line in lines:
            tell("  " + clean(line))


def settled(where: Place, timeout: float) -> int:
    """Waits until every pool has the workers it wants. 1 as soon as one will not have them, 6 when time ran out."""
    started = time.monotonic()
    pipe = Pipe(where.socket)
    while True:
        snapshot = pipe.get("/v1/snapshot").json()
        pools = snapshot.get("pools") or []
        missing = [pool for pool in pools if not pool.get("stopped") and pool["ready"] < pool["desired"]]
        if not missing:
            return 0
        waited = time.monotonic() - started
        if lost := hopeless(snapshot, missing, waited):
            for reason in lost:
                fail(reason)
            return 1
        if waited >= timeout:
            names = ", ".join(f"{pool['name']} {pool['ready']}/{pool['desired']}" for pool in missing)
            tell(f"still going when time ran out: {names}")
            for reason in reasons(snapshot, missing):
                tell(reason)
            return 6
        time.sleep(0.1)


def hopeless(snapshot: dict[str, Any], missing: list[dict[str, Any]], waited: float) -> list[str]:
    """What more waiting will not mend, a sentence each: it is tried again, but for a reason that stays."""
    found = []
    for proxy in snapshot.get("proxies") or ():
        # One that we only attach to may be started by others at any time.
        if proxy.get("front") and not proxy.get("reachable") and waited >= _PROXY:
            found.append(f"proxy {proxy.get('name')}: {proxy.get('why') or 'cannot be reached'}; it is tried again")
    for pool in missing:
        if pool.get("why") and waited >= _SOCKET:
            found.append(f"{pool['name']}: {pool['why']}; it is tried again")
        for row in pool.get("workers") or ():
            last = row.get("last_exit") or {}
            if row.get("phase") == "failed":
                found.append(f"{row.get('id')} failed: {row.get('why') or 'no reason known'}")
            elif row.get("phase") == "backing-off" and not last.get("ran", True) and row["restarts"] >= _TRIED:
                found.append(f"{row.get('id')} cannot be started: {last.get('why')}; it is tried again")
    return found[:_TAIL_LINES]


def reasons(snapshot: dict[str, Any], missing: list[dict[str, Any]]) -> list[str]:
    """Why these pools have not all their workers yet: a line for each reason, once; a proxy that is away first."""
    found = [
        f"proxy {proxy.get('name')}: {proxy.get('why') or 'cannot be reached'}"
        for proxy in snapshot.get("proxies") or ()
        if not proxy.get("reachable")
    ]
    for pool in missing:
        found += [f"{pool['name']}: {pool['why']}"] if pool.get("why") else []
        told: dict[str, str] = {}
        for row in pool.get("workers") or ():
            why = row.get("why") or (row.get("last_exit") or {}).get("why")
            if why and row.get("phase") != "ready":
                told.setdefault(why, str(row.get("id")))
        found += [f"{id}: {why}" for why, id in told.items()]
    return found[:_TAIL_LINES]
