"""The journal is read back after any death and any damage: what cannot be believed is left out, and never wrong."""

import errno
import os
import threading
import time
import zlib
from collections.abc import Hashable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from supervisor.engine import journal as rooms
from supervisor.engine.journal import FORMAT, Foreign, Journal, line_of
from supervisor.engine.spare import Spare
from tests.whole.cluster import until


class Note(Struct, frozen=True):
    text: str


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def written(path: Path, *states: dict[str, str]) -> Journal:
    """A journal that went through these states."""
    journal = Journal(path)
    records: dict[str, Note] = {}
    assert journal.begin({})
    for state in states:
        records = {key: records.get(key) or Note(text) for key, text in state.items()}
        records = {key: note if note.text == state[key] else Note(state[key]) for key, note in records.items()}
        assert journal.write(grouped(records))
    journal.close(grouped(records))
    return journal


def grouped(records: dict[str, Note]) -> dict[str, dict[Hashable, Note]]:
    """As the ledger has them: by kind, or by kind and pool."""
    groups: dict[str, dict[Hashable, Note]] = {}
    for key, note in records.items():
        first, slash, rest = key.rpartition("/")
        groups.setdefault(first + slash, {})[rest] = note
    return groups


STATES = (
    {"pool/web": "a", "slot/web.0": "1"},
    {"pool/web": "b", "slot/web.0": "1", "worker/1": "x"},
    {"pool/web": "b", "slot/web.0": "2"},
)


def plain(found: dict[str, bytes]) -> dict[str, str]:
    return {key: value.decode()[9:-2] for key, value in found.items()}


def test_the_last_line_of_a_key_holds_and_null_takes_it_away(path: Path) -> None:
    written(path, *STATES)
    assert plain(Journal(path).load()) == STATES[-1]


def test_a_missing_journal_is_an_empty_one(path: Path) -> None:
    assert Journal(path).load() == {}


def test_cut_at_every_byte_it_is_a_state_that_was_or_lay_between_two(path: Path) -> None:
    """A cut takes whole lines from the end: every key has a value that it once had."""
    written(path, *STATES)
    data = path.read_bytes()
    once = {key: {state[key] for state in STATES if key in state} for state in STATES for key in state}
    for end in range(len(data) + 1):
        path.write_bytes(data[:end])
        journal = Journal(path)
        found = plain(journal.load())
        assert all(value in once[key] for key, value in found.items())
        # At most the torn line is left out.
        assert journal.damaged <= 1


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
@example(changes=[(0, 0)])
def test_random_bytes_changed_are_left_out_and_never_believed(path: Path, changes: list[tuple[int, int]]) -> None:
    written(path, *STATES)
    data = bytearray(path.read_bytes())
    for place, byte in changes:
        data[place % len(data)] = byte
    path.write_bytes(data)
    once = {key: {state[key] for state in STATES if key in state} for state in STATES for key in state}
    for key, value in plain(Journal(path).load()).items():
        assert value in once[key]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(min_size=1).filter(lambda key: key != "format"))
def test_a_key_may_hold_anything(path: Path, key: str) -> None:
    """An address may be the path of a socket, with spaces, newlines and percent signs in it."""
    key = key.encode("utf-8", "replace").decode()
    written(path, {key: "v", "other": "w"})
    assert plain(Journal(path).load()) == {key: "v", "other": "w"}


def test_what_did_not_change_is_not_written_again(path: Path) -> None:
    journal = Journal(path)
    journal.begin({})
    journal.write({"": {"a": Note("1")}})
    size = path.stat().st_size
    journal.write({"": {"a": Note("1")}})
    assert path.stat().st_size == size
    journal.close({})


def test_a_newer_format_is_refused_with_words(path: Path) -> None:
    path.write_bytes(line_of("format", b"%d" % (FORMAT + 1)) + line_of("pool/web", b"{}"))
    with pytest.raises(Foreign, match=f"newer clusterctl .format {FORMAT + 1}.*nothing was changed"):
        Journal(path).load()


def test_a_format_that_is_no_number_is_refused_too(path: Path) -> None:
    path.write_bytes(line_of("format", b'"x"'))
    with pytest.raises(Foreign):
        Journal(path).load()


def test_an_older_format_is_migrated(path: Path) -> None:
    """Format 1 wrote keys as they were; a percent sign in one meant itself."""
    old = b"asked/lb/web//run/100%25.sock"
    path.write_bytes(line_of("format", b"1"))
    with path.open("ab") as file:
        body = old + b" {}"
        file.write(b"%08x %s\n" % (zlib.crc32(body), body))
    assert Journal(path).load() == {old.decode(): b"{}"}


