"""What an upstream should hold, of workers that are reached in different ways; and what is tried again."""

import pytest
from msgspec.structs import replace

from supervisor.core.rotation import lingers, want
from supervisor.model.backends import Backend, Member, Upstream, Want
from supervisor.model.phases import Phase, Rotation
from supervisor.model.pools import Pool
from supervisor.model.spec import PoolSpec, TrafficSpec
from supervisor.model.workers import Worker

PORTS = PoolSpec(name="web", command=("web",), ports=(9001, 9099), traffic=TrafficSpec(proxy="lb", upstream="web"))
SHARED = replace(PORTS, ports=None, listen="127.0.0.1:8000")
OTHER = replace(SHARED, listen="127.0.0.1:8001")


def pool(before: PoolSpec, after: PoolSpec) -> Pool:
    """In the middle of a rollout from one specification to another."""
    return Pool(spec=after, desired=1, generation=2, revisions={1: before, 2: after})


def worker(serial: int, generation: int, address: str, phase: Phase) -> Worker:
    return Worker(serial=serial, pool="web", slot=0, generation=generation, address=address, phase=phase)


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        (PORTS, SHARED, "127.0.0.1:9001", "127.0.0.1:8000"),
        (SHARED, PORTS, "127.0.0.1:8000", "127.0.0.1:9001"),
        (SHARED, OTHER, "127.0.0.1:8000", "127.0.0.1:8001"),
        (PORTS, replace(PORTS, ports=(9101, 9199)), "127.0.0.1:9001", "127.0.0.1:9101"),
    ],
)
def test_while_a_pool_changes_how_it_listens_only_addresses_that_serve_get_requests(
    before: PoolSpec, after: PoolSpec, old: str, new: str
) -> None:
    known = Upstream(name="web", backends=(Backend(name="a", address=old), Backend(name="b", address=new)))
    changing = pool(before, after)

    def rotations(*workers: Worker) -> dict[str, Rotation]:
        wanted = want(changing, workers, {}, known)
        assert wanted is not None
        assert not {member.address for member in wanted.members} & set(wanted.remove)
        return {m.address: m.rotation for m in wanted.members} | dict.fromkeys(wanted.remove, Rotation.MAINT)

    first = worker(1, 1, old, Phase.READY)
    assert rotations(first, worker(2, 2, new, Phase.STARTING)) == {old: Rotation.READY, new: Rotation.MAINT}
    assert rotations(first, worker(2, 2, new, Phase.READY)) == {old: Rotation.READY, new: Rotation.READY}
    assert rotations(worker(2, 2, new, Phase.READY)) == {old: Rotation.MAINT, new: Rotation.READY}


@pytest.mark.parametrize("added", [True, False])
def test_only_a_backend_that_we_added_is_tried_to_be_removed_again(added: bool) -> None:
    left = Backend(name="web.0", address="127.0.0.1:9001", rotation=Rotation.MAINT, added=added)
    wanted = Want(upstream="web", members=(Member(address="127.0.0.1:9002", name="web.1"),), remove=(left.address,))
    assert lingers(Upstream(name="web", backends=(left,)), wanted) is added


@pytest.mark.parametrize(("spec", "address"), [(PORTS, "127.0.0.1:9001"), (SHARED, "127.0.0.1:8000")])
@pytest.mark.parametrize(
    ("exposed", "seen", "wanted"),
    [
        (True, Rotation.READY, Rotation.READY),
        (True, Rotation.MAINT, Rotation.MAINT),
        (False, Rotation.READY, Rotation.MAINT),
    ],
)
def test_who_is_asked_anew_whether_it_is_ready_keeps_the_requests_that_it_has(
    exposed: bool, seen: Rotation, wanted: Rotation, spec: PoolSpec, address: str
) -> None:
    """Its engine was killed and its journal lost: nobody who serves goes out of rotation for that."""
    found = replace(worker(1, 1, address, Phase.STARTING), exposed=exposed)
    upstream = Upstream(name="web", backends=(Backend(name="web.0", address=address, rotation=seen),))
    held = want(Pool(spec=spec, desired=1, revisions={1: spec}), [found], {}, upstream)
    assert held is not None
    assert [member.rotation for member in held.members] == [wanted]
