"""Readings of the host against recorded files, and of this very machine against psutil."""

import os
import shutil
from pathlib import Path

import psutil
import pytest

from supervisor.host.machine import HostReader

RECORDED = Path(__file__).parent / "proc"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_cpu_is_the_share_between_two_readings_and_unknown_on_the_first(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    shutil.copytree(RECORDED, proc)
    reader = HostReader(str(proc), str(tmp_path / "none"))
    assert reader.read().cpu_percent is None
    # 30 ticks busy, 60 idle, 10 waiting for disks, which is idle too.
    write(proc / "stat", "cpu  1020 10 510 8060 410 20 70 0 300 0\n")
    assert reader.read().cpu_percent == pytest.approx(30.0)


def test_memory_is_what_the_kernel_says_where_no_limit_is_set(tmp_path: Path) -> None:
    reading = HostReader(str(RECORDED), str(tmp_path)).read(now=5.0)
    assert (reading.memory_total_bytes, reading.memory_available_bytes) == (16_384_000_000, 9_216_000_000)
    assert reading.at == 5.0


def test_the_tightest_limit_of_our_control_group_and_those_above_holds(tmp_path: Path) -> None:
    write(tmp_path / "shop/memory.max", "4000000000\n")
    write(tmp_path / "shop/memory.current", "3000000000\n")
    write(tmp_path / "shop/memory.stat", "anon 2500000000\ninactive_file 500000000\n")
    write(tmp_path / "shop/web/memory.max", "max\n")
    write(tmp_path / "shop/cpu.max", "50000 100000\n")
    write(tmp_path / "shop/web/cpu.max", "max 100000\n")
    reading = HostReader(str(RECORDED), str(tmp_path)).read()
    assert (reading.memory_total_bytes, reading.memory_available_bytes) == (4_000_000_000, 1_500_000_000)
    assert reading.cpus == 1


def test_a_host_that_shows_nothing_is_unknown_and_not_zero(tmp_path: Path) -> None:
    write(tmp_path / "stat", "")
    reading = HostReader(str(tmp_path), str(tmp_path)).read()
    assert reading.cpu_percent is None
    assert reading.memory_total_bytes is None


def test_this_machine_reads_as_psutil_reads_it() -> None:
    reading = HostReader().read()
    memory = psutil.virtual_memory()
    assert reading.cpus <= (os.cpu_count() or 1)
    assert reading.memory_total_bytes is not None
    assert reading.memory_total_bytes <= memory.total
    assert reading.memory_available_bytes == pytest.approx(memory.available, rel=0.1)
    assert reading.load is not None
