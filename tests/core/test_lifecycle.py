"""The table is complete, and each walk through it ends where an operator would expect."""

from itertools import product
from typing import get_args

import pytest
from msgspec.structs import replace

from supervisor.core.lifecycle import IMPOSSIBLE, TABLE, Impossible, deadline, step
from supervisor.model.facts import Dismissed, FellQuiet, ProbeMissed, ProbePassed, TimePassed, WorkerFact
from supervisor.model.launch import Exited, Spawned, SpawnFailed
from supervisor.model.phases import Phase
from supervisor.model.spec import AliveSpec, PoolSpec, ReadySpec, StopSpec, TrafficSpec
from supervisor.model.workers import Worker

PLAIN = PoolSpec(name="jobs", command=("job",), stop=StopSpec(timeout=5.0))
ASKED = PoolSpec(
    name="web",
    command=("web",),
    ready=ReadySpec(http="/healthz", timeout=60.0),
    alive=AliveSpec(http="/healthz", failures=3),
    stop=StopSpec(signal="INT", timeout=5.0),
    traffic=TrafficSpec(proxy="lb", upstream="web", drain_timeout=30.0),
)
WORKER = Worker(serial=1, pool="web", slot=0, generation=1, address="127.0.0.1:9001", asked=100.0)
SPAWNED = Spawned(serial=1, pid=42, started=100.0, started_wall=0.0)
EXITED = Exited(number=1, serial=1, pid=42, code=0, signal=None, at=101.0)
DISMISSED = Dismissed(serial=1, why="scaled to 2", force=True)
PASSED = ProbePassed(serial=1, why="HTTP 200")
MISSED = ProbeMissed(serial=1, why="connection refused")
TIME = TimePassed()


def at(phase: Phase, **changes: object) -> Worker:
    return replace(WORKER, phase=phase, pid=42, started=100.0, **changes)


def test_every_pair_of_phase_and_fact_is_ruled_or_declared_impossible() -> None:
    ruled = {(phase, kind) for phase, rules in TABLE.items() for kind in rules}
    assert ruled.isdisjoint(IMPOSSIBLE)
    assert ruled | IMPOSSIBLE == set(product(Phase, get_args(WorkerFact)))


def test_an_impossible_fact_raises_and_says_whose_and_when() -> None:
    with pytest.raises(Impossible, match=r"Spawned for web.0 \(#1\) while ready"):
        step(at(Phase.READY), SPAWNED, ASKED, 101.0)


def test_with_nothing_to_ask_a_worker_is_ready_when_its_program_runs() -> None:
    assert step(WORKER, SPAWNED, PLAIN, 100.5).worker.phase is Phase.READY


def test_a_worker_that_is_asked_is_ready_when_it_answers_and_not_before() -> None:
    started = step(WORKER, SPAWNED, ASKED, 100.5).worker
    assert started.phase is Phase.STARTING
    assert step(started, PASSED, ASKED, 101.0).worker.phase is Phase.READY


def test_not_ready_in_time_is_a_failure_with_the_last_answer() -> None:
    waiting = step(at(Phase.STARTING), MISSED, ASKED, 110.0).worker
    assert step(waiting, TIME, ASKED, 159.9).worker.phase is Phase.STARTING
    outcome = step(waiting, TIME, ASKED, 160.0)
    assert outcome.worker.phase is Phase.STOPPING
    assert outcome.worker.failed == "not ready within 60 s; last answer: connection refused"
    assert [deed.signal for deed in outcome.deeds] == ["INT"]


def test_a_new_version_that_answers_badly_for_long_is_not_waited_for() -> None:
    outcome = step(at(Phase.STARTING), replace(MISSED, final=True), ASKED, 110.0)
    assert (outcome.worker.phase, outcome.worker.failed) == (Phase.STOPPING, "connection refused")
    assert [deed.signal for deed in outcome.deeds] == ["INT"]


def test_a_dismissed_worker_behind_a_proxy_drains_before_it_is_signalled() -> None:
    draining = step(at(Phase.READY), DISMISSED, ASKED, 200.0)
    assert (draining.worker.phase, draining.deeds) == (Phase.DRAINING, ())
    assert draining.worker.drain_deadline == 230.0
    stopping = step(draining.worker, FellQuiet(serial=1), ASKED, 201.0)
    assert stopping.worker.phase is Phase.STOPPING
    assert [deed.signal for deed in stopping.deeds] == ["INT"]


