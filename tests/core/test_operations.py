"""Whether what was asked for has come about: judged by looking, one row a picture."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from supervisor.core.operations import judge, rotated
from supervisor.core.reconcile import Picture
from supervisor.model.backends import Backend
from supervisor.model.operations import Operation
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.pools import Pool, Rollout, RolloutPhase
from supervisor.model.requests import AnyRequest, Reload, Restart, Rotate, Scale, Start, Steer, Stop
from supervisor.model.spec import PoolSpec
from supervisor.model.workers import End, Slot, Worker

SPEC = PoolSpec(name="web", command=("web",), workers=2)
POOL = Pool(spec=SPEC, desired=2, revisions={1: SPEC})
ROLLOUT = Rollout(operation="op-1", from_generation=1, to_generation=2, started=0.0, started_wall=0.0)
DIED = End(wall=0.0, why="exit code 3", generation=1, last_lines=("no database",))


def slots(**changes: object) -> dict[int, Slot]:
    """Two slots; `changes` are the first one's."""
    plain = Slot(pool="web", number=0, generation=1)
    return {0: replace(plain, **changes), 1: replace(plain, number=1)}


def worker(serial: int, slot: int, phase: Phase = Phase.READY, **changes: object) -> Worker:
    return replace(Worker(serial=serial, pool="web", slot=slot, generation=1, address=None, phase=phase), **changes)


BOTH = (worker(1, 0), worker(2, 1))


def seen(
    request: AnyRequest,
    *workers: Worker,
    pool: Pool = POOL,
    of: Mapping[int, Slot] | None = None,
    serials: tuple[int, ...] = (),
) -> tuple[str, bool, str | None]:
    """Progress, whether it is done, and why it failed."""
    operation = Operation(
        id="op-1", request=request, verb="", target=getattr(request, "target", "web"), pool="web", asked=100.0,
        asked_wall=0.0, serials=serials,
    )  # fmt: skip
    found = judge(operation, Picture(pool, of or slots(), workers, {}, 200.0))
    return found.progress, found.done, found.failed


def test_a_scale_is_done_when_every_wanted_slot_serves_and_nobody_else_is_there() -> None:
    scale = Scale(pool="web", desired=2)
    assert seen(scale, worker(1, 0)) == ("1 of 2 serve", False, None)
    assert seen(scale, *BOTH, worker(3, 2, Phase.DRAINING)) == ("2 of 2 serve, 1 leaving", False, None)
    assert seen(scale, *BOTH) == ("web has 2 workers", True, None)


def test_a_slot_that_is_given_up_fails_what_waits_for_it_with_its_last_words() -> None:
    broken = slots(failed="10 deaths", deaths=(150.0,), ends=(DIED,))
    why = "web.0: 10 deaths; its last lines: no database"
    assert seen(Scale(pool="web", desired=2), worker(2, 1), of=broken) == ("web.0 failed", False, why)
    assert seen(Start(target="web.0"), worker(2, 1), of=broken) == ("web.0 failed", False, why)


def test_a_reload_is_not_blamed_for_a_slot_given_up_before_it_whoever_is_left_in_it() -> None:
    """The slot's successors died of themselves while the worker before, over its limit, went on."""
    broken = slots(failed="10 deaths", deaths=(50.0,), ends=(DIED,))
    done = "web is as configured; given up before: web.0"
    assert seen(Reload(), worker(2, 1), of=broken) == (done, True, None)
    assert seen(Reload(), *BOTH, of=broken) == (done, True, None)


def test_what_an_operator_keeps_down_is_not_waited_for() -> None:
    assert seen(Scale(pool="web", desired=2), worker(2, 1), of=slots(stopped=True))[1]
    assert seen(Scale(pool="web", desired=2), worker(2, 1), of=slots(finished=True))[1]
    assert seen(Scale(pool="web", desired=2), pool=replace(POOL, stopped=True))[1]


def test_a_stop_is_done_when_nobody_is_left_and_names_who_is() -> None:
    assert seen(Stop(target="web"), *BOTH) == ("2 still leaving: web.0, web.1", False, None)
    assert seen(Stop(target="web.0"), worker(2, 1)) == ("web.0 is stopped", True, None)


