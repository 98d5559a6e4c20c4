"""The /proc reader against recorded processes, and against its own way of keeping descriptors."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.host.proc import OpenFiles, Stat, StatReader, all_pids, parse_stat

RECORDED = str(Path(__file__).parent / "proc")


@pytest.fixture
def reader() -> Iterator[StatReader]:
    made = StatReader(RECORDED)
    yield made
    made.close()


def test_a_recorded_process_is_read_field_by_field(reader: StatReader) -> None:
    assert reader.read(100) == Stat(
        parent=2, group=100, own_ticks=1000, reaped_ticks=50, threads=11, start_ticks=5000, rss_pages=2048
    )


def test_a_name_with_parentheses_blanks_and_a_newline_does_not_shift_the_fields(reader: StatReader) -> None:
    stat = reader.read(101)
    assert stat is not None
    assert (stat.parent, stat.own_ticks, stat.rss_pages) == (100, 75, 512)


def test_a_process_that_is_not_there_reads_as_none(reader: StatReader) -> None:
    assert reader.read(999) is None
    assert reader.once(999) is None
    assert reader.kept == 0


@pytest.mark.parametrize("text", [b"", b"1 (x", b"1 (x) S 1"])
def test_a_damaged_stat_is_an_error_of_the_parser(text: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_stat(text)


def test_reading_again_opens_nothing_again_and_forgetting_closes(reader: StatReader) -> None:
    for _ in range(3):
        reader.read(100)
    assert reader.kept == 1
    reader.forget(100)
    assert reader.kept == 0


def test_beyond_half_of_the_descriptor_limit_files_are_opened_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2, 2))
    reader = StatReader(RECORDED)
    assert reader.read(100)
    assert reader.read(101)
    assert reader.kept == 1
    reader.close()


def test_pids_are_the_numbers_among_the_names() -> None:
    assert all_pids(RECORDED) == {100, 101, 102, 103}


def test_open_files_are_listed_where_the_kernel_does_not_count_them() -> None:
    files = OpenFiles(RECORDED)
    assert not files.cheap
    assert files.count(100) == 3
    assert files.count(999) is None


def test_our_own_open_files_are_counted_as_the_listing_shows() -> None:
    # The listing itself has one more open while it lists.
    assert OpenFiles().count(os.getpid()) == len(os.listdir("/proc/self/fd")) - 1
