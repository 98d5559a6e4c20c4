"""One suite for every adapter: the in-memory proxy, and real HAProxies attached and embedded."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from supervisor.model.backends import Backend, Member, Want
from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.model.spec import CheckSpec, ProxySpec
from supervisor.proxies import embedded, embedded_text
from supervisor.proxies.contract import Proxy
from supervisor.proxies.registry import connect
from tests.proxies.rig import BINARIES, Web, attached_config, free_port, running, until

pytestmark = pytest.mark.real

CHECK = CheckSpec(every=0.1)
FLAVOURS = ["memory", *(f"{how}-{which}" for which in BINARIES for how in ("attached", "embedded"))]


@contextlib.asynccontextmanager
async def proxy_of(flavour: str, directory: str) -> AsyncIterator[Proxy]:
    """A proxy with one upstream `app` that has no backends."""
    how, _, which = flavour.partition("-")
    async with contextlib.AsyncExitStack() as stack:
        if how == "memory":
            spec = ProxySpec(name="lb", kind="memory")
            await connect(spec, directory).converge(Want(upstream="app"))
            proxy = connect(spec, directory)
            await proxy.converge(Want(upstream="app"))
        elif how == "attached":
            config = f"{directory}/haproxy.cfg"
            embedded.write_config(config, attached_config(directory, free_port(), ""))
            spec = ProxySpec(name="lb", socket=f"{directory}/admin.sock", check=CHECK)
            await stack.enter_async_context(running((BINARIES[which], "-f", config), f"{directory}/admin.sock"))
            proxy = connect(spec, directory)
        else:
            spec = ProxySpec(name="lb", bind=f"127.0.0.1:{free_port()}", check=CHECK)
            config = embedded_text.render(spec, [Want(upstream="app")], directory)
            await embedded.write_and_check(BINARIES[which], directory, config)
            command = embedded.argv(BINARIES[which], directory)
            await stack.enter_async_context(running(command, embedded_text.stats_socket(directory)))
            proxy = connect(spec, directory)
        yield proxy
        await proxy.close()


@pytest.fixture(params=FLAVOURS)
async def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxy_of(request.param, str(tmp_path)) as made:
        yield made


def want(*members: tuple[str, str, Rotation], remove: tuple[str, ...] = ()) -> Want:
    made = tuple(Member(name=n, address=a, rotation=r) for n, a, r in members)
    return Want(upstream="app", members=made, remove=remove)


async def backends(proxy: Proxy) -> dict[str, Backend]:
    return {b.name: b for b in (await proxy.look("app")).backends}


async def test_an_adapter_keeps_every_sentence_of_the_contract(proxy: Proxy) -> None:
    """Added, read, turned, renamed while taken, removed: each asked twice, and the second changes nothing."""
    async with Web("one") as one, Web("two") as two:
        first = want(("web.0", one.address, Rotation.READY))
        assert await proxy.converge(first) == (f"app/web.0: added ({one.address}, ready)",)
        assert await proxy.converge(first) == ()

        async def up() -> bool:
            return (await backends(proxy))["web.0"].health.value == "up"

        await until(up, "the new backend is up")
        found = (await backends(proxy))["web.0"]
        assert (found.address, found.rotation, found.added) == (one.address, Rotation.READY, True)
        assert (found.in_flight, found.queued, found.requests_total, found.weight) == (0, 0, 0, 1)

        for rotation in (Rotation.DRAIN, Rotation.MAINT, Rotation.READY):
            turned = want(("web.0", one.address, rotation))
            (said,) = await proxy.converge(turned)
            assert said.endswith(f"-> {rotation.value}")
            assert (await backends(proxy))["web.0"].rotation is rotation
            assert await proxy.converge(turned) == ()

        surge = want(("web.0", one.address, Rotation.READY), ("web.0", two.address, Rotation.DRAIN))
        assert await proxy.converge(surge) == (f"app/web.0:2: added ({two.address}, drain)",)
        assert await proxy.converge(surge) == ()
        assert (await backends(proxy))["web.0:2"].rotation is Rotation.DRAIN

        after = want(("web.0", two.address, Rotation.READY), remove=(one.address,))
        said_after = await proxy.converge(after)
        assert f"app/web.0: removed ({one.address})" in said_after
        assert await proxy.converge(after) == ()
        assert [(n, b.address) for n, b in (await backends(proxy)).items()] == [("web.0:2", two.address)]


async def test_one_reading_holds_everything_and_says_when_it_was_made(proxy: Proxy) -> None:
    first = await proxy.observe()
    second = await proxy.observe()
    assert [u.name for u in first.upstreams] == ["app"]
    assert first.asked <= first.answered <= second.asked
    assert first.epoch == second.epoch
    assert first.upstreams == (await proxy.look("app"),)
    assert {"drain", "maint", "add", "remove", "in_flight"} <= set(proxy.capabilities)


async def test_an_unknown_upstream_is_refused_by_name(proxy: Proxy) -> None:
    with pytest.raises(ProxyRefused, match="nope"):
        await proxy.look("nope")


async def test_a_member_that_starts_in_maint_gets_no_traffic_until_it_is_ready(proxy: Proxy) -> None:
    async with Web("one") as one:
        await proxy.converge(want(("web.0", one.address, Rotation.MAINT)))
        assert (await backends(proxy))["web.0"].rotation is Rotation.MAINT
        assert await proxy.converge(want(("web.0", one.address, Rotation.MAINT))) == ()
        assert one.served == 0
