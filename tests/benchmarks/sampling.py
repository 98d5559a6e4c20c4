"""CPU time of one sample of one worker: ours, psutil's, and a C program's that makes the same reads.

    .venv/bin/python -m tests.benchmarks.sampling [100 1000]      # about 40 s

Rounds are 50 ms apart, as real samples come after other work, with cold caches.
"""

import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from supervisor.host.families import Families
from supervisor.host.proc import OpenFiles, StatReader, all_pids
from supervisor.host.sampling import Sampler
from tests.benchmarks._report import Figure, parser, show

ROUNDS = 20
PAUSE = 0.05


@contextmanager
def idle_workers(count: int) -> Iterator[list[int]]:
    started = [subprocess.Popen(["sleep", "600"]) for _ in range(count)]
    try:
        yield [worker.pid for worker in started]
    finally:
        for worker in started:
            worker.kill()
        for worker in started:
            worker.wait()


def cpu_microseconds(round_of: Callable[[], object], count: int, rounds: int = ROUNDS) -> float:
    """CPU time of a round, for each of `count` workers; the first two rounds do not count."""
    for _ in range(2):
        round_of()
    used = 0.0
    for _ in range(rounds):
        time.sleep(PAUSE)
        before = time.process_time()
        round_of()
        used += time.process_time() - before
    return used / rounds / count * 1e6


def in_c(pids: list[int]) -> float | None:
    """None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        return None
    with tempfile.TemporaryDirectory() as place:
        program = f"{place}/sampling"
        subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_suffix(".c")], check=True)
        return float(subprocess.run([program, *map(str, pids)], check=True, capture_output=True, text=True).stdout)


def measure(pids: list[int]) -> dict[str, float | None]:
    count = len(pids)
    by_serial = dict(enumerate(pids))
    stats, files, families = StatReader(), OpenFiles(), Families()
    sampler = Sampler()
    processes = [psutil.Process(pid) for pid in pids]

    def ask_psutil() -> None:
        for process in processes:
            process.cpu_percent()
            process.memory_info()

    rows = {
        "CPU and memory, C": in_c(pids),
        "CPU and memory, ours": cpu_microseconds(lambda: [stats.read(pid) for pid in pids], count),
        "CPU and memory, psutil": cpu_microseconds(ask_psutil, count, 5),
        "open files, ours": cpu_microseconds(lambda: [files.count(pid) for pid in pids], count),
        "open files, psutil": cpu_microseconds(lambda: [p.num_fds() for p in processes], count, 5),
        "descendants, ours": cpu_microseconds(lambda: families.refresh(all_pids(), pids, stats.once), count),
        "everything, ours": cpu_microseconds(lambda: sampler.sample(by_serial), count),
    }
    stats.close()
    sampler.close()
    return rows


def main() -> None:
    made = parser(__doc__)
    made.add_argument("counts", nargs="*", type=int, default=[10, 100, 500, 1000])
    options = made.parse_args()
    # As the engine has it.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures: list[Figure] = []
    for count in options.counts:
        with idle_workers(count) as pids:
            rows = measure(pids)
        what = f"{count} workers"
        figures += [Figure(who, what, value, "µs", "" if value else "no C compiler") for who, value in rows.items()]
        if (in_c := rows["CPU and memory, C"]) and (own := rows["CPU and memory, ours"]):
            figures.append(Figure("ours / C", what, own / in_c, "µs", "times, not µs"))
    show("sampling", figures, "CPU and memory <= 2 x C", options.json)


if __name__ == "__main__":
    main()
