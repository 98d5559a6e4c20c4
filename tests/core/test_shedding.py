"""Who leaves when a pool is scaled down while the workers that stay do not serve."""

import pytest

from supervisor.core.reconcile import Picture, reconcile
from supervisor.model.deeds import Dismiss
from supervisor.model.phases import Phase
from supervisor.model.pools import Pool, Rollout, RolloutPhase
from supervisor.model.spec import PoolSpec, RolloutSpec
from supervisor.model.workers import Slot, Worker


def picture(generation: int, aborting: bool = False, unavailable: int = 0, stopped: bool = False) -> Picture:
    """One worker wanted; `web.0` has none that serves, `web.1` and `web.2` serve."""
    phase = RolloutPhase.ABORTING if aborting else RolloutPhase.RUNNING
    rollout = Rollout(
        operation="op-1", from_generation=1, to_generation=2, started=0.0, started_wall=0.0, phase=phase
    )
    spec = PoolSpec(name="web", command=("web",), rollout=RolloutSpec(unavailable=unavailable))
    pool = Pool(spec=spec, desired=1, generation=2, revisions={1: spec, 2: spec}, rollout=rollout)
    slots = {n: Slot(pool="web", number=n, generation=generation, stopped=stopped and n == 0) for n in range(3)}
    workers = [
        Worker(serial=n, pool="web", slot=n, generation=generation, address=None, phase=phase_of(n), pid=n)
        for n in range(3)
        if not (stopped and n == 0)
    ]
    return Picture(pool, slots, workers, {}, 100.0)


def phase_of(number: int) -> Phase:
    return Phase.READY if number else Phase.STARTING


@pytest.mark.parametrize(
    ("seen", "leaving"),
    [
        (picture(1), [2]),
        (picture(1, unavailable=1), [1, 2]),
        (picture(1, stopped=True), [1, 2]),
        (picture(2, aborting=True), [1, 2]),
    ],
    ids=["one carries on", "it may be missing", "nobody is to serve", "never one of a version that is turned back"],
)
def test_one_that_serves_stays_in_the_place_of_a_wanted_one_that_does_not(
    seen: Picture, leaving: list[int]
) -> None:
    deeds = reconcile(seen).deeds
    assert sorted(deed.serial for deed in deeds if isinstance(deed, Dismiss) and deed.serial) == leaving


@pytest.mark.parametrize(("exposed", "deed"), [(True, "Spawn"), (False, "Dismiss")])
def test_one_of_an_old_version_that_is_asked_anew_has_a_successor_before_it_goes(exposed: bool, deed: str) -> None:
    """Its engine was killed and its journal lost: it may well serve, though it is not known to be ready."""
    spec = PoolSpec(name="web", command=("web",))
    pool = Pool(spec=spec, desired=1, generation=2, complete=2, revisions={2: spec})
    old = Worker(
        serial=1, pool="web", slot=0, generation=1, address=None, phase=Phase.STARTING, pid=1, exposed=exposed
    )
    slots = {0: Slot(pool="web", number=0, generation=2)}
    assert [type(one).__name__ for one in reconcile(Picture(pool, slots, [old], {}, 100.0)).deeds] == [deed]
