"""The adapter on real HAProxies that somebody else runs: drains, tombstones, rights, and every way to be away."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from supervisor.model.backends import Backend, Member, Want
from supervisor.model.errors import ProxyRefused, ProxyUnreachable
from supervisor.model.phases import Health, Rotation
from supervisor.model.spec import CheckSpec, ProxySpec
from supervisor.proxies.haproxy import HAProxy
from tests.proxies.rig import BINARIES, Client, Web, attached_config, backend_pid, free_port, running, until

pytestmark = pytest.mark.real


class Rig(NamedTuple):
    directory: str
    front: int
    one: Web
    two: Web
    process: asyncio.subprocess.Process
    proxy: HAProxy
    command: tuple[str, ...]


@pytest.fixture(params=list(BINARIES))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """HAProxy with two static servers, s1 and s2, both up."""
    directory, front = str(tmp_path), free_port()
    async with Web("one") as one, Web("two") as two:
        servers = "".join(
            f"  server s{n} {web.address} check inter 100ms fall 2 rise 1 cookie s{n}\n"
            for n, web in enumerate((one, two), 1)
        )
        # Without reuse a client's session owns its connection to the server: what makes `del server` of 2.8 stick.
        backend_lines = "  cookie SRV insert indirect nocache\n  http-reuse never"
        config = attached_config(directory, front, servers, backend=backend_lines)
        (tmp_path / "haproxy.cfg").write_text(config)
        command = (BINARIES[request.param], "-f", f"{directory}/haproxy.cfg")
        async with running(command, f"{directory}/admin.sock") as process:
            spec = ProxySpec(name="lb", socket=f"{directory}/admin.sock", timeout=0.5, check=CheckSpec(every=0.1))
            made = Rig(directory, front, one, two, process, HAProxy(spec, directory), command)
            await until(lambda: is_up(made, "s1"), "s1 is up")
            await until(lambda: is_up(made, "s2"), "s2 is up")
            yield made


async def backend(rig: Rig, name: str) -> Backend:
    return next(b for b in (await rig.proxy.look("app")).backends if b.name == name)


async def is_up(rig: Rig, name: str) -> bool:
    return (await backend(rig, name)).health is Health.UP


async def slow_request(rig: Rig, client: Client) -> tuple[asyncio.Task[tuple[int, str]], str, Web]:
    """One that is answered when its web server is released, and who has it: the server's name, and itself."""
    slow = asyncio.create_task(client.get("/slow"))

    async def begun() -> bool:
        return rig.one.slow + rig.two.slow == 1

    await until(begun, "the slow request arrived")
    return slow, *(("s1", rig.one) if rig.one.slow else ("s2", rig.two))


def want(*members: tuple[str, Web, Rotation], remove: tuple[str, ...] = ()) -> Want:
    made = tuple(Member(name=n, address=w.address, rotation=r) for n, w, r in members)
    return Want(upstream="app", members=made, remove=remove)


async def test_a_drained_backend_counts_what_is_in_flight_down_to_zero_and_nothing_fails(rig: Rig) -> None:
    client = Client(rig.front)
    slow, name, busy = await slow_request(rig, client)
    other = rig.two if busy is rig.one else rig.one
    await rig.proxy.converge(want((name, busy, Rotation.MAINT)))
    found = await backend(rig, name)
    assert (found.rotation, found.in_flight, found.sticky) == (Rotation.MAINT, 1, True)
    for _ in range(4):
        fresh = Client(rig.front)
        assert (await fresh.get())[1] == other.name, "new requests go elsewhere, cookies or not"
        await fresh.close()
    busy.release.set()
    assert (await slow) == (200, busy.name)

    async def idle() -> bool:
        return (await backend(rig, name)).in_flight == 0

    await until(idle, "nothing is in flight")
    assert (await client.get())[1] == other.name, "its cookie is for the one in maint"
    await client.close()
    await rig.proxy.converge(want((name, busy, Rotation.READY)))
    await until(lambda: is_up(rig, name), "a check of its own called it up")


async def test_a_server_that_is_not_ours_is_never_deleted(rig: Rig) -> None:
    wanted = want(("web.1", rig.two, Rotation.READY), remove=(rig.one.address,))
    assert await rig.proxy.converge(wanted) == ("app/s1: rotation ready -> maint",)
    assert await rig.proxy.converge(wanted) == ()
    assert (await backend(rig, "s1")).rotation is Rotation.MAINT
    assert (await backend(rig, "s2")).added is False


async def test_what_we_added_is_known_as_ours_by_an_adapter_that_comes_later(rig: Rig) -> None:
    async with Web("three") as three:
        await rig.proxy.converge(want(("web.0", three, Rotation.READY)))
        later = HAProxy(rig.proxy.spec, rig.directory)
        assert [b.name for b in (await later.observe()).upstreams[0].backends if b.added] == ["web.0"]
        assert await later.converge(want()) == (
            "app/web.0: rotation ready -> maint",
            f"app/web.0: removed ({three.address})",
        )