def test_every_older_format_has_its_migration() -> None:
    assert set(rooms.MIGRATIONS) == set(range(1, FORMAT))


def test_it_is_written_anew_when_it_has_grown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of one record stay within the bound, and what is written meanwhile."""
    monkeypatch.setattr(rooms, "COMPACT_ABOVE", 4096)
    journal = Journal(path)
    journal.begin({})
    records: dict[str, dict[Hashable, Note]] = {}
    for number in range(5_000):  # 100 KB of lines
        records = {"": {"a": Note(str(number)), "b": Note("x" * 100)}}
        journal.write(records)
    until(lambda: journal.write(records) and path.stat().st_size < 3 * 4096, "it is small again")
    journal.close(records)
    assert plain(Journal(path).load()) == {"a": "4999", "b": "x" * 100}


def test_a_slow_disk_delays_no_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it takes its time over the file that is written anew, changes are appended to the old one and to it."""
    monkeypatch.setattr(rooms, "COMPACT_ABOVE", 4096)
    journal = Journal(path)
    journal.begin({})
    asked, answers = threading.Event(), threading.Event()

    def slow(fd: int) -> None:
        asked.set()
        assert answers.wait(20)

    monkeypatch.setattr(os, "fsync", slow)
    for number in range(300):
        assert journal.write({"": {"a": Note("x" * 100 + str(number))}})
    assert asked.wait(20)
    assert journal.write({"": {"b": Note("late")}})
    grown = path.stat().st_size
    assert plain(Journal(path).load()) == {"b": "late"}, "a death now would cost nothing"
    answers.set()
    until(lambda: journal.write({"": {"b": Note("late")}}) and path.stat().st_size < grown, "it is written anew")
    assert plain(Journal(path).load()) == {"b": "late"}
    journal.close({"": {"b": Note("later")}})
    assert plain(Journal(path).load()) == {"b": "later"}


def test_an_engine_that_starts_does_not_wait_for_a_slow_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper holds it until the disk has it; a death in between costs nothing."""
    written(path, *STATES)
    memory, answers = os.memfd_create("journal"), threading.Event()
    monkeypatch.setattr(os, "fsync", lambda fd: answers.wait(20))
    journal = Journal(path, spare=Spare(memory))
    assert journal.begin({"": {"a": Note("1")}})
    assert journal.write({"": {"a": Note("2"), "b": Note("3")}})
    assert plain(Journal(path).load()) == STATES[-1]
    assert plain(Journal(path, spare=Spare(memory)).load()) == {"a": "2", "b": "3"}
    answers.set()
    until(lambda: journal.write({"": {"a": Note("2"), "b": Note("3")}}) and not journal.held, "the disk has it")
    assert plain(Journal(path, spare=Spare(memory)).load()) == plain(Journal(path).load()) == {"a": "2", "b": "3"}
    assert journal.write({"": {"a": Note("4")}})
    assert plain(Journal(path, spare=Spare(memory)).load()) == {"a": "4"}
    journal.close({})
    os.close(memory)


def test_an_engine_that_ends_at_once_has_written_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = os.memfd_create("journal")
    monkeypatch.setattr(os, "fsync", lambda fd: time.sleep(0.3))
    journal = Journal(path, spare=Spare(memory))
    journal.begin({"": {"a": Note("1")}})
    journal.close({"": {"a": Note("2")}})
    assert plain(Journal(path).load()) == {"a": "2"}
    assert Spare(memory).read() == b""
    os.close(memory)


def test_cut_at_every_byte_a_file_that_was_written_anew_is_a_state_that_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came while it was written is at its end, like all that comes later."""
    monkeypatch.setattr(rooms, "COMPACT_ABOVE", -1)
    journal = Journal(path)
    journal.begin({})
    values = [str(number) for number in range(40)]
    for value in values:
        assert journal.write({"": {"a": Note(value), "b": Note("b")}})
    monkeypatch.setattr(rooms, "COMPACT_ABOVE", 1 << 20)
    until(
        lambda: journal.write({"": {"a": Note("39"), "b": Note("b")}}) and not path.with_suffix(".new").exists(), ""
    )
    journal.write({"": {"a": Note("40"), "b": Note("b")}})
    data = path.read_bytes()
    seen = set()
    for end in range(len(data) + 1):
        path.write_bytes(data[:end])
        found = plain(Journal(path).load())
        assert found.get("a") in (None, *values, "40")
        seen.add(found.get("a"))
    assert {"39", "40"} <= seen
    journal.close({})


