"""A real keeper under test: started on a directory of its own, its engine played by the test through KeeperLink."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from supervisor.host.launching import KeeperLink
from supervisor.keeper import identity
from supervisor.model.launch import Exited, Launch, Spawned, SpawnFailed, Told

STUB = Path(__file__).with_name("engine_stub.py")
DEADLINE = 10.0
Fact = TypeVar("Fact")


async def until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Waits until the condition holds; fails with `what` when it never does."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"waited {deadline:g} s in vain: {what}"
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    return identity.start_ticks(pid) > 0 and not identity.is_zombie(pid)


class Engine:
    """One life of the engine, played by the test."""

    def __init__(self, pid: int, end: socket.socket, api: int) -> None:
        self.pid = pid
        self.api = api
        self.facts: list[Told] = []
        self._stub = end
        self.link: KeeperLink

    def of(self, kind: type[Fact]) -> list[Fact]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def told(self, kind: type[Fact], which: Callable[[Fact], bool] = lambda _: True) -> Fact:
        await until(
            lambda: any(which(f) for f in self.of(kind)), f"{kind.__name__}, only {self.facts[-5:]} was told"
        )
        return next(fact for fact in self.of(kind) if which(fact))

    async def spawned(self, launch: Launch) -> Spawned:
        self.link.spawn(launch)
        return await self.told(Spawned, lambda fact: fact.serial == launch.serial)

    async def refused(self, launch: Launch) -> str:
        """Why it could not be started."""
        self.link.spawn(launch)
        return (await self.told(SpawnFailed, lambda fact: fact.serial == launch.serial)).why

    async def exited(self, serial: int) -> Exited:
        return await self.told(Exited, lambda fact: fact.serial == serial)

    def leave(self, code: int = 0) -> None:
        """The stub process ends with this code."""
        self._stub.send(str(code).encode())

    def close(self) -> None:
        self.link.close()
        with contextlib.suppress(OSError):
            os.close(self.api)
        self._stub.close()


class Stage:
    """Starts keepers on one state directory, and ends whatever is left of them and of their workers."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.state = base / "state"
        self._meeting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._meeting.bind(str(base / "stub.sock"))
        self._meeting.listen(16)
        self._meeting.setblocking(False)
        self.keepers: list[subprocess.Popen[bytes]] = []
        self.engines: list[Engine] = []
        self.strangers: list[subprocess.Popen[bytes]] = []

    def keeper(
        self, *, engine: list[str] | None = None, ready_fd: int | None = None, changed: str = ""
    ) -> subprocess.Popen[bytes]:
        """Starts one; `changed` is a statement about its limits, made before it runs."""
        stub = [sys.executable, "-S", "-E", str(STUB), str(self.base / "stub.sock")]
        ready = [] if ready_fd is None else ["--ready-fd", str(ready_fd)]
        arguments = ["--state-dir", str(self.state), *ready, "--", *(engine or stub)]
        run = ["-m", "supervisor.keeper"]
        if changed:
            code = "import sys; from supervisor.keeper import __main__, limits; {}; sys.exit(__main__.main())"
            run = ["-c", code.format(changed)]
        process = subprocess.Popen(
            [sys.executable, *run, *arguments],
            pass_fds=[] if ready_fd is None else [ready_fd],
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=0o022,
        )
        self.keepers.append(process)
        return process

    def stranger(self, argv: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        """A process that is no worker of anybody's; ended with the stage."""
        process = subprocess.Popen(argv, env={**os.environ, **env}, start_new_session=True)
        self.strangers.append(process)
        return process

    async def engine(self, *, held: bool = True) -> Engine:
        """The next engine that a keeper starts, in the test's hands; with `held` it has asked what is held."""
        async with asyncio.timeout(DEADLINE):
            end, _ = await asyncio.get_running_loop().sock_accept(self._meeting)
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().add_reader(end, lambda: None if ready.done() else ready.set_result(None))
            await ready
            asyncio.get_running_loop().remove_reader(end)
            pid, fds, _, _ = socket.recv_fds(end, 64, 4)
            engine = Engine(int(pid), end, fds[1])
            engine.link = await KeeperLink.open(fds[0], engine.facts.append)
            self.engines.append(engine)
            if held:
                await engine.link.held()
        return engine

    def launch(self, serial: int, code: str, **changes: object) -> Launch:
        """A Python program as a worker; `argv` and the like may be given instead."""
        fields: dict[str, object] = {
            "serial": serial,
            "name": f"web.{serial}",
            "argv": (sys.executable, "-S", "-E", "-c", code),
            "cwd": str(self.base),
            "env": {"PATH": os.environ["PATH"]},
            "log": str(self.base / "logs" / f"{serial}.log"),
        }
        return Launch(**(fields | changes))  # type: ignore[arg-type]

    def sleeper(self, serial: int, **changes: object) -> Launch:
        return self.launch(serial, "", **({"argv": ("sleep", "1000")} | changes))

    def log(self, serial: int) -> str:
        path = self.base / "logs" / f"{serial}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def written(self, serial: int) -> list[int]:
        """The pids that a worker has printed, one a line."""
        return [int(line) for line in self.log(serial).split("\n")[:-1] if line.isdigit()]

    async def ended(self, keeper: subprocess.Popen[bytes]) -> int:
        await until(lambda: keeper.poll() is not None, "the keeper's end")
        return int(keeper.returncode)

    def descendants(self) -> list[int]:
        """Every living process that bears the mark of this stage's clusters."""
        mark = f"NOTIFY_SOCKET={self.state}/notify.sock".encode()
        return [pid for pid in identity.everyone() if mark in identity.environment(pid)]

    def clear(self) -> None:
        for keeper in self.keepers:
            if keeper.poll() is None:
                keeper.kill()
            keeper.wait(DEADLINE)
            if keeper.stderr:
                keeper.stderr.close()
        for stranger in self.strangers:
            stranger.kill()
            stranger.wait(DEADLINE)
        for engine in self.engines:
            engine.close()
            if str(STUB).encode() in identity_command(engine.pid):
                os.kill(engine.pid, signal.SIGKILL)
        for pid in self.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._meeting.close()


def identity_command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