async def test_a_server_that_several_workers_share_is_added_and_serves(rig: Rig) -> None:
    """With words of its own, which every version must take."""
    async with Web("three") as three:
        shared = Member(name="web", address=three.address, rotation=Rotation.READY, shared=True)
        out = want(("s1", rig.one, Rotation.MAINT), ("s2", rig.two, Rotation.MAINT))
        await rig.proxy.converge(Want(upstream="app", members=(*out.members, shared)))
        await until(lambda: is_up(rig, "web"), "it is up")
        client = Client(rig.front)
        assert await client.get() == (200, "three")
        await client.close()


async def test_a_server_held_by_a_clients_connection_is_a_tombstone_whose_place_is_taken(rig: Rig) -> None:
    """2.8 refuses to delete while a client's session owns a connection to it; later ones delete at once."""
    async with Web("three") as three, Web("four") as four:
        out = ("s1", rig.one, Rotation.MAINT), ("s2", rig.two, Rotation.MAINT)
        await rig.proxy.converge(want(*out, ("web.0", three, Rotation.READY)))
        client = Client(rig.front)
        assert await client.get() == (200, "three")

        said = await rig.proxy.converge(want(*out))
        lingers = not any("removed" in sentence for sentence in said)
        version = (await rig.proxy.observe()).version
        assert lingers or not version.startswith("2.8."), version
        if lingers:
            assert (await backend(rig, "web.0")).rotation is Rotation.MAINT
            assert await rig.proxy.converge(want(*out)) == (), "tried again, in silence"
        said = await rig.proxy.converge(want(*out, ("web.0", four, Rotation.READY)))
        kind = f"given to {four.address} (ready)" if lingers else f"added ({four.address}, ready)"
        assert said == (f"app/web.0: {kind}",)
        await until(lambda: is_up(rig, "web.0"), "the new worker under the old name is up")
        status, served_by = await client.get()
        # 2.6 deletes under the session, which may then use its old connection for the server that has the memory.
        assert status == 200
        assert served_by == "four" or not lingers
        await client.close()

        async def gone() -> bool:
            await rig.proxy.converge(want(*out))
            return all(b.name != "web.0" for b in (await rig.proxy.look("app")).backends)

        await until(gone, "with the client gone the server can be deleted")


async def test_drain_hidden_behind_a_failed_check_is_still_seen(rig: Rig) -> None:
    rig.one.status = 503
    await rig.proxy.converge(want(("s1", rig.one, Rotation.DRAIN)))

    async def down() -> bool:
        return (await backend(rig, "s1")).health is Health.DOWN

    await until(down, "the failed check is seen")
    found = await backend(rig, "s1")
    assert (found.rotation, found.health_reason) == (Rotation.DRAIN, "L7STS 503 Whatever")


async def test_requests_are_counted_as_they_were_sent(rig: Rig) -> None:
    client = Client(rig.front)
    for _ in range(25):
        assert (await client.get())[0] == 200
    await client.close()
    found = {b.name: b for b in (await rig.proxy.look("app")).backends}
    assert sum(b.requests_total or 0 for b in found.values()) == 25
    assert sum(b.errors_total or 0 for b in found.values()) == 0


@pytest.mark.parametrize("level", ["operator", "user"])
async def test_a_socket_with_fewer_rights_is_watched_and_says_why_it_is_not_operated(rig: Rig, level: str) -> None:
    spec = ProxySpec(name="lb", socket=f"{rig.directory}/{level}.sock")
    proxy = HAProxy(spec, rig.directory)
    seen = await proxy.observe()
    assert [b.address for b in seen.upstreams[0].backends] == [rig.one.address, rig.two.address]
    assert proxy.capabilities == ("in_flight",)
    assert seen.limited == f"its socket has level {level}; changes need `level admin`"
    with pytest.raises(ProxyRefused, match="level admin"):
        await proxy.converge(want(("s1", rig.one, Rotation.MAINT)))


def thread_state(pid: int, task: str) -> str:
    return Path(f"/proc/{pid}/task/{task}/stat").read_text().rpartition(") ")[2][0]


async def stop(pid: int) -> None:
    """SIGSTOP, and wait until every thread has stopped."""
    os.kill(pid, signal.SIGSTOP)

    async def stopped() -> bool:
        return all(thread_state(pid, task) == "T" for task in os.listdir(f"/proc/{pid}/task"))

    await until(stopped, f"{pid} is stopped")


async def test_a_stopped_haproxy_is_unreachable_in_time_and_comes_back_by_itself(rig: Rig) -> None:
    await rig.proxy.observe()
    await stop(rig.process.pid)
    try:
        with pytest.raises(ProxyUnreachable, match=f"process {rig.process.pid} is stopped"):
            async with asyncio.timeout(2.0):
                await rig.proxy.observe()
    finally:
        os.kill(rig.process.pid, signal.SIGCONT)
    assert (await rig.proxy.observe()).upstreams[0].name == "app"


