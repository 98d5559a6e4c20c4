"""Samples through psutil, for machines without /proc (macOS): the same figures, at ten times the cost.

Only live processes are seen: the time of a descendant that came and went between two samples is not counted.
"""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import psutil

from supervisor.model.readings import Sample


class _Seen(NamedTuple):
    seconds: float
    rss: int
    threads: int
    fds: int | None


class PsutilSampler:
    def __init__(self, descendants: bool) -> None:
        self._descendants = descendants
        # serial -> when, {(pid, create time): CPU seconds}
        self._past: dict[int, tuple[float, dict[tuple[int, float], float]]] = {}

    def sample(self, pids: Mapping[int, int], now: float) -> dict[int, Sample]:
        for serial in self._past.keys() - pids.keys():
            self.forget(serial)
        samples: dict[int, Sample] = {}
        for serial, pid in pids.items():
            seen = self._look(pid)
            if not seen:
                self.forget(serial)
                continue
            past = self._past.get(serial)
            if past is not None and not any(key[0] == pid and key in seen for key in past[1]):
                past = None  # another process has the pid now
            self._past[serial] = (now, {key: one.seconds for key, one in seen.items()})
            samples[serial] = _sample(past, seen, now)
        return samples

    def parts(self, pids: Mapping[int, int]) -> Iterator[dict[int, Sample]]:
        yield self.sample(pids, time.monotonic())

    def forget(self, serial: int) -> None:
        self._past.pop(serial, None)

    def close(self) -> None:
        self._past.clear()

    def _look(self, pid: int) -> dict[tuple[int, float], _Seen]:
        try:
            first = psutil.Process(pid)
            family = [first, *(first.children(recursive=True) if self._descendants else ())]
        except psutil.Error:
            return {}
        seen = {(one.pid, one.create_time()): reading for one in family if (reading := _read(one))}
        return seen if any(key[0] == pid for key in seen) else {}


def _read(process: psutil.Process) -> _Seen | None:
    try:
        with process.oneshot():
            times = process.cpu_times()
            memory = process.memory_info()
            threads = process.num_threads()
            try:
                fds = process.num_fds()
            except psutil.AccessDenied:
                fds = None
    except psutil.Error:
        return None
    return _Seen(times.user + times.system, memory.rss, threads, fds)


def _sample(
    past: tuple[float, dict[tuple[int, float], float]] | None, seen: dict[tuple[int, float], _Seen], now: float
) -> Sample:
    percent = None
    if past is not None and now > past[0]:
        used = sum(max(0.0, one.seconds - past[1].get(key, 0.0)) for key, one in seen.items())
        percent = 100.0 * used / (now - past[0])
    known = [one.fds for one in seen.values() if one.fds is not None]
    return Sample(
        at=now,
        cpu_percent=percent,
        rss_bytes=sum(one.rss for one in seen.values()),
        threads=sum(one.threads for one in seen.values()),
        fds=sum(known) if known else None,
        processes=len(seen),
    )
