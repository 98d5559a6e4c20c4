"""Blaming the kernel's OOM killer for a death, as far as its counters allow it."""

from pathlib import Path

from supervisor.keeper.oom import OomWatch


def events(path: Path, killed: int) -> str:
    path.write_text(f"low 0\nhigh 0\nmax 7\noom 9\noom_kill {killed}\noom_group_kill 0\n")
    return str(path)


def test_each_killing_is_blamed_for_one_death(tmp_path: Path) -> None:
    path = tmp_path / "memory.events"
    watch = OomWatch(events(path, 3))
    assert not watch.struck()
    events(path, 5)
    assert [watch.struck() for _ in range(3)] == [True, True, False]


def test_a_killing_of_long_ago_is_not_blamed_for_a_later_death(tmp_path: Path) -> None:
    """Of another program of the machine, perhaps."""
    path = tmp_path / "memory.events"
    watch = OomWatch(events(path, 0))
    events(path, 1)
    watch.look()
    assert not watch.struck()


def test_without_a_cgroup_the_machines_counter_is_read_and_without_both_nobody_is_blamed(tmp_path: Path) -> None:
    path = tmp_path / "vmstat"
    watch = OomWatch(str(tmp_path / "missing"), events(path, 1))
    events(path, 2)
    assert watch.struck()
    assert not OomWatch(str(tmp_path / "missing")).struck()
