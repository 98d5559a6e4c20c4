"""The keeper's records, damaged: what it makes of them is whole, or it is nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.host.launching import _decode, _Held
from supervisor.keeper.holding import Worker, _held
from supervisor.keeper.protocol import encode
from supervisor.keeper.records import Record, Register, complete, line
from supervisor.model.launch import Exited

BARE: Record = {"name": "#1", "started": 1.0, "started_wall": 2.0, "log": "", "listen": [], "note": {}}
WORKER: Record = {
    "pid": 6245,
    "start_ticks": 217797,
    "serial": 1,
    "boot": "c46797c8",
    "name": "web.0",
    "started": 2177.970005839,
    "started_wall": 1795862813.5,
    "log": "/s/logs/web.0.log",
    "listen": ["web"],
    "note": {"pool": "web", "slot": "0"},
    "signals": ["TERM"],
}
ABOUT = {key: value for key, value in WORKER.items() if key not in ("pid", "start_ticks", "signals")}
EXIT = {
    "type": "Exited", "number": 3, "serial": 4, "pid": 77, "at": 2.5,
    "code": None, "signal": "KILL", "known": True, "oom": False,
}  # fmt: skip
WHOLE = b"".join(
    line(record)
    for record in (
        {"head": "c46797c8", "number": 2},
        {"listen": "web", "address": "127.0.0.1:8000", "inode": 4711},
        {"engine": 6589, "start_ticks": 218568},
        {"end": 4, "exit": EXIT},
        WORKER,
        {"notified": 1, "fields": {"READY": "1", "STATUS": "é"}},
        {"about": 2, **ABOUT, "serial": 2},
        {"began": 2, "pid": 6246, "start_ticks": 217798},
    )
)


def check(directory: Path, data: bytes) -> int:
    """The engine understands all that is told of these records; the workers that are left."""
    (directory / "workers.jsonl").write_bytes(data)
    register = Register(str(directory), "c46797c8", lambda _: None)
    register.load()
    for record in register.live.values():
        complete(record, BARE)
        told = _held(Worker(record["serial"], record["pid"], record))
        assert isinstance(_decode(encode({"type": "Held", "workers": [told], "listening": []})), _Held)
    for exited in register.exits.values():
        assert isinstance(_decode(encode(exited)), Exited)
    for record in (*register.listening.values(), *([register.engine] if register.engine else ())):
        assert isinstance(record.get("address", ""), str)
        assert isinstance(record.get("inode", 0), int)
    return len(register.live)


def test_what_is_whole_is_taken_as_it_is(tmp_path: Path) -> None:
    assert check(tmp_path, WHOLE) == 2


@pytest.mark.parametrize("put", [b"e", b"9", b"-", b'"', b"`", b"}", b"\n", b"\xff"])
def test_any_one_byte_changed(tmp_path: Path, put: bytes) -> None:
    left = [check(tmp_path, WHOLE[:at] + put + WHOLE[at + 1 :]) for at in range(len(WHOLE))]
    assert min(left) >= 1, "one byte cost more than one worker"


def test_cut_at_every_byte(tmp_path: Path) -> None:
    for at in range(len(WHOLE)):
        check(tmp_path, WHOLE[:at])


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=30))
def test_any_bytes_changed(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
    check(tmp_path_factory.getbasetemp(), bytes(data))
