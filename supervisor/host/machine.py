"""Readings of the whole machine: CPU, memory, load, within what our control group lets us use."""

import math
import os
import time
from typing import NamedTuple

from supervisor.model.readings import HostReading


class HostReader:
    """Reads the host; CPU is the share of all cores since the call before, None on the first."""

    def __init__(self, proc: str = "/proc", cgroup: str = "/sys/fs/cgroup") -> None:
        self._proc = proc
        self._cgroup = _own_cgroup(proc, cgroup)
        self._root = cgroup
        self._linux = os.access(f"{proc}/stat", os.R_OK)
        self._before: tuple[float, float] | None = None

    def read(self, now: float | None = None) -> HostReading:
        total, available = self._memory()
        return HostReading(
            at=time.monotonic() if now is None else now,
            cpus=self.cpus(),
            cpu_percent=self._cpu_percent(),
            memory_total_bytes=total,
            memory_available_bytes=available,
            load=_load(),
        )

    def cpus(self) -> int:
        """Cores that we may use: by affinity, and no more than the control group's quota buys."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        for place in self._places():
            quota, _, period = _first_line(f"{place}/cpu.max").partition(" ")
            if quota.isdigit() and period.isdigit():
                usable = min(usable, max(1, math.ceil(int(quota) / int(period))))
        return usable

    def _cpu_percent(self) -> float | None:
        now = _busy_and_all(self._proc) if self._linux else _portable_busy_and_all()
        before, self._before = self._before, now
        if before is None or now is None or now[1] <= before[1]:
            return None
        return min(100.0, max(0.0, 100.0 * (now[0] - before[0]) / (now[1] - before[1])))

    def _memory(self) -> tuple[int | None, int | None]:
        total, available = _meminfo(self._proc) if self._linux else _portable_memory()
        for place in self._places():
            limit = _first_line(f"{place}/memory.max")
            if total is None or not limit.isdigit() or int(limit) >= total:
                continue
            total = int(limit)
            used = _first_line(f"{place}/memory.current")
            if available is not None and used.isdigit():
                # Cached file pages count as used there, but are given up when memory is short.
                left = total - int(used) + _counter(f"{place}/memory.stat", "inactive_file")
                available = max(0, min(available, left))
        return total, available

    def _places(self) -> list[str]:
        """Our control group and those above it: the tightest limit of all holds."""
        places = []
        at = self._cgroup
        while at.startswith(self._root) and at:
            places.append(at)
            at = os.path.dirname(at)
        return places


class _Memory(NamedTuple):
    total: int | None
    available: int | None


def _own_cgroup(proc: str, root: str) -> str:
    try:
        with open(f"{proc}/self/cgroup") as lines:
            for line in lines:
                if line.startswith("0::"):
                    return os.path.normpath(root + line[3:].strip())
    except OSError:
        pass
    return root


def _busy_and_all(proc: str) -> tuple[float, float] | None:
    """Ticks that all cores were busy, and all ticks; proc_stat(5). Guest time is inside user time already."""
    field = [int(n) for n in _first_line(f"{proc}/stat").split()[1:9]]
    if len(field) < 4:
        return None
    idle = field[3] + (field[4] if len(field) > 4 else 0)
    return float(sum(field) - idle), float(sum(field))


def _portable_busy_and_all() -> tuple[float, float]:
    import psutil

    times = psutil.cpu_times()
    return sum(times) - times.idle, sum(times)


def _meminfo(proc: str) -> _Memory:
    found: dict[str, int] = {}
    try:
        with open(f"{proc}/meminfo") as lines:
            for line in lines:
                name, _, rest = line.partition(":")
                if name in ("MemTotal", "MemAvailable"):
                    found[name] = int(rest.split()[0]) * 1024
                if len(found) == 2:
                    break
    except (OSError, ValueError, IndexError):
        pass
    return _Memory(found.get("MemTotal"), found.get("MemAvailable"))


def _portable_memory() -> _Memory:
    import psutil

    memory = psutil.virtual_memory()
    return _Memory(memory.total, memory.available)


def _load() -> tuple[float, float, float] | None:
    try:
        return os.getloadavg()
    except OSError:
        return None


def _first_line(path: str) -> str:
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return ""


def _counter(path: str, name: str) -> int:
    try:
        with open(path) as lines:
            for line in lines:
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
    except (OSError, ValueError):
        pass
    return 0