def full(fd: int, data: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def made_good(journal: Journal, clock: Clock, records: dict[str, dict[Hashable, Note]]) -> None:
    def written() -> bool:
        clock.now += 2
        return journal.write(records)

    until(written, "it is written")


def test_a_full_disk_is_said_tried_again_and_made_good(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there stays readable; when there is room again, all is there that was missed."""
    clock = Clock()
    journal = Journal(path, clock)
    journal.begin({"": {"a": Note("1")}})
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert not journal.write({"": {"a": Note("2")}})
        assert journal.failing == f"journal {path}: no space left on device"
        clock.now += 2
        assert not journal.write({"": {"a": Note("3")}})
        until(
            lambda: not journal.write({"": {"a": Note("3")}}) and not path.with_suffix(".new").exists(), "refused"
        )
    assert plain(Journal(path).load()) == {"a": "1"}
    assert not journal.write({"": {"a": Note("4")}}), "it is not tried at every turn"
    made_good(journal, clock, {"": {"a": Note("4"), "b": Note("5")}})
    assert journal.failing is None
    journal.close({"": {"a": Note("4"), "b": Note("6")}})
    assert plain(Journal(path).load()) == {"a": "4", "b": "6"}


@pytest.mark.parametrize("last", ["3", "4"])
def test_what_no_disk_takes_outlives_the_engine(path: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    """The keeper holds it, for as many engines as come, until the disk takes it."""
    memory, clock = os.memfd_create("journal"), Clock()
    monkeypatch.setattr(rooms, "COMPACT_ABOVE", 500)
    with monkeypatch.context() as patch:
        journal = Journal(path, clock, Spare(memory))
        journal.begin({"": {"a": Note("1")}})
        until(lambda: journal.write({"": {"a": Note("1")}}) and not journal.held, "the disk has it")
        patch.setattr(os, "write", full)
        for number in range(1, int(last) + 1):
            assert not journal.write({"": {"a": Note(str(number)), "b": Note("x")}})
            assert journal.held
        for number in range(100):
            journal.write({"": {"a": Note(last), "c": Note(str(number))}})
        journal = Journal(path, clock, Spare(memory))
        assert plain(journal.load()) == {"a": last, "c": "99"}
        journal.begin({"": {"a": Note("5")}})
        until(lambda: not journal.write({"": {"a": Note("5")}}), "the disk does not take it")
        assert journal.held
        assert os.fstat(memory).st_size < 10_000
    assert plain(Journal(path).load()) == {"a": "1"}
    journal = Journal(path, clock, Spare(memory))
    assert plain(journal.load()) == {"a": "5"}
    assert journal.begin({"": {"a": Note("5")}})
    until(lambda: journal.write({"": {"a": Note("5")}}) and not journal.held, "the disk has it")
    assert Spare(memory).read() == b""
    journal.close({"": {"a": Note("6")}})
    assert plain(Journal(path).load()) == {"a": "6"}
    os.close(memory)


def test_half_a_line_of_a_full_disk_costs_nothing_but_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    journal = Journal(path, clock)
    journal.begin({"": {"a": Note("1")}})
    write = os.write

    def half(fd: int, data: memoryview) -> int:
        if len(data) < 10:
            return full(fd, data)
        return write(fd, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        assert not journal.write({"": {"a": Note("2" * 50)}})
    assert plain(Journal(path).load()) == {"a": "1"}
    made_good(journal, clock, {"": {"a": Note("3")}})
    journal.close({"": {"a": Note("3")}})
    assert plain(Journal(path).load()) == {"a": "3"}


def test_a_disk_that_is_full_from_the_start_stops_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    journal = Journal(path, clock)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert not journal.begin({"": {"a": Note("1")}})
    made_good(journal, clock, {"": {"a": Note("1")}})
    journal.close({"": {"a": Note("1")}})
    assert plain(Journal(path).load()) == {"a": "1"}


def test_the_last_write_waits_for_a_disk_that_has_room_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        journal.begin({"": {"a": Note("1")}})
    journal.close({"": {"a": Note("2")}})
    assert plain(Journal(path).load()) == {"a": "2"}
