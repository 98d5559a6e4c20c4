"""Slots and the workers that fill them, as the engine's ledger keeps them and the journal writes them."""

from msgspec import Struct

from supervisor.model.phases import Phase, Rotation


class End(Struct, frozen=True, kw_only=True):
    """How a worker ended."""

    wall: float
    """Seconds since the epoch."""
    code: int | None = None
    signal: str | None = None
    """Name without SIG."""
    why: str = "status unknown"
    last_lines: tuple[str, ...] = ()
    generation: int = 0
    pid: int | None = None
    expected: bool = False
    """It had been asked to go."""
    lived: float | None = None
    """Seconds from its start to its end."""


class Worker(Struct, frozen=True, kw_only=True):
    """One process that fills a slot; it dies once and never comes back. Times are monotonic seconds."""

    serial: int
    """Unique in the cluster, for ever."""
    pool: str
    slot: int
    generation: int
    address: str | None
    log: str = ""
    """Path of the file that gets its output; no two live workers share one."""
    log_from: int = 0
    """Byte of that file at which its own output begins."""
    phase: Phase = Phase.STARTING
    since: float = 0.0
    """When it entered its phase."""
    asked: float = 0.0
    """When its start was asked for."""
    pid: int | None = None
    started: float | None = None
    started_wall: float | None = None
    ready_at: float | None = None
    exposed: bool = False
    """Found by an engine that cannot know whether it has had traffic: it is drained though it is not ready yet."""
    condemned: str | None = None
    """Why it is to be replaced though its generation is right: a restart asked for, memory over its limit."""
    failed: str | None = None
    """Why it failed while it still runs: never ready, or no longer alive. It ends as a death of its slot."""
    last_lines: tuple[str, ...] = ()
    """What it had written when it failed."""
    force: bool = False
    """When its drain runs out of time it is stopped all the same, instead of being put back."""
    reprieved: str | None = None
    """Why its drain was given up and it was put back."""
    serving_since: float | None = None
    """Since when it serves without a break: ready, in rotation and up."""
    met: bool = False
    """Since it is ready its backend was seen in rotation and not down: being down is its own doing from then on."""
    baseline: tuple[int, int] | None = None
    """Requests and errors of its backend when it began to serve."""
    zeros: int = 0
    """Consecutive readings with nothing in flight since it was out of rotation."""
    zero_since: float | None = None
    drain_deadline: float | None = None
    stop_deadline: float | None = None
    killed: bool = False
    """KILL was sent."""
    stop_why: str | None = None
    """Why it is draining or stopping."""
    misses: int = 0
    """Consecutive liveness failures."""
    why: str | None = None
    """Why it is not ready yet, in the words of the last probe."""

    @property
    def slot_name(self) -> str:
        return f"{self.pool}.{self.slot}"

    @property
    def live(self) -> bool:
        return self.phase is not Phase.GONE


class Slot(Struct, frozen=True, kw_only=True):
    """A numbered place in a pool; it outlives workers and holds back-off and death count."""

    pool: str
    number: int
    generation: int
    """The generation that its worker should have."""
    stopped: bool = False
    """An operator took it down and keeps it down."""
    finished: bool = False
    """Its worker ended and the policy says that this was the end."""
    failed: str | None = None
    """Why it was given up."""
    deaths: tuple[float, ...] = ()
    """Monotonic times of the deaths inside the give-up window."""
    delay: float = 0.0
    """The last back-off, without jitter, in seconds."""
    retry_at: float | None = None
    restarts: int = 0
    proven: bool = False
    """A worker of its generation has served well, during the rollout that turned it."""
    ends: tuple[End, ...] = ()
    """The last few ends, newest last."""
    kept_out: Rotation | None = None
    """What an operator asked for the backend of its last worker, who is gone: the next one inherits it."""

    @property
    def name(self) -> str:
        return f"{self.pool}.{self.number}"
