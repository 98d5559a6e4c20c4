"""Things that happened, in the past tense, never refused. Those that the keeper tells are in launch.py."""

from msgspec import Struct

from supervisor.model.backends import Capability, Observation, Upstream
from supervisor.model.launch import Exited, Spawned, SpawnFailed
from supervisor.model.readings import HostReading, Sample


class ProbePassed(Struct, frozen=True, kw_only=True):
    serial: int
    why: str


class ProbeMissed(Struct, frozen=True, kw_only=True):
    serial: int
    why: str
    final: bool = False
    """Of a worker that starts: it answers, and for so long so badly that it is not waited for any more."""


class Dismissed(Struct, frozen=True, kw_only=True):
    """Reconciling found that this worker is to leave."""

    serial: int
    why: str
    force: bool
    """When the drain runs out of time: stop it all the same; else put it back."""


class FellQuiet(Struct, frozen=True, kw_only=True):
    """Out of rotation, and nothing in flight in two readings with the proxy's settle time between."""

    serial: int


class TimePassed(Struct, frozen=True, kw_only=True):
    """Somebody should look at the deadlines."""


class Measured(Struct, frozen=True, kw_only=True):
    samples: dict[int, Sample]
    host: HostReading | None
    own_cpu_percent: float | None
    own_rss_bytes: int | None


class ProxySeen(Struct, frozen=True, kw_only=True):
    proxy: str
    observation: Observation
    capabilities: tuple[Capability, ...]
    settle: float


class UpstreamSeen(Struct, frozen=True, kw_only=True):
    """A cheap look at one upstream, while something there is waited for."""

    proxy: str
    upstream: Upstream
    asked: float
    answered: float


class ProxyLost(Struct, frozen=True, kw_only=True):
    proxy: str
    why: str


class Converged(Struct, frozen=True, kw_only=True):
    """The proxy was brought to what is wanted of one upstream."""

    proxy: str
    upstream: str
    owner: str
    changes: tuple[str, ...]


class ConvergeFailed(Struct, frozen=True, kw_only=True):
    proxy: str
    upstream: str
    owner: str
    why: str


WorkerFact = Spawned | SpawnFailed | Exited | ProbePassed | ProbeMissed | Dismissed | FellQuiet | TimePassed
