"""What the journal says of workers, held against what the keeper holds: the adoption matrix, one case a test."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from supervisor.engine.desk import Desk
from supervisor.engine.feed import Feed
from supervisor.engine.ledger import Counters, Ledger
from supervisor.engine.restoring import owed, restore, resume, settle_workers, take_in_unknown
from supervisor.model.deeds import Signal
from supervisor.model.launch import Held
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.phases import Phase, Rotation
from supervisor.model.pools import Pool
from supervisor.model.requests import Shutdown
from supervisor.model.spec import ClusterSpec, PoolSpec, ReadySpec
from supervisor.model.workers import Slot, Worker

SPEC = PoolSpec(name="web", command=("web",), ready=ReadySpec(http="/"))


def worker(serial: int, **more: object) -> Worker:
    fields = {"pool": "web", "slot": serial - 1, "generation": 1, "address": None, "phase": Phase.READY, "pid": 100}
    return Worker(serial=serial, **{**fields, **more})  # type: ignore[arg-type]


def held(serial: int, **more: object) -> Held:
    fields = {"name": f"web.{serial - 1}", "pid": 100, "started": 5.0, "started_wall": 6.0, "start_ticks": 7}
    return Held(serial=serial, **{**fields, **more})  # type: ignore[arg-type]


NOTE = {"pool": "web", "slot": "0", "generation": "1", "address": "127.0.0.1:9001", "log": "/x.log"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(spec=ClusterSpec(name="test", state_dir=str(tmp_path), pools=(SPEC,)))
    made.pools["web"] = Pool(spec=SPEC, desired=2, revisions={1: SPEC})
    return made


@pytest.fixture
def desk(ledger: Ledger, tmp_path: Path) -> Desk:
    return Desk(ledger, Feed(tmp_path / "events.jsonl"))


def known(ledger: Ledger, *workers: Worker) -> None:
    ledger.workers = {one.serial: one for one in workers}


def test_what_lives_and_is_known_stays_as_it_is(ledger: Ledger) -> None:
    known(ledger, worker(1))
    assert settle_workers(ledger, [held(1)], set(), 50.0) == ([], [])
    assert ledger.workers[1] == worker(1)


def test_a_start_that_was_never_heard_of_is_told(ledger: Ledger) -> None:
    """We died between asking for it and hearing of it: it goes through the table like any other."""
    known(ledger, worker(1, pid=None, phase=Phase.STARTING))
    begun, ended = settle_workers(ledger, [held(1, pid=321)], set(), 50.0)
    assert [(one.serial, one.pid) for one in begun] == [(1, 321)]
    assert ended == []


def test_one_that_was_starting_may_serve_by_now(ledger: Ledger) -> None:
    """A full disk kept its readiness out of the journal: it is asked anew, in a time of its own."""
    known(ledger, worker(1, phase=Phase.STARTING, since=5.0))
    settle_workers(ledger, [held(1)], set(), 50.0)
    assert (ledger.workers[1].exposed, ledger.workers[1].since) == (True, 50.0)


def test_a_start_that_was_never_asked_for_is_forgotten(ledger: Ledger) -> None:
    """It was journaled, and we died before the keeper heard of it: the slot is simply empty."""
    known(ledger, worker(1, pid=None, phase=Phase.STARTING))
    assert settle_workers(ledger, [], set(), 50.0) == ([], [])
    assert ledger.workers == {}


def test_an_end_that_the_keeper_tells_is_waited_for(ledger: Ledger) -> None:
    known(ledger, worker(1), worker(2, pid=None, phase=Phase.STARTING))
    assert settle_workers(ledger, [], {1, 2}, 50.0) == ([], [])
    assert set(ledger.workers) == {1, 2}


def test_an_end_that_nobody_tells_is_unknown(ledger: Ledger) -> None:
    known(ledger, worker(1))
    assert settle_workers(ledger, [], set(), 50.0) == ([], [1])


def test_a_serial_is_never_given_twice(ledger: Ledger) -> None:
    """Though the journal lost its count: what lives and what has just ended tell how far it was."""
    settle_workers(ledger, [held(7)], {9}, 50.0)
    assert ledger.counters.serial == 9


@pytest.mark.parametrize(
    ("state", "sent", "due"),
    [
        (worker(1, phase=Phase.STOPPING), (), ["TERM"]),
        (worker(1, phase=Phase.STOPPING), ("TERM",), []),
        (worker(1, phase=Phase.STOPPING, killed=True), ("TERM",), ["KILL"]),
        (worker(1, phase=Phase.STOPPING, killed=True), ("TERM", "KILL"), []),
        (worker(1, phase=Phase.READY), (), []),
        (worker(1, phase=Phase.DRAINING), (), []),
        # Its Spawned is yet to be told, and that sends the signal.
        (worker(1, phase=Phase.STOPPING, pid=None), (), []),
    ],
)
def test_a_signal_that_was_decided_and_not_sent_is_sent(
    ledger: Ledger, state: Worker, sent: tuple[str, ...], due: list[str]
) -> None:
    known(ledger, state)
    assert owed(ledger, [held(1, signals=sent)]) == [Signal(serial=1, signal=signal) for signal in due]


def test_what_the_journal_lost_is_taken_in_by_its_note(desk: Desk) -> None:
    """Its readiness is asked anew, and its time for that begins now, however old it is."""
    assert take_in_unknown(desk, [held(4, note=NOTE)], now=50.0) == []
    taken = desk.ledger.workers[4]
    assert (taken.slot_name, taken.address, taken.pid, taken.phase) == (
        "web.0",
        "127.0.0.1:9001",
        100,
        Phase.STARTING,
    )
    assert (taken.since, taken.asked) == (50.0, 50.0)


def test_with_nothing_remembered_what_runs_is_what_was_wanted(desk: Desk) -> None:
    """A lost journal must not replace workers that serve: their generation becomes the pool's."""
    take_in_unknown(desk, [held(4, note={**NOTE, "generation": "7"})], now=50.0)
    pool = desk.ledger.pools["web"]
    assert (pool.generation, pool.complete) == (7, 7)
    assert desk.ledger.slot("web", 0).generation == 7