def fill(path: str, taken: list[socket.socket]) -> None:
    """Open connections until the kernel's queue for the socket is full."""
    for _ in range(256):
        sock = socket.socket(socket.AF_UNIX)
        taken.append(sock)
        sock.setblocking(False)
        try:
            sock.connect(path)
        except BlockingIOError:
            return
    raise AssertionError("the queue never filled")


async def test_a_haproxy_whose_connections_are_all_taken_is_called_busy(rig: Rig) -> None:
    # It serves ten at a time, however long they say nothing; as many more wait in the kernel's queue.
    taken: list[socket.socket] = []

    async def full() -> bool:
        fill(f"{rig.directory}/admin.sock", taken)
        try:
            await rig.proxy.observe()
        except ProxyUnreachable as error:
            return "busy: all connections" in str(error)
        return False

    try:
        await until(full, "it is called busy")
    finally:
        for sock in taken:
            sock.close()

    async def answers() -> bool:
        try:
            await rig.proxy.observe()
        except ProxyUnreachable:
            return False
        return True

    await until(answers, "it answers again")


async def test_ten_idle_connections_are_a_silence_with_an_end(rig: Rig) -> None:
    taken = [socket.socket(socket.AF_UNIX) for _ in range(12)]
    try:
        for sock in taken:
            sock.connect(f"{rig.directory}/admin.sock")
        with pytest.raises(ProxyUnreachable, match="too busy to answer"):
            await rig.proxy.observe()
    finally:
        for sock in taken:
            sock.close()
    assert (await rig.proxy.observe()).upstreams[0].name == "app"


async def test_a_killed_haproxy_is_refused_and_its_successor_has_another_epoch(rig: Rig) -> None:
    before = await rig.proxy.observe()
    rig.process.kill()
    await rig.process.wait()
    with pytest.raises(ProxyUnreachable, match="nobody listens"):
        await rig.proxy.observe()
    async with running(rig.command, f"{rig.directory}/admin.sock"):
        assert (await rig.proxy.observe()).epoch != before.epoch
    os.unlink(f"{rig.directory}/admin.sock")
    with pytest.raises(ProxyUnreachable, match="no socket at"):
        await rig.proxy.observe()


async def test_after_a_reload_the_old_processs_requests_still_count_as_in_flight(rig: Rig) -> None:
    client = Client(rig.front)
    await rig.proxy.observe()
    slow, name, busy = await slow_request(rig, client)
    soft = (*rig.command, "-sf", str(rig.process.pid))
    async with running(soft, f"{rig.directory}/admin.sock"):

        async def taken_over() -> bool:
            return (await rig.proxy.observe()).epoch.split(":")[0] != str(rig.process.pid)

        await until(taken_over, "the new process answers")
        await rig.proxy.converge(want((name, busy, Rotation.MAINT)))

        await until_alone(rig, name)
        begun_since = HAProxy(rig.proxy.spec, rig.directory)
        flights = {b.name: b.in_flight for b in (await begun_since.observe()).upstreams[0].backends}
        assert flights[name] == 1, "an engine that began after the reload sees it too"
        busy.release.set()
        assert (await slow)[0] == 200

        async def idle() -> bool:
            return (await backend(rig, name)).in_flight == 0

        await until(idle, "the old process has nothing open any more")
        await client.close()


async def until_alone(rig: Rig, name: str) -> None:
    """The slow request alone is in flight: what the old process keeps idle counts too, until it closes it."""

    async def alone() -> bool:
        count = (await backend(rig, name)).in_flight
        assert count, "it is never told to be over before it is"
        return count == 1

    await until(alone, "the slow request alone is in flight")


async def test_what_an_old_process_carries_is_counted_whoever_started_the_new_one(rig: Rig) -> None:
    """`haproxy -sf` from a shell of its own: the two processes have no parent in common."""
    client = Client(rig.front)
    slow, name, busy = await slow_request(rig, client)
    await rig.proxy.observe()
    words = " ".join((*rig.command, "-sf", str(rig.process.pid)))
    # The word after it keeps the shell from becoming the HAProxy, which would then be our child as the old one is.
    async with running(("sh", "-c", f"{words}; :"), f"{rig.directory}/admin.sock"):

        async def new() -> bool:
            return await backend_pid(f"{rig.directory}/admin.sock") != rig.process.pid

        await until(new, "the new process answers")
        await rig.proxy.converge(want((name, busy, Rotation.MAINT)))
        await until_alone(rig, name)
        busy.release.set()
        assert (await slow) == (200, busy.name)
        await client.close()

        async def idle() -> bool:
            return (await backend(rig, name)).in_flight == 0

        await until(idle, "nothing is in flight")
