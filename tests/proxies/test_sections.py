"""The adapter on sections as others write them: of a frontend's name, in TCP mode, tracking, weighed down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from supervisor.core.rotation import View, differs, serves
from supervisor.model.backends import Backend, Member, Want
from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.spec import CheckSpec, PoolSpec, ProxySpec, TrafficSpec
from supervisor.model.workers import Worker
from supervisor.proxies.haproxy import HAProxy
from tests.proxies.rig import BINARIES, Client, Web, free_port, running, until

pytestmark = [pytest.mark.real, pytest.mark.parametrize("release", list(BINARIES))]

HEAD = """
global
  stats socket {directory}/admin.sock mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 20s
  timeout server 20s
  default-server inter 100ms fall 2 rise 1
"""


@contextlib.asynccontextmanager
async def attached(release: str, directory: Path, sections: str) -> AsyncIterator[HAProxy]:
    (directory / "haproxy.cfg").write_text(HEAD.format(directory=directory) + sections)
    socket = f"{directory}/admin.sock"
    async with running((BINARIES[release], "-f", f"{directory}/haproxy.cfg"), socket):
        yield HAProxy(ProxySpec(name="lb", socket=socket, check=CheckSpec(every=0.1)), str(directory))


async def backend(proxy: HAProxy, name: str, upstream: str = "app") -> Backend:
    return next(b for b in (await proxy.look(upstream)).backends if b.name == name)


def one(web: Web, rotation: Rotation = Rotation.READY) -> Want:
    return Want(upstream="app", members=(Member(name="web.0", address=web.address, rotation=rotation),))


async def health_is(proxy: HAProxy, name: str, wanted: Health, upstream: str = "app") -> None:
    async def so() -> bool:
        return (await backend(proxy, name, upstream)).health is wanted

    await until(so, f"{name} is {wanted}")


async def test_a_section_with_the_name_of_a_frontend_is_read_and_filled(release: str, tmp_path: Path) -> None:
    front = free_port()
    sections = f"frontend app\n  bind 127.0.0.1:{front}\n  default_backend app\nbackend app\n  balance roundrobin\n"
    async with Web("one") as web, attached(release, tmp_path, sections) as proxy:
        assert (await proxy.look("app")).backends == ()
        assert await proxy.converge(one(web)) == (f"app/web.0: added ({web.address}, ready)",)
        await health_is(proxy, "web.0", Health.UP)
        client = Client(front)
        assert await client.get() == (200, "one")
        await client.close()
        with pytest.raises(ProxyRefused, match="no backend section 'nowhere'"):
            await proxy.look("nowhere")


async def test_in_tcp_mode_a_server_is_added_with_its_checks_and_no_time_is_made_up(
    release: str, tmp_path: Path
) -> None:
    front = free_port()
    async with (
        Web("one") as web,
        attached(release, tmp_path, f"listen app\n  mode tcp\n  bind 127.0.0.1:{front}\n") as proxy,
    ):
        assert await proxy.converge(one(web)) == (f"app/web.0: added ({web.address}, ready)",)
        await health_is(proxy, "web.0", Health.UP)
        client = Client(front)
        assert await client.get() == (200, "one")
        found = await backend(proxy, "web.0")
        assert (found.requests_total, found.response_ms) == (1, None)
        await client.close()


async def test_a_server_whose_adding_was_cut_short_is_checked_all_the_same(release: str, tmp_path: Path) -> None:
    class Dying(HAProxy):
        async def _ask(self, line: str) -> str:
            if line.startswith("enable health"):
                raise asyncio.CancelledError
            return await super()._ask(line)

    async with Web("one") as web, attached(release, tmp_path, "backend app\n  balance roundrobin\n") as proxy:
        with pytest.raises(asyncio.CancelledError):
            await Dying(proxy.spec, str(tmp_path)).converge(one(web))
        assert (await backend(proxy, "web.0")).rotation is Rotation.MAINT
        await proxy.converge(one(web))
        await health_is(proxy, "web.0", Health.UP)


async def test_a_server_that_tracks_another_is_as_up_as_that_one(release: str, tmp_path: Path) -> None:
    async with Web("one") as web:
        sections = (
            f"backend checks\n  option httpchk GET /healthz\n  server s {web.address} check\n"
            f"backend app\n  server s {web.address} track checks/s\n"
        )
        async with attached(release, tmp_path, sections) as proxy:
            await health_is(proxy, "s", Health.UP)
            assert (await backend(proxy, "s")).health_reason == "as the server that it tracks"
            web.status = 503
            await health_is(proxy, "s", Health.DOWN)


async def test_who_gets_no_requests_does_not_serve(release: str, tmp_path: Path) -> None:
    """Weighed down to nothing, or told by its own check to finish: HAProxy calls both of them up."""
    async with Web("one") as web:
        sections = (
            "backend app\n  option httpchk GET /healthz\n  http-check disable-on-404\n"
            f"  server s {web.address} check\nbackend light\n  server s {web.address} check weight 0\n"
        )
        async with attached(release, tmp_path, sections) as proxy:
            await health_is(proxy, "s", Health.UP)
            assert serving(web, await backend(proxy, "s"))
            web.status = 404
            await health_is(proxy, "s", Health.DOWN)
            found = await backend(proxy, "s")
            assert found.health_reason == "NOLB, no new requests: L7OKC 404"
            assert not serving(web, found)
            await health_is(proxy, "s", Health.UP, "light")
            assert not serving(web, await backend(proxy, "s", "light"))


def serving(web: Web, found: Backend) -> bool:
    worker = Worker(
        serial=1, pool="web", slot=0, generation=1, address=web.address, phase=Phase.READY, since=1.0, asked=0.0
    )
    spec = PoolSpec(name="web", command=("x",), ports=(9001, 9009), traffic=TrafficSpec(proxy="lb", upstream="app"))
    return serves(worker, spec, View(fresh=True, backend=found, read=2.0))


async def test_a_server_that_is_held_in_maint_by_what_it_tracks_is_not_told_again_and_again(
    release: str, tmp_path: Path
) -> None:
    async with Web("one") as web, Web("other") as other:
        sections = (
            f"backend checks\n  server s {other.address} check\n"
            f"backend app\n  server s {web.address} track checks/s\n"
        )
        async with attached(release, tmp_path, sections) as proxy:
            out = Want(
                upstream="checks", members=(Member(name="s", address=other.address, rotation=Rotation.MAINT),)
            )
            await proxy.converge(out)
            found = await backend(proxy, "s")
            assert (found.rotation, found.health_reason) == (Rotation.MAINT, "not checked in maint (via checks/s)")
            assert await proxy.converge(one(web)) == ()
            assert not differs(await proxy.look("app"), one(web))
            assert await proxy.converge(one(web, Rotation.MAINT)) == (), "it is out, as it should be"
