"""What a process tree costs: CPU time in nanoseconds, and its proportional share of memory, read from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path


def cpu_ns(pids: Iterable[int]) -> int:
    """CPU time of all threads of these processes since they began; schedstat counts what ticks would miss."""
    total = 0
    for pid in pids:
        for task in _listed(f"/proc/{pid}/task"):
            try:
                total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_bytes().split()[0])
            except (OSError, IndexError):
                continue  # the thread, or the process, has just ended
    return total


def pss_mib(pids: Iterable[int]) -> float:
    """Proportional set size: pages that n processes share count 1/n in each."""
    return _rollup_mib(pids, "Pss:")


def anonymous_mib(pids: Iterable[int]) -> float:
    """Of that, what is no file's."""
    return _rollup_mib(pids, "Pss_Anon:")


def _rollup_mib(pids: Iterable[int], field: str) -> float:
    kib = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith(field))
    return kib / 1024


def wakeups(pids: Iterable[int]) -> int:
    """Times that these processes gave up the processor of their own accord: each is one waking up."""
    total = 0
    for pid in pids:
        for task in _listed(f"/proc/{pid}/task"):
            try:
                status = Path(f"/proc/{pid}/task/{task}/status").read_text()
            except OSError:
                continue
            total += sum(
                int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary_ctxt_switches")
            )
    return total


def descendants(root: int) -> list[int]:
    """Every live process below `root`, itself left out."""
    children: dict[int, list[int]] = {}
    for name in _listed("/proc"):
        if name.isdigit():
            try:
                parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    heads = [root]
    while heads:
        below = children.get(heads.pop(), [])
        found += below
        heads += below
    return found


def command(pid: int) -> str:
    """Its command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown",
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    release = os.uname().release
    return {
        "cpus": os.cpu_count(),
        "model": model,
        "memory_mib": memory,
        "kernel": release,
        "load": os.getloadavg(),
    }


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