def test_with_nothing_remembered_of_a_rollout_the_newest_generation_is_what_was_wanted(desk: Desk) -> None:
    """The others are of the version before: they are replaced, whoever is looked at first."""
    notes = {serial: {**NOTE, "slot": str(slot), "generation": g} for serial, slot, g in ((4, 0, "2"), (5, 1, "3"))}
    take_in_unknown(desk, [held(serial, note=note) for serial, note in notes.items()], now=50.0)
    pool = desk.ledger.pools["web"]
    assert (pool.generation, pool.complete) == (3, 3)
    assert {worker.slot: worker.generation for worker in desk.ledger.workers.values()} == {0: 2, 1: 3}
    assert desk.ledger.slot("web", 0).generation == 3


def test_a_generation_that_the_journal_lost_serves_until_it_is_replaced(desk: Desk) -> None:
    """It is taken in, is another than what is wanted, and its number is not given again."""
    desk.ledger.keep(Slot(pool="web", number=0, generation=1))
    assert take_in_unknown(desk, [held(4, note={**NOTE, "generation": "2"})], now=50.0) == []
    pool = desk.ledger.pools["web"]
    assert (pool.generation, pool.complete) == (2, 1)
    assert (desk.ledger.workers[4].generation, desk.ledger.slot("web", 0).generation) == (2, 1)


@pytest.mark.parametrize("ready", [ReadySpec(notify=True), ReadySpec(log="up")])
@pytest.mark.parametrize(("age", "phase"), [(61.0, Phase.READY), (59.0, Phase.STARTING)])
def test_who_said_that_it_is_ready_is_not_asked_to_say_so_again(
    desk: Desk, age: float, phase: Phase, ready: ReadySpec
) -> None:
    """Nobody can be asked: one that has outlived its time had said so, or it would have been ended."""
    spec = replace(SPEC, ready=ready)
    desk.ledger.pools["web"] = Pool(spec=spec, desired=2, revisions={1: spec})
    assert take_in_unknown(desk, [held(4, note=NOTE, started=100.0)], now=100.0 + age) == []
    assert desk.ledger.workers[4].phase is phase


