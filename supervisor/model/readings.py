"""Readings of this machine: one sample of one worker, one of the host, one answer to a probe."""

from msgspec import Struct


class Sample(Struct, frozen=True, kw_only=True):
    """One reading of one worker's resources at one time, its descendants included."""

    at: float
    """Monotonic seconds."""
    cpu_percent: float | None
    """Of one core, since the sample before; None on the first."""
    rss_bytes: int | None
    threads: int | None
    fds: int | None
    processes: int | None


class HostReading(Struct, frozen=True, kw_only=True):
    at: float
    cpus: int
    cpu_percent: float | None
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    load: tuple[float, float, float] | None


class Answer(Struct, frozen=True, kw_only=True):
    """What one probe learnt."""

    ok: bool
    why: str
    """`HTTP 200 in 3 ms`, `connection refused`, `answered by pid 812, which is not this worker`."""
    status: int | None = None
    """Of an HTTP answer that this worker gave."""
