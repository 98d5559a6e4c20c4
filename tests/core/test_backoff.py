"""Exact waits against a clock that is a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from supervisor.core.backoff import after_end, forgive
from supervisor.model.phases import Phase
from supervisor.model.spec import RestartSpec
from supervisor.model.workers import End, Slot, Worker

POLICY = RestartSpec(give_up=100)
SLOT = Slot(pool="web", number=0, generation=1)
CRASHED = Worker(serial=1, pool="web", slot=0, generation=1, address=None, phase=Phase.READY, ready_at=100.0)
END = End(wall=0.0, code=1, why="exit code 1")
MIDDLE = 0.5
"""A throw of the dice that leaves the wait as it is."""


def waits(count: int, worker: Worker, policy: RestartSpec = POLICY) -> list[float]:
    """The waits after so many deaths, each as soon as the worker was started again."""
    slot, now, found = SLOT, 101.0, []
    for _ in range(count):
        ready = worker if worker.ready_at is None else replace(worker, ready_at=now)
        slot = after_end(slot, ready, END, policy, now, MIDDLE)
        wait = 0.0 if slot.retry_at is None else slot.retry_at - now
        found.append(round(wait, 6))
        now += wait
    return found


def test_the_first_death_of_a_ready_worker_is_answered_at_once_then_waits_double() -> None:
    assert waits(9, CRASHED) == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_worker_that_was_never_ready_waits_from_its_first_death_on() -> None:
    assert waits(4, replace(CRASHED, ready_at=None)) == [0.5, 1, 2, 4]


@given(st.floats(min_value=0, max_value=1, exclude_max=True))
def test_jitter_stays_within_a_fifth(dice: float) -> None:
    slot = after_end(SLOT, replace(CRASHED, ready_at=None), END, POLICY, 100.0, dice)
    assert slot.retry_at is not None
    assert 0.4 <= slot.retry_at - 100.0 <= 0.6


def test_so_many_deaths_in_the_window_fail_the_slot_and_say_so() -> None:
    policy = RestartSpec(give_up=3, give_up_window=60.0)
    slot = SLOT
    for now in (100.0, 110.0, 159.9):
        slot = after_end(slot, CRASHED, END, policy, now, MIDDLE)
    assert slot.failed == "exit code 1; 3 deaths within 60 s, waits not counted"
    assert slot.retry_at is None


def test_a_death_that_left_the_window_does_not_count() -> None:
    policy = RestartSpec(give_up=3, give_up_window=60.0, reset_after=1000.0)
    slot = SLOT
    for now in (100.0, 110.0, 161.0):
        slot = after_end(slot, CRASHED, END, policy, now, MIDDLE)
    assert slot.failed is None
    assert len(slot.deaths) == 2


def test_being_ready_long_enough_wipes_the_slate() -> None:
    slot = replace(SLOT, deaths=(50.0, 60.0), delay=8.0)
    slot = after_end(
        slot, CRASHED, END, POLICY, CRASHED.ready_at + POLICY.reset_after if CRASHED.ready_at else 0, MIDDLE
    )
    assert (slot.delay, slot.retry_at, len(slot.deaths)) == (0.0, None, 1)


def test_an_end_that_was_asked_for_is_no_death() -> None:
    slot = after_end(SLOT, replace(CRASHED, phase=Phase.STOPPING), END, POLICY, 101.0, MIDDLE)
    assert (slot.deaths, slot.retry_at, slot.failed) == ((), None, None)
    assert slot.ends == (END,)


def test_a_worker_that_was_stopped_because_it_failed_is_a_death() -> None:
    hung = replace(CRASHED, phase=Phase.STOPPING, failed="not ready within 60 s", ready_at=None)
    assert after_end(SLOT, hung, END, POLICY, 101.0, MIDDLE).delay == 0.5


@pytest.mark.parametrize(
    ("policy", "code", "finished"),
    [("always", 0, False), ("on-failure", 0, True), ("on-failure", 1, False), ("never", 1, True)],
)
def test_the_policy_says_which_end_is_the_end(policy: str, code: int, finished: bool) -> None:
    spec = RestartSpec(policy=policy)  # type: ignore[arg-type]
    assert after_end(SLOT, CRASHED, replace(END, code=code), spec, 101.0, MIDDLE).finished is finished


def test_forgiving_a_failed_slot_lets_it_begin_anew() -> None:
    slot = replace(SLOT, failed="x", deaths=(1.0,), delay=4.0, retry_at=9.0)
    assert forgive(slot) == SLOT