@pytest.mark.parametrize(
    "note",
    [{}, {**NOTE, "pool": "gone"}, {**NOTE, "slot": "x"}, {**NOTE, "generation": "-1"}, {**NOTE, "slot": "1²"}],
)
def test_what_runs_for_nothing_configured_is_stopped(desk: Desk, note: dict[str, str]) -> None:
    """Also where its note makes no sense: it is ours by the keeper's record, and nobody wants it."""
    assert take_in_unknown(desk, [held(4, note=note)], now=50.0) == [Signal(serial=4, signal="TERM")]
    assert desk.ledger.workers == {}
    assert desk.feed.events[-1].kind == "worker-unwanted"


NOW = Counters(boot="now")


def encoded(**records: msgspec.Struct) -> dict[str, bytes]:
    return {key.replace("__", "/"): msgspec.json.encode(record) for key, record in records.items()}


def test_after_another_boot_nobody_lives_and_old_times_are_forgotten(ledger: Ledger) -> None:
    slot = Slot(pool="web", number=0, generation=1, deaths=(1.0, 2.0), retry_at=9e9, restarts=5, failed=None)
    records = encoded(
        counters=Counters(serial=8, boot="then", keeper=1, keeper_ticks=2),
        pool__web=ledger.pools["web"],
        slot__web=slot,
        worker__8=worker(8),
    )
    fresh = Ledger(spec=ledger.spec)
    assert restore(fresh, records, "now") == []
    assert fresh.workers == {}
    assert fresh.counters == Counters(serial=8, boot="now")
    assert fresh.slots["web"][0] == replace(slot, deaths=(), retry_at=None)


def test_in_the_same_boot_all_comes_back(ledger: Ledger) -> None:
    records = encoded(
        counters=Counters(serial=8, boot="now", operation=3),
        pool__web=ledger.pools["web"],
        slot__web=Slot(pool="web", number=0, generation=1, deaths=(1.0,), retry_at=3.0),
        worker__8=worker(8),
    )
    records["asked/lb/web//run/a b.sock"] = b'{"rotation":"drain"}'
    fresh = Ledger(spec=ledger.spec)
    assert restore(fresh, records, "now") == []
    assert fresh.workers == {8: worker(8)}
    assert fresh.slots["web"][0].retry_at == 3.0
    assert fresh.asked == {("lb", "web", "/run/a b.sock"): Rotation.DRAIN}


def test_what_refers_to_a_lost_record_is_left_out_and_named(ledger: Ledger) -> None:
    """A worker of a pool that could not be read, and that is not configured, is no worker; the key is told."""
    records = encoded(
        counters=NOW, worker__8=worker(8, pool="old"), slot__old=Slot(pool="old", number=0, generation=1)
    )
    records["pool/old"] = b'{"spec": 12}'
    fresh = Ledger(spec=ledger.spec)
    assert restore(fresh, records, "now") == ["pool/old"]
    assert (fresh.workers, fresh.slots) == ({}, {})
    assert fresh.counters.serial == 8


def test_a_pool_whose_record_is_damaged_keeps_its_workers(ledger: Ledger) -> None:
    """It is configured: it comes back as configured, in the generation that runs."""
    fresh = Ledger(spec=ledger.spec)
    assert restore(fresh, encoded(counters=NOW, worker__8=worker(8, generation=3)), "now") == []
    assert fresh.pools["web"].complete == 3
    assert set(fresh.workers) == {8}


def down(ledger: Ledger, keep_workers: bool) -> None:
    request = Shutdown(keep_workers=keep_workers)
    ledger.operations["op-1"] = Operation(
        id="op-1", request=request, verb="down", target="cluster", pool=None, asked=1.0, asked_wall=1.0
    )


def test_going_down_goes_on_after_an_engines_death(desk: Desk, ledger: Ledger) -> None:
    down(ledger, keep_workers=False)
    resume(desk, again=True)
    assert ledger.stopping
    assert ledger.operations["op-1"].running


@pytest.mark.parametrize(("again", "keep"), [(False, False), (True, True), (False, True)])
def test_a_down_of_an_earlier_keeper_is_over(desk: Desk, ledger: Ledger, again: bool, keep: bool) -> None:
    down(ledger, keep)
    resume(desk, again)
    assert not ledger.stopping
    assert ledger.operations["op-1"].phase is OperationPhase.DONE
