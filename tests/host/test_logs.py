"""Rotation under writers, and reading from the end: nothing lost, nothing damaged, whatever is in it."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.host import logs
from supervisor.host.logs import last_lines, rotate, tail
from supervisor.model.spec import LogSpec

pytestmark = pytest.mark.real

# Writes COUNT numbered lines of uneven length as fast as it can, many to a write.
FLOOD = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
count = int(sys.argv[2])
for first in range(0, count, 7):
    lines = (b"%d %s\\n" % (n, b"x" * (n * 37 % 400)) for n in range(first, min(count, first + 7)))
    os.write(fd, b"".join(lines))
"""


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "web.0.log")


@pytest.fixture
def no_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_fallocate", lambda *_: errno.EOPNOTSUPP)


@pytest.fixture
def in_memory() -> Iterator[str]:
    """A log on a file system that really cannot collapse."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        yield f"{place}/web.0.log"


def write(path: str, text: bytes) -> None:
    with open(path, "ab") as file:
        file.write(text)


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d %s\n" % (n, b"-" * 80) for n in range(first, last))


def parts(path: str, keep: int) -> list[str]:
    return [p for p in (*(f"{path}.{n}" for n in range(keep, 0, -1)), path) if os.path.exists(p)]


def everything(path: str, keep: int) -> list[bytes]:
    """All lines in order, without the blanks that a rotation leaves at the front."""
    return [line for part in parts(path, keep) for line in Path(part).read_bytes().split(b"\n") if line.strip(b" ")]


def test_a_log_within_its_size_or_without_a_file_is_left_alone(log: str) -> None:
    assert rotate(log, LogSpec()) is False
    write(log, b"x\n")
    assert rotate(log, LogSpec()) is False
    assert os.listdir(os.path.dirname(log)) == ["web.0.log"]


def test_a_rotation_keeps_whole_lines_on_both_sides(log: str) -> None:
    write(log, numbered(0, 200) + b"half a li")
    assert rotate(log, LogSpec(max_bytes=5000))
    write(log, b"ne\n")
    assert Path(f"{log}.1").read_bytes() == numbered(0, 200)
    assert Path(log).read_bytes().lstrip(b" ") == b"\nhalf a line\n"
    assert os.stat(log).st_size < 4200


@pytest.mark.usefixtures("no_collapse")
def test_where_blocks_cannot_be_taken_out_the_file_is_copied_and_truncated(log: str) -> None:
    write(log, numbered(0, 200) + b"half a li")
    assert rotate(log, LogSpec(max_bytes=5000))
    assert Path(f"{log}.1").read_bytes() == numbered(0, 200) + b"half a li"
    assert os.stat(log).st_size == 0


def test_a_file_system_in_memory_rotates_too(in_memory: str) -> None:
    write(in_memory, numbered(0, 200))
    assert rotate(in_memory, LogSpec(max_bytes=5000))
    assert everything(in_memory, 1) == numbered(0, 200).split(b"\n")[:-1]


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_no_more_files_are_kept_than_asked_for(log: str, keep: int) -> None:
    for turn in range(5):
        write(log, numbered(turn * 100, turn * 100 + 100))
        assert rotate(log, LogSpec(max_bytes=5000, keep=keep))
    assert len(parts(log, 9)) == keep + 1
    assert len(os.listdir(os.path.dirname(log))) == keep + 1


def test_files_beyond_a_smaller_keep_go_with_the_next_rotation(log: str) -> None:
    for number in range(1, 6):
        write(f"{log}.{number}", b"old\n")
    write(log, numbered(0, 100))
    assert rotate(log, LogSpec(max_bytes=5000, keep=2))
    assert len(parts(log, 9)) == 3


def test_a_rotated_file_is_as_private_as_the_log(log: str) -> None:
    write(log, numbered(0, 100))
    os.chmod(log, 0o640)
    assert rotate(log, LogSpec(max_bytes=5000))
    assert os.stat(f"{log}.1").st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_log_as_it_was(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(log, numbered(0, 100))
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").endswith(".new"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        rotate(log, LogSpec(max_bytes=5000))
    assert Path(log).read_bytes() == numbered(0, 100)
    assert os.listdir(os.path.dirname(log)) == ["web.0.log"]


def dying_at(step: int, log: str) -> bool:
    """A process rotates, and dies just before so many steps; False when it got by alive."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    left = step

    def armed(act: Callable[..., Any]) -> Callable[..., Any]:
        def once(*arguments: Any) -> Any:
            nonlocal left
            if (left := left - 1) == 0:
                os._exit(9)
            return act(*arguments)

        return once

    try:
        for name in ("write", "pwrite", "rename", "unlink", "ftruncate", "fdatasync"):
            setattr(os, name, armed(getattr(os, name)))
        logs._fallocate = armed(logs._fallocate)
        rotate(log, LogSpec(max_bytes=5000, keep=4))
    finally:
        os._exit(0)


