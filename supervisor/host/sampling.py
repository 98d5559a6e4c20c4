"""Samples of workers: CPU, memory, threads, open files and processes of each, descendants included.

CPU is conserved: when a process is waited for by its parent, its time moves into the parent's "time of reaped
children". So what a worker's tree used since the sample before is

    growth of own time over its live processes + all time of processes that are new
    + growth of reaped time over its live processes - what was already counted of those that vanished

The last line is held at zero or more, because a process whose parent ignores SIGCHLD is reaped into nothing.
Thus a worker that runs a thousand short programs a second shows their cost, and no death shows as a jump.

Memory is resident memory added up: pages shared between a worker's processes count in each.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from supervisor.host.families import Families
from supervisor.host.proc import OpenFiles, Stat, StatReader, all_pids
from supervisor.model.readings import Sample

# Where counting open files means listing them, each worker's turn comes every so many samples.
_TURNS = 5
_PART = 50
"""Workers sampled in one piece."""

_HERTZ = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Reader(Protocol):
    """What reads one round of samples: /proc on Linux, psutil elsewhere."""

    def sample(self, pids: Mapping[int, int], now: float) -> dict[int, Sample]: ...
    def parts(self, pids: Mapping[int, int]) -> Iterator[dict[int, Sample]]: ...
    def forget(self, serial: int) -> None: ...
    def close(self) -> None: ...


class Sampler:
    """Samples by serial. Synchronous and cheap: about 10 µs a process."""

    def __init__(self, proc: str = "/proc", *, descendants: bool = True) -> None:
        self._reader = _choose(proc, descendants)

    def sample(self, pids: Mapping[int, int], now: float | None = None) -> dict[int, Sample]:
        """Read all workers, given as serial -> pid, once. `now` is in monotonic seconds.

        A worker whose process is gone is missing from the answer. A serial that is no longer asked about is
        forgotten, and so is one that comes with another pid.
        """
        return self._reader.sample(pids, time.monotonic() if now is None else now)

    def parts(self, pids: Mapping[int, int]) -> Iterator[dict[int, Sample]]:
        """The same in pieces of half a millisecond, for a loop that has other things to do in between."""
        return self._reader.parts(pids)

    def forget(self, serial: int) -> None:
        """Drop history and descriptors now; otherwise the next `sample` without this serial does it."""
        self._reader.forget(serial)

    def close(self) -> None:
        self._reader.close()


class OwnUsage:
    """CPU and memory of our own processes, engine and keeper, without what the keeper is parent of."""

    def __init__(self, pids: tuple[int, ...], proc: str = "/proc") -> None:
        self._pids = dict(enumerate(pids))
        self._sampler = Sampler(proc, descendants=False)

    def read(self, now: float | None = None) -> tuple[float | None, int | None]:
        """Percent of one core since the last call, and resident bytes; both together over all pids."""
        samples = self._sampler.sample(self._pids, now).values()
        shares = [s.cpu_percent for s in samples if s.cpu_percent is not None]
        sizes = [s.rss_bytes for s in samples if s.rss_bytes is not None]
        return (sum(shares) if shares else None), (sum(sizes) if sizes else None)

    def close(self) -> None:
        self._sampler.close()


def _choose(proc: str, descendants: bool) -> Reader:
    if os.access(f"{proc}/self/stat", os.R_OK):
        return ProcSampler(proc, descendants)
    from supervisor.host.portable import PsutilSampler  # only where there is no /proc: it costs 20 ms

    return PsutilSampler(descendants)


class _Past(NamedTuple):
    """What the sample before saw of one worker."""

    pid: int
    at: float
    stats: dict[int, Stat]
    fds: int | None


class ProcSampler:
    """The Linux reader."""

    def __init__(self, proc: str, descendants: bool) -> None:
        self._proc = proc
        self._stats = StatReader(proc)
        self._files = OpenFiles(proc)
        self._families = Families() if descendants else None
        self._past: dict[int, _Past] = {}
        self._turn = 0

    def sample(self, pids: Mapping[int, int], now: float) -> dict[int, Sample]:
        self._begin(pids)
        return self._some(pids.items(), now)

    def parts(self, pids: Mapping[int, int]) -> Iterator[dict[int, Sample]]:
        self._begin(pids)
        every = list(pids.items())
        for first in range(0, len(every), _PART):
            yield self._some(every[first : first + _PART], time.monotonic())

    def _begin(self, pids: Mapping[int, int]) -> None:
        self._turn += 1
        for serial in self._past.keys() - pids.keys():
            self.forget(serial)
        if self._families is not None:
            self._families.refresh(all_pids(self._proc), pids.values(), self._stats.once)

    def _some(self, workers: Iterable[tuple[int, int]], now: float) -> dict[int, Sample]:
        samples: dict[int, Sample] = {}
        for serial, pid in workers:
            if taken := self._one(serial, pid, now):
                samples[serial] = taken
            else:
                self.forget(serial)
        return samples

    def forget(self, serial: int) -> None:
        if past := self._past.pop(serial, None):
            for pid in (past.pid, *past.stats):
                self._stats.forget(pid)

    def close(self) -> None:
        self._past.clear()
        self._stats.close()

    def _one(self, serial: int, pid: int, now: float) -> Sample | None:
        past = self._past.get(serial)
        if past is not None and past.pid != pid:
            self.forget(serial)
            past = None
        first = self._stats.read(pid)
        if first is None:
            return None
        stats = {pid: first}
        if self._families is not None:
            for member in self._families.members(pid):
                if stat := self._stats.read(member):
                    stats[member] = stat
        if past is not None:
            # The descriptor of a pid that was taken over answered "gone" once; a later start is a new process.
            for member in past.stats.keys() - stats.keys():
                self._stats.forget(member)
            if past.stats[pid].start_ticks != first.start_ticks:
                past = None
        fds = self._count_files(serial, past, stats)
        self._past[serial] = _Past(pid, now, stats, fds)
        return Sample(
            at=now,
            cpu_percent=self._percent(past, stats, now),
            rss_bytes=sum(s.rss_pages for s in stats.values()) * _PAGE,
            threads=sum(s.threads for s in stats.values()),
            fds=fds,
            processes=len(stats),
        )

    def _percent(self, past: _Past | None, stats: dict[int, Stat], now: float) -> float | None:
        if past is None or now <= past.at:
            return None
        ticks = used_ticks(past.stats, stats, self._families is not None)
        return 100.0 * ticks / _HERTZ / (now - past.at)

    def _count_files(self, serial: int, past: _Past | None, stats: dict[int, Stat]) -> int | None:
        if past is not None and not self._files.cheap and (serial + self._turn) % _TURNS:
            return past.fds
        counts = [self._files.count(pid) for pid in stats]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None


def used_ticks(before: Mapping[int, Stat], after: Mapping[int, Stat], reaped_too: bool = True) -> int:
    """Clock ticks that a worker's processes used between two samples; never negative."""
    own = 0
    reaped = 0
    for pid, stat in after.items():
        old = before.get(pid)
        if old is None or old.start_ticks != stat.start_ticks:
            own += stat.own_ticks + stat.reaped_ticks
            continue
        own += max(0, stat.own_ticks - old.own_ticks)
        reaped += max(0, stat.reaped_ticks - old.reaped_ticks)
    if not reaped_too:
        return own
    for pid, old in before.items():
        new = after.get(pid)
        if new is None or new.start_ticks != old.start_ticks:
            reaped -= old.own_ticks + old.reaped_ticks
    return own + max(0, reaped)
