"""What the in-memory proxy can be told to show, beyond the contract."""

import pytest

from supervisor.model.backends import Backend, Member, Upstream, Want
from supervisor.model.errors import ProxyRefused, ProxyUnreachable
from supervisor.model.phases import Health, Rotation
from supervisor.proxies.memory import MemoryProxy

A = "127.0.0.1:9001"


async def test_health_and_figures_can_be_set_and_are_observed() -> None:
    proxy = MemoryProxy("m")
    await proxy.converge(Want(upstream="web", members=(Member(name="web.0", address=A),)))
    proxy.show("web", A, health=Health.DOWN, in_flight=3, requests_total=7)
    (backend,) = (await proxy.look("web")).backends
    assert (backend.health, backend.in_flight, backend.requests_total) == (Health.DOWN, 3, 7)
    with pytest.raises(ProxyRefused, match="no upstream"):
        proxy.show("nope", A, in_flight=0)


async def test_a_fault_is_raised_by_every_question_until_it_is_taken_away() -> None:
    proxy = MemoryProxy("m")
    proxy.fault = ProxyUnreachable("gone")
    for question in (proxy.observe(), proxy.look("web"), proxy.converge(Want(upstream="web"))):
        with pytest.raises(ProxyUnreachable, match="gone"):
            await question
    proxy.fault = None
    assert (await proxy.observe()).upstreams == ()


async def test_a_restart_forgets_what_was_added_and_every_rotation() -> None:
    static = Backend(name="s1", address=A, rotation=Rotation.MAINT, requests_total=9)
    proxy = MemoryProxy("m", (Upstream(name="web", backends=(static,)),))
    await proxy.converge(Want(upstream="web", members=(Member(name="web.0", address="127.0.0.1:9002"),)))
    before = await proxy.observe()
    proxy.restart()
    after = await proxy.observe()
    assert before.epoch != after.epoch
    (left,) = after.upstreams[0].backends
    assert (left.name, left.rotation, left.requests_total) == ("s1", Rotation.READY, 0)


async def test_a_stranger_whose_worker_is_gone_stays_in_maint() -> None:
    proxy = MemoryProxy("m", (Upstream(name="web", backends=(Backend(name="s1", address=A),)),))
    gone = Want(upstream="web", remove=(A,))
    assert await proxy.converge(gone) == ("web/s1: rotation ready -> maint",)
    assert await proxy.converge(gone) == ()
