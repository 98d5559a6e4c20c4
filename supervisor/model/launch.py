"""What the keeper is asked to start, what it holds, and what it tells."""

from msgspec import Struct


class Launch(Struct, frozen=True, kw_only=True):
    """One program to start, completely described: the keeper adds nothing but the process."""

    serial: int
    name: str
    """For people and for CLUSTERCTL_WORKER: `web.0`, or the name of an embedded proxy."""
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    """The whole environment; the keeper adds NOTIFY_SOCKET, LISTEN_FDS, LISTEN_PID, CLUSTERCTL_SERIAL."""
    log: str
    """Path of the file that gets stdout and stderr, opened append-only."""
    listen: tuple[str, ...] = ()
    """Names of listening sockets to hand over, from descriptor 3 on; `{fd}` in argv becomes 3."""
    nofile: int | None = None
    note: dict[str, str] = {}
    """Kept by the keeper and given back by `held`: pool, slot, generation, address."""


class Held(Struct, frozen=True, kw_only=True):
    """One process that the keeper holds."""

    serial: int
    name: str
    pid: int
    started: float
    """Monotonic seconds."""
    started_wall: float
    start_ticks: int
    """Field 22 of /proc/PID/stat; 0 where there is none."""
    note: dict[str, str] = {}
    signals: tuple[str, ...] = ()
    """What this keeper has sent it, names without SIG; what an earlier keeper sent is not known."""


class Spawned(Struct, frozen=True, kw_only=True, tag=True):
    """The program runs: exec succeeded."""

    serial: int
    pid: int
    started: float
    started_wall: float
    unlogged: str | None = None
    """Why its output goes nowhere; None: it has its log."""


class SpawnFailed(Struct, frozen=True, kw_only=True, tag=True):
    serial: int
    why: str
    """In the operator's words: `no such program: nodee`, `permission denied: ./run`, `no such directory: /x`."""


class Exited(Struct, frozen=True, kw_only=True, tag=True):
    """A process that the keeper held is gone. Kept by the keeper until acknowledged."""

    number: int
    serial: int
    pid: int
    code: int | None
    signal: str | None
    """Name without SIG."""
    at: float
    """Monotonic seconds."""
    known: bool = True
    """False: it died while no keeper was there, and nobody knows how."""
    oom: bool = False
    """The kernel's OOM killer did it, as far as can be told."""


class Notified(Struct, frozen=True, kw_only=True, tag=True):
    """One sd_notify message, from a process of the worker's own group and of our own user."""

    serial: int
    pid: int
    fields: dict[str, str]


class KeeperLost(Struct, frozen=True, kw_only=True, tag=True):
    """The keeper is gone; the engine must end."""

    why: str


class Terminate(Struct, frozen=True, kw_only=True, tag=True):
    """The keeper got SIGTERM or SIGINT: the cluster is to go down gracefully."""


class ReloadAsked(Struct, frozen=True, kw_only=True, tag=True):
    """The keeper got SIGHUP: the configuration is to be read again."""


Told = Spawned | SpawnFailed | Exited | Notified | KeeperLost | Terminate | ReloadAsked
