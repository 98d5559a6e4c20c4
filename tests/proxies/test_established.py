"""Open connections, counted from the kernel's tables: recorded ones, and real ones."""

import asyncio
from pathlib import Path

import pytest

from supervisor.proxies.established import count_established, elders
from tests.proxies.rig import Client, Web

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def test_recorded_tables_are_counted_by_far_end_and_state(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        HEAD
        + "   0: 0100007F:1F90 0100007F:2329 01 0:0 0:0 0 0 0 1\n"
        + "   1: 0100007F:1F91 0100007F:2329 06 0:0 0:0 0 0 0 2\n"
        + "   2: 0100007F:2329 0100007F:1F90 01 0:0 0:0 0 0 0 3\n"
    )
    (tmp_path / "net" / "tcp6").write_text(
        HEAD
        + "   0: 0000000000000000FFFF00000100007F:1F92 0000000000000000FFFF00000100007F:2329 01 0:0 0 0 4\n"
        + "   1: 00000000000000000000000001000000:1F92 00000000000000000000000001000000:2329 01 0:0 0 0 5\n"
    )
    found = count_established(["127.0.0.1:9001", "[::1]:9001", "127.0.0.1:9002", "unix"], str(tmp_path))
    assert found == {"127.0.0.1:9001": 2, "[::1]:9001": 1}


def test_without_a_proc_nothing_is_counted(tmp_path: Path) -> None:
    assert count_established(["127.0.0.1:9001"], str(tmp_path / "absent")) == {}


def processes(proc: Path, *rows: tuple[int, str, str, int]) -> None:
    """(pid, program, state, parent); parents list their children."""
    children: dict[int, list[str]] = {}
    for pid, program, state, parent in rows:
        (proc / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "stat").write_text(f"{pid} ({program}) {state} {parent} 1 1 0\n")
        children.setdefault(parent, []).append(str(pid))
    for parent, pids in children.items():
        task = proc / str(parent) / "task" / str(parent)
        task.mkdir(parents=True)
        (task / "children").write_text(" ".join(pids) + " ")


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ((), False),
        (((12, "haproxy", "S", 10),), True),
        (((12, "haproxy", "Z", 10),), False),
        (((12, "nginx", "S", 10),), False),
        (((12, "haproxy", "S", 11),), False),
    ],
    ids=["alone", "an old one", "one that has ended", "another program", "a child of its own"],
)
def test_old_processes_are_found_beside_the_new_one(
    others: tuple[tuple[int, str, str, int], ...], expected: bool, tmp_path: Path
) -> None:
    processes(tmp_path, (10, "haproxy", "S", 1), (11, "haproxy", "S", 10), *others)
    assert bool(elders(11, proc=str(tmp_path))) is expected
    assert elders(99, proc=str(tmp_path)) == frozenset(), "nobody of that number"


def test_one_that_answered_before_is_found_whoever_its_parent_is(tmp_path: Path) -> None:
    others = ((11, "haproxy", "S", 10), (22, "haproxy", "S", 21), (23, "nginx", "S", 21), (24, "haproxy", "Z", 21))
    processes(tmp_path, (10, "sh", "S", 1), (21, "sh", "S", 1), *others)
    assert elders(11, (22, 23, 24, 25), str(tmp_path)) == {22}


@pytest.mark.real
async def test_a_connection_of_ours_is_counted_while_it_is_open() -> None:
    async with Web("one") as one:
        assert count_established([one.address])[one.address] == 0
        client = Client(one.port)
        await asyncio.wait_for(client.get(), 5)
        assert count_established([one.address])[one.address] == 1
        await client.close()
