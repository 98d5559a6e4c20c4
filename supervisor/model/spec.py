"""What was asked for: a cluster, its pools and its proxies, as frozen records with the defaults of the house."""

from typing import Literal

from msgspec import Struct

Balance = Literal["roundrobin", "leastconn", "source"]
RestartPolicy = Literal["always", "on-failure", "never"]
DrainVerdict = Literal["abort", "force"]


class Question(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a worker is asked whether it is well. At most one of `http`, `tcp`, `notify`, `log` is set.

    With none set the worker counts as well as soon as its program runs (background jobs).
    """

    http: str | None = None
    """Path of a GET; 200 to 399 is yes."""
    tcp: bool = False
    notify: bool = False
    """READY=1 on $NOTIFY_SOCKET (sd_notify)."""
    log: str | None = None
    """A regular expression that a line of the worker's output must match (search)."""

    @property
    def asks(self) -> bool:
        return bool(self.http or self.tcp or self.notify or self.log)


class ReadySpec(Question, frozen=True, cache_hash=True, kw_only=True, omit_defaults=True):
    timeout: float = 60.0
    """Seconds until a worker that did not get ready has failed."""
    every: float = 0.25
    """Seconds between two questions."""


class AliveSpec(Question, frozen=True, cache_hash=True, kw_only=True, omit_defaults=True):
    every: float = 10.0
    timeout: float = 5.0
    failures: int = 3
    """Consecutive failures after which the worker is replaced."""


class StopSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    signal: str = "TERM"
    """Name without SIG; sent to the worker's whole process group."""
    timeout: float = 30.0
    """Seconds until KILL of the whole group."""


class RestartSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    policy: RestartPolicy = "always"
    backoff: float = 0.5
    backoff_max: float = 30.0
    give_up: int = 10
    """This many deaths …"""
    give_up_window: float = 60.0
    """… within so many seconds, our own waits not counted, and the slot is failed."""
    reset_after: float = 60.0
    """Seconds of being ready after which back-off and deaths are forgotten."""


class RolloutSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    surge: int = 1
    """Workers above the wanted number while replacing."""
    unavailable: int = 0
    """Workers that may be missing from service while replacing."""
    batch: int = 0
    """Slots replaced together, the next batch when all of one are; 0: as many as surge and unavailable allow."""
    trial: tuple[str, ...] | None = None
    """Paths that a worker of a new generation must answer, as `ready.http`, before it gets any traffic; None: where
    `ready.http` is asked, it must not fail at `/` where the old workers do not."""
    canary: int = 0
    """Hold after so many replaced slots until `rollout resume`; 0: no hold."""
    pause: float = 0.0
    """Seconds to wait between two slots."""
    watch: float = 3.0
    """Seconds that a new worker must stay well, once it serves, before the next slot."""
    on_drain_timeout: DrainVerdict = "abort"


class LimitsSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    memory: int | None = None
    """Bytes resident, descendants included; above it the worker is gracefully replaced."""
    nofile: int | None = None


class LogSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    max_bytes: int = 10 * 1024 * 1024
    keep: int = 5
    """Rotated files kept beside the live one."""


class TrafficSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    proxy: str
    upstream: str
    drain_timeout: float = 30.0


class PoolSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    command: tuple[str, ...]
    workers: int = 1
    ports: tuple[int, int] | None = None
    """First and last port, both included; each worker gets one of its own."""
    listen: str | None = None
    """HOST:PORT or a path: one listening socket, held by the keeper, shared by all workers."""
    host: str = "127.0.0.1"
    """Where workers with ports of their own listen, and where probes and proxies find them."""
    cwd: str = "."
    """Absolute once read from a file."""
    env: dict[str, str] = {}
    ready: ReadySpec = ReadySpec()
    alive: AliveSpec = AliveSpec()
    probe_host: str | None = None
    """What our questions say in `Host`; None: the worker's address."""
    stop: StopSpec = StopSpec()
    restart: RestartSpec = RestartSpec()
    rollout: RolloutSpec = RolloutSpec()
    limits: LimitsSpec = LimitsSpec()
    log: LogSpec = LogSpec()
    traffic: TrafficSpec | None = None


class CheckSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a proxy that we configure checks a backend."""

    http: str | None = None
    """Path; None: a TCP connection. Defaults to the pool's `ready.http`."""
    every: float = 1.0
    fall: int = 2
    rise: int = 1


class ProxySpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reverse proxy: attached (`socket`) or embedded (`bind`), never both."""

    name: str
    kind: Literal["haproxy", "memory"] = "haproxy"
    socket: str | None = None
    bind: str | None = None
    """HOST:PORT on which the embedded proxy serves; port 0 is not allowed."""
    balance: Balance = "roundrobin"
    cookie: str | None = None
    """Name of the sticky cookie that the embedded proxy sets; None: no stickiness."""
    tls: str | None = None
    """PEM file with certificate and key, for the embedded proxy's bind."""
    check: CheckSpec = CheckSpec()
    every: float = 1.0
    """Seconds between two polls."""
    timeout: float = 2.0
    """Seconds after which a poll has failed."""
    maxconn: int = 4096

    @property
    def embedded(self) -> bool:
        return self.bind is not None


class ClusterSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    state_dir: str
    pools: tuple[PoolSpec, ...] = ()
    proxies: tuple[ProxySpec, ...] = ()
    source: str | None = None
    """The file that it was read from."""
    read_only_socket: str | None = None
    """A second socket, absolute, on which nothing can be changed."""
    read_only_group: str | None = None
    """Whose members may use it; None: the owner alone."""
