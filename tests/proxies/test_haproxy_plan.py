"""Which steps bring an upstream to what is wanted: tables of before, wanted, steps."""

import pytest

from supervisor.model.backends import Backend, Member, Want
from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.proxies.haproxy_plan import Add, Delete, Move, Turn, coming, leaving

READY, DRAIN, MAINT = Rotation.READY, Rotation.DRAIN, Rotation.MAINT
A, B, C = "127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"


def ours(name: str, address: str, rotation: Rotation = READY, in_flight: int = 0) -> Backend:
    return Backend(name=name, address=address, rotation=rotation, added=True, in_flight=in_flight)


def theirs(name: str, address: str, rotation: Rotation = READY) -> Backend:
    return Backend(name=name, address=address, rotation=rotation)


def want(*members: tuple[str, str, Rotation], remove: tuple[str, ...] = ()) -> Want:
    made = tuple(Member(name=n, address=a, rotation=r) for n, a, r in members)
    return Want(upstream="web", members=made, remove=remove)


LEAVING = {
    "nothing wanted, nothing there": ([], want(), ()),
    "a stranger is left alone": ([theirs("s1", A)], want(), ()),
    "a stranger whose worker is gone goes to maint, and stays": (
        [theirs("s1", A)],
        want(remove=(A,)),
        (Turn("s1", READY, MAINT),),
    ),
    "in a section that another cluster fills only what was ours goes": (
        [ours("theirs", A), ours("web.0", B)],
        Want(upstream="web", remove=(B,), guest=True),
        (Turn("web.0", READY, MAINT), Delete("web.0", B)),
    ),
    "asked again it is so already": ([theirs("s1", A, MAINT)], want(remove=(A,)), ()),
    "ours that nobody wants goes to maint and out": (
        [ours("web.0", A)],
        want(),
        (Turn("web.0", READY, MAINT), Delete("web.0", A)),
    ),
    "a tombstone is tried again": ([ours("web.0", A, MAINT)], want(), (Delete("web.0", A),)),
    "what is wanted stays, whatever `remove` says": (
        [ours("web.0", A)],
        want(("web.0", A, READY), remove=(A,)),
        (),
    ),
}

COMING = {
    "a new member is added under its own name": ([], want(("web.0", A, READY)), (Add("web.0", A, READY),)),
    "a member that is there as wanted needs nothing": ([theirs("s1", A)], want(("web.0", A, READY)), ()),
    "the address is the identity: their name, our rotation": (
        [theirs("s1", A)],
        want(("web.0", A, DRAIN)),
        (Turn("s1", READY, DRAIN),),
    ),
    "what another lists is turned, and not added where it is gone": (
        [theirs("s1", A)],
        Want(
            upstream="web",
            members=tuple(Member(name=a, address=a, rotation=DRAIN, listed=True) for a in (A, B)),
            guest=True,
        ),
        (Turn("s1", READY, DRAIN),),
    ),
    "ready is put back after a restart forgot a drain": (
        [ours("web.0", A, MAINT)],
        want(("web.0", A, READY)),
        (Turn("web.0", MAINT, READY, checked=True),),
    ),
    "with surge the name is taken, and the second gets a number": (
        [ours("web.0", A)],
        want(("web.0", A, READY), ("web.0", B, READY)),
        (Add("web.0:2", B, READY),),
    ),
    "two new ones of one name": (
        [],
        want(("web.0", A, READY), ("web.0", B, DRAIN)),
        (Add("web.0", A, READY), Add("web.0:2", B, DRAIN)),
    ),
    "a stranger's name is not taken from it": (
        [theirs("web.0", C)],
        want(("web.0", A, READY)),
        (Add("web.0:2", A, READY),),
    ),
    "a tombstone's place is taken": (
        [ours("web.0", A, MAINT)],
        want(("web.0", B, READY)),
        (Move("web.0", B, READY),),
    ),
    "but not while requests are in flight there": (
        [ours("web.0", A, MAINT, in_flight=1)],
        want(("web.0", B, READY)),
        (Add("web.0:2", B, READY),),
    ),
    "nor when it is no tombstone": (
        [ours("web.0", A, MAINT)],
        want(("web.0", A, MAINT), ("web.0", B, READY)),
        (Add("web.0:2", B, READY),),
    ),
}


@pytest.mark.parametrize("case", LEAVING)
def test_what_leaves(case: str) -> None:
    current, wanted, steps = LEAVING[case]
    assert leaving(current, wanted) == steps


@pytest.mark.parametrize("case", COMING)
def test_what_comes(case: str) -> None:
    current, wanted, steps = COMING[case]
    assert coming(current, wanted) == steps


@pytest.mark.parametrize(
    ("name", "address"), [("web 0", A), ("web.0;x", A), ("web.0", "localhost:80"), ("x" * 201, A)]
)
def test_a_member_that_cannot_be_written_is_refused(name: str, address: str) -> None:
    with pytest.raises(ProxyRefused, match="not sent to HAProxy"):
        coming([], want((name, address, READY)))