def test_a_restarted_worker_is_replaced_when_its_successor_serves_alone() -> None:
    old = worker(1, 0, condemned="restart asked by ada")
    restart = Restart(target="web.0")
    starting = worker(3, 0, Phase.STARTING)
    assert seen(restart, old, starting, serials=(1,)) == ("old one ready, new one starting", False, None)
    assert seen(restart, worker(3, 0), serials=(1,)) == ("web.0 is replaced", True, None)
    assert seen(restart, serials=(1,)) == ("its new worker is to start", False, None)


@pytest.mark.parametrize(
    ("old", "slot", "why"),
    [
        ({"reprieved": "still in flight; put back"}, {}, "still in flight; put back"),
        ({}, {}, "its restart was called off"),
        (
            {"condemned": "asked"},
            {"deaths": (150.0,), "ends": (DIED,)},
            "its new worker failed: exit code 3; its last lines: no database",
        ),
        ({"condemned": "asked"}, {"failed": "10 deaths"}, "10 deaths"),
    ],
)
def test_a_restart_fails_where_the_old_worker_is_put_back_or_no_new_one_lives(
    old: dict[str, object], slot: dict[str, object], why: str
) -> None:
    assert seen(Restart(target="web.0"), replace(BOTH[0], **old), of=slots(**slot), serials=(1,))[2] == why


def test_a_worker_that_was_scaled_away_is_neither_started_nor_restarted() -> None:
    for request in (Start(target="web.7"), Restart(target="web.7")):
        assert seen(request, *BOTH) == ("its slot is gone", False, "web.7 was scaled away")


def test_a_restart_of_a_pool_follows_its_own_rollout_and_no_other() -> None:
    rolling = replace(POOL, rollout=ROLLOUT)
    assert seen(Restart(target="web"), *BOTH, pool=rolling) == ("0 of 2 serve generation 2", False, None)
    other = replace(POOL, rollout=replace(ROLLOUT, operation="op-2"))
    assert seen(Restart(target="web"), *BOTH, pool=other)[2] == "another rollout of web took its place"


def test_a_steered_rollout_is_followed_to_its_end_or_until_it_holds_again() -> None:
    resume, abort = Steer(pool="web", action="resume"), Steer(pool="web", action="abort")
    running = replace(POOL, rollout=ROLLOUT)
    assert seen(resume, *BOTH, pool=running) == ("0 of 2 serve generation 2", False, None)
    holding = replace(POOL, rollout=replace(ROLLOUT, phase=RolloutPhase.HOLDING, why="1 of 2 replaced"))
    assert seen(resume, *BOTH, pool=holding) == ("holding again: 1 of 2 replaced", True, None)
    back = replace(POOL, last_rollout="op-1 aborted: bad", turned_back=True)
    assert seen(resume, *BOTH, pool=back) == ("turned back", False, "op-1 aborted: bad")
    assert seen(abort, *BOTH, pool=running)[1] is False


BACKEND = Backend(name="web.0", address="127.0.0.1:9001", health=Health.UP, in_flight=0)


@pytest.mark.parametrize(
    ("wanted", "backend", "progress", "done"),
    [
        (Rotation.DRAIN, {}, "waiting for the proxy to show drain", False),
        (Rotation.DRAIN, {"rotation": Rotation.DRAIN, "in_flight": 3}, "in drain, 3 in flight", False),
        (Rotation.DRAIN, {"rotation": Rotation.DRAIN, "in_flight": None}, "in drain, unknown in flight", False),
        (Rotation.DRAIN, {"rotation": Rotation.DRAIN}, "web.0 is in drain, nothing in flight", True),
        (Rotation.READY, {}, "web.0 is in rotation", True),
        (Rotation.READY, {"health": Health.UNKNOWN}, "web.0 is in rotation", True),
        (Rotation.READY, {"health": Health.DOWN, "health_reason": "L4CON"},
         "in rotation; the proxy says down (L4CON)", False),
    ],
)  # fmt: skip
def test_a_rotation_is_done_when_the_proxy_shows_it_and_nothing_is_in_flight(
    wanted: Rotation, backend: dict[str, object], progress: str, done: bool
) -> None:
    found = rotated(Rotate(target="web.0", rotation=wanted), replace(BACKEND, **backend))
    assert (found.progress, found.done, found.failed) == (progress, done, None)


def test_a_rotation_of_a_backend_that_is_gone_has_failed() -> None:
    found = rotated(Rotate(target="web.0", rotation=Rotation.MAINT), None)
    assert found.failed == "web.0 is no longer there"