def test_one_that_may_have_traffic_drains_though_it_is_not_ready() -> None:
    """An engine found it starting, and cannot know what its predecessor had made of it since."""
    found = at(Phase.STARTING, exposed=True, since=100.0)
    assert step(found, DISMISSED, ASKED, 101.0).worker.phase is Phase.DRAINING
    late = step(found, TIME, ASKED, 161.0)
    assert (late.worker.phase, late.deeds, late.worker.force) == (Phase.DRAINING, (), True)
    assert late.worker.failed == "not ready within 60 s"
    assert step(at(Phase.STARTING), DISMISSED, ASKED, 101.0).worker.phase is Phase.STOPPING


def test_a_dismissed_worker_on_a_shared_socket_is_signalled_at_once() -> None:
    shared = replace(ASKED, listen="127.0.0.1:8000")
    assert step(at(Phase.READY), DISMISSED, shared, 200.0).worker.phase is Phase.STOPPING


def test_a_drain_out_of_time_puts_the_worker_back_or_stops_it_as_was_said() -> None:
    gentle = step(at(Phase.READY), replace(DISMISSED, force=False), ASKED, 200.0).worker
    back = step(gentle, TIME, ASKED, 230.0).worker
    assert back.phase is Phase.READY
    assert back.reprieved == "still in flight after 30 s of draining; put back"
    forced = step(at(Phase.READY), DISMISSED, ASKED, 200.0).worker
    assert step(forced, TIME, ASKED, 230.0).worker.phase is Phase.STOPPING


def test_a_worker_that_ignores_its_signal_is_killed_once() -> None:
    stopping = at(Phase.STOPPING, stop_deadline=205.0)
    assert step(stopping, TIME, ASKED, 204.9).deeds == ()
    killed = step(stopping, TIME, ASKED, 205.0)
    assert [deed.signal for deed in killed.deeds] == ["KILL"]
    assert step(killed.worker, TIME, ASKED, 206.0).deeds == ()


def test_a_worker_dismissed_before_its_pid_is_known_is_signalled_when_it_is() -> None:
    stopping = step(WORKER, DISMISSED, ASKED, 100.1)
    assert stopping.deeds == ()
    assert [deed.signal for deed in step(stopping.worker, SPAWNED, ASKED, 100.2).deeds] == ["INT"]


def test_a_start_that_hangs_is_failed_in_its_own_words_and_killed_though_nobody_knows_its_pid() -> None:
    stopping = step(WORKER, TIME, ASKED, 160.0).worker
    assert stopping.failed == "not started within 60 s: its log, directory or program does not answer"
    killed = step(stopping, TIME, ASKED, 165.0)
    assert [deed.signal for deed in killed.deeds] == ["KILL"]
    assert deadline(killed.worker, ASKED) is None, "or the engine would look at it again without a pause"


def test_liveness_misses_in_a_row_take_a_worker_down_and_one_answer_forgives_them() -> None:
    worker = at(Phase.READY)
    for _ in range(2):
        worker = step(worker, MISSED, ASKED, 300.0).worker
    assert step(worker, PASSED, ASKED, 301.0).worker.misses == 0
    worker = step(worker, MISSED, ASKED, 302.0).worker
    assert worker.phase is Phase.DRAINING
    assert worker.failed is not None
    assert "3 liveness probes" in worker.failed


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.STOPPING])
def test_an_exit_ends_any_phase(phase: Phase) -> None:
    assert step(at(phase), EXITED, ASKED, 101.0).worker.phase is Phase.GONE


def test_a_program_that_cannot_start_is_gone_with_its_reason() -> None:
    gone = step(WORKER, SpawnFailed(serial=1, why="no such program: nodee"), ASKED, 100.1).worker
    assert (gone.phase, gone.failed) == (Phase.GONE, "no such program: nodee")


def test_a_deadline_is_the_one_of_the_phase() -> None:
    assert deadline(at(Phase.STARTING), ASKED) == 160.0
    assert deadline(at(Phase.READY, drain_deadline=1.0, stop_deadline=2.0), ASKED) is None
    assert deadline(at(Phase.DRAINING, drain_deadline=230.0), ASKED) == 230.0
    assert deadline(at(Phase.STOPPING, stop_deadline=205.0), ASKED) == 205.0
    assert deadline(at(Phase.STOPPING, stop_deadline=205.0, killed=True), ASKED) is None
