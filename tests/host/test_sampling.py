"""Samples of live processes, held to what the processes say of themselves, and to psutil."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from supervisor.host.portable import PsutilSampler
from supervisor.host.proc import Stat
from supervisor.host.sampling import OwnUsage, ProcSampler, Reader, Sampler, used_ticks
from supervisor.model.readings import Sample

pytestmark = pytest.mark.real

BURNER = str(Path(__file__).with_name("burner.py"))
RECORDED = str(Path(__file__).parent / "proc")


class Burner:
    """One burner, and how much it says that it has used."""

    def __init__(self, *argv: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, BURNER, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def used(self, more: float = 0.0) -> float:
        """CPU seconds, once it has used `more`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(more, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def close(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for member in psutil.Process(self.process.pid).children(recursive=True):
                member.kill()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def burner() -> Iterator[Callable[..., Burner]]:
    with ExitStack() as stack:

        def start(*argv: str) -> Burner:
            made = Burner(*argv)
            stack.callback(made.close)
            made.used()
            return made

        yield start


@pytest.fixture(params=[ProcSampler, PsutilSampler])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    made = ProcSampler("/proc", True) if request.param is ProcSampler else PsutilSampler(True)
    yield made
    made.close()


def measure(reader: Reader | Sampler, burner: Burner, seconds: float) -> tuple[float, Sample]:
    """The share that the burner says it used, and the sample of the same span."""
    pid = burner.process.pid
    before, begun = burner.used(), time.monotonic()
    reader.sample({7: pid}, begun)
    after, ended = burner.used(seconds), time.monotonic()
    sample = reader.sample({7: pid}, ended)[7]
    return 100 * (after - before) / (ended - begun), sample


def test_a_worker_that_burns_thirty_percent_shows_it_within_five_points(
    reader: Reader, burner: Callable[..., Burner]
) -> None:
    share, sample = measure(reader, burner("burn", "1", "0.3"), 0.3)
    assert sample.cpu_percent == pytest.approx(share, abs=5)


def test_busy_threads_add_up(reader: Reader, burner: Callable[..., Burner]) -> None:
    share, sample = measure(reader, burner("burn", "2", "1.0"), 0.8)
    # 200 on a machine with two idle cores; elsewhere whatever the threads got, by their own account.
    assert sample.cpu_percent == pytest.approx(share, rel=0.08)
    assert sample.threads == 3


def test_the_work_of_children_counts_as_their_workers(reader: Reader, burner: Callable[..., Burner]) -> None:
    share, sample = measure(reader, burner("parent", "2"), 0.8)
    assert sample.cpu_percent == pytest.approx(share, rel=0.1)
    assert sample.processes == 3


def test_programs_that_live_for_a_tenth_of_a_second_are_counted_though_never_seen(
    burner: Callable[..., Burner],
) -> None:
    sampler = Sampler()
    share, sample = measure(sampler, burner("breeder"), 0.8)
    # A program that runs at the end is in the sample, and not yet in what its parent can tell.
    assert sample.cpu_percent == pytest.approx(share, abs=25)
    sampler.close()


def test_a_live_child_reads_as_psutil_reads_it(burner: Callable[..., Burner]) -> None:
    pid = burner("burn", "3", "0.1").process.pid
    sampler = Sampler()
    sample = sampler.sample({1: pid})[1]
    process = psutil.Process(pid)
    assert sample.rss_bytes == pytest.approx(process.memory_info().rss, rel=0.05)
    assert (sample.threads, sample.fds, sample.processes) == (process.num_threads(), process.num_fds(), 1)
    assert sample.cpu_percent is None
    sampler.close()


def test_a_descendant_is_in_the_very_next_sample_and_out_of_it_when_it_is_gone() -> None:
    sampler = Sampler()
    me = {1: os.getpid()}
    before = sampler.sample(me)[1].processes
    assert before is not None
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert sampler.sample(me)[1].processes == before + 1
    finally:
        child.kill()
        child.wait()
    assert sampler.sample(me)[1].processes == before
    sampler.close()


def test_a_worker_that_is_gone_is_missing_and_leaves_no_descriptor(burner: Callable[..., Burner]) -> None:
    sampler = ProcSampler("/proc", True)
    made = burner("burn", "1", "0.1")
    before = len(os.listdir("/proc/self/fd"))
    assert 1 in sampler.sample({1: made.process.pid}, 1.0)
    made.process.kill()
    made.process.wait()
    assert sampler.sample({1: made.process.pid}, 2.0) == {}
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_serial_that_is_no_longer_asked_about_is_forgotten(reader: Reader) -> None:
    reader.sample({1: os.getpid()}, 1.0)
    reader.sample({}, 2.0)
    assert reader.sample({1: os.getpid()}, 3.0)[1].cpu_percent is None


def test_a_serial_with_another_pid_begins_anew(reader: Reader, burner: Callable[..., Burner]) -> None:
    reader.sample({1: os.getpid()}, 1.0)
    assert reader.sample({1: burner("burn", "1", "0.1").process.pid}, 2.0)[1].cpu_percent is None


def test_recorded_processes_add_up_over_a_family() -> None:
    sampler = ProcSampler(RECORDED, True)
    sample = sampler.sample({1: 100}, 1.0)[1]
    page = os.sysconf("SC_PAGE_SIZE")
    assert (sample.processes, sample.threads, sample.fds) == (3, 14, 6)
    assert sample.rss_bytes == (2048 + 512 + 128) * page
    assert sampler.sample({1: 100}, 2.0)[1].cpu_percent == 0.0
    sampler.close()


def test_engine_and_keeper_are_added_up_without_their_children() -> None:
    own = OwnUsage((os.getpid(), os.getppid()))
    share, size = own.read()
    assert share is None
    rss = sum(psutil.Process(pid).memory_info().rss for pid in (os.getpid(), os.getppid()))
    assert size == pytest.approx(rss, rel=0.05)
    share, _ = own.read()
    assert share is not None
    own.close()


def test_psutil_is_not_loaded_where_proc_tells_all() -> None:
    program = (
        "import sys, supervisor.host.probing as _, supervisor.host.following as _\n"
        "from supervisor.host.machine import HostReader\n"
        "from supervisor.host.sampling import Sampler\n"
        "HostReader().read(), Sampler().sample({1: 1})\n"
        "assert not {'psutil', 'ctypes'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def stat(own: int, reaped: int = 0, start: int = 1) -> Stat:
    return Stat(1, 1, own, reaped, 1, start, 1)


@pytest.mark.parametrize(
    ("before", "after", "ticks"),
    [
        pytest.param({1: stat(10)}, {1: stat(25)}, 15, id="own time grows"),
        pytest.param({1: stat(10)}, {1: stat(10), 2: stat(7, 3)}, 10, id="a new child counts with all it has used"),
        pytest.param({1: stat(10), 2: stat(50)}, {1: stat(10, 53)}, 3, id="a reaped child counts what was not yet"),
        pytest.param({1: stat(10), 2: stat(50)}, {1: stat(12)}, 2, id="a child reaped into nothing is no drop"),
        pytest.param({1: stat(10)}, {1: stat(10, 40)}, 40, id="a child that was never seen counts once reaped"),
        pytest.param({1: stat(10), 2: stat(99)}, {1: stat(10), 2: stat(4, 0, 2)}, 4, id="a pid that is used again"),
        pytest.param({1: stat(10)}, {1: stat(8)}, 0, id="a clock that goes back is nothing"),
    ],
)
def test_what_a_family_used_between_two_samples(
    before: dict[int, Stat], after: dict[int, Stat], ticks: int
) -> None:
    assert used_ticks(before, after) == ticks