@pytest.mark.parametrize("collapses", [True, False])
def test_a_death_at_any_step_of_a_rotation_loses_no_line(
    log: str, monkeypatch: pytest.MonkeyPatch, collapses: bool
) -> None:
    """Some may be there twice, one of these cut by blanks; the next rotation goes on from what is left."""
    if not collapses:
        monkeypatch.setattr(logs, "_fallocate", lambda *_: errno.EOPNOTSUPP)
    for step in range(1, 40):
        one = f"{log}-{step}"
        written = numbered(0, 300)
        write(one, numbered(0, 100))
        rotate(one, LogSpec(max_bytes=5000, keep=4))
        write(one, numbered(100, 200))
        died = dying_at(step, one)
        assert set(numbered(0, 200).splitlines()) <= set(everything(one, 4)), step
        write(one, numbered(200, 300))
        rotate(one, LogSpec(max_bytes=5000, keep=4))
        found = set(everything(one, 4))
        assert set(written.splitlines()) <= found, step
        assert all(cut.startswith(b"line ") for cut in found - set(written.splitlines()))
        assert len(found) <= 301
        if not died:
            assert everything(one, 4) == written.splitlines()
            break
    assert 8 < step < 39


def test_two_writers_at_full_speed_lose_no_line_over_many_rotations(log: str) -> None:
    count, keep, turns = 40_000, 500, 3
    rotations = 0
    for _ in range(turns):
        writers = [subprocess.Popen([sys.executable, "-c", FLOOD, log, str(count)]) for _ in range(2)]
        ended = False
        while not ended:
            ended = all(writer.poll() is not None for writer in writers)
            rotations += rotate(log, LogSpec(max_bytes=200_000, keep=keep))
        assert [writer.returncode for writer in writers] == [0, 0]
    assert turns <= rotations < keep
    expected = [b"%d %s" % (n, b"x" * (n * 37 % 400)) for n in range(count)]
    assert sorted(everything(log, keep)) == sorted(expected * 2 * turns)


def test_the_tail_reaches_back_into_rotated_files(log: str) -> None:
    for turn in range(3):
        write(log, numbered(turn * 100, turn * 100 + 100))
        assert rotate(log, LogSpec(max_bytes=5000))
    write(log, b"last\nand unfinis")
    lines = [*numbered(0, 300).split(b"\n")[:-1], b"last", b"and unfinis"]
    for wanted in (1, 2, 3, 50, 102, 103, 250):
        assert tail(log, wanted) == lines[-wanted:]
    assert tail(log, 1000) == lines


def test_the_tail_of_nothing_is_nothing(log: str) -> None:
    assert tail(log, 10) == []
    write(log, b"")
    assert tail(log, 10) == []
    assert tail(log, 0) == []


def test_long_lines_are_read_whole(log: str) -> None:
    long = [b"%d" % n * 100_000 for n in range(3)]
    write(log, b"\n".join(long))
    assert tail(log, 2) == long[1:]


def test_a_file_of_one_endless_line_does_not_fill_our_memory(log: str) -> None:
    with open(log, "wb") as file:
        file.truncate(1 << 30)
    assert sum(map(len, tail(log, 5))) <= 17 << 20


def test_last_lines_are_harmless_whatever_was_written(log: str) -> None:
    write(log, b"first\n\n\0\0\0\x1b]0;x\x07[red]\r\n\xff\xfe broken\n" + b"y" * 10_000 + b"\n\n  \nend")
    lines = last_lines(log)
    assert lines[:3] == ("first", "␛]0;x␇[red]", "\ufffd\ufffd broken")
    assert len(lines[3]) == 500
    assert lines[4] == "end"
    assert last_lines(log, n=1) == ("end",)
    assert last_lines(f"{log}.none") == ()
