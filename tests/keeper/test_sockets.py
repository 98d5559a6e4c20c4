"""Sockets that the keeper holds: handed over, outliving engines and keepers; and who may notify."""

import asyncio
import os
import re
import signal
import socket
import stat
import sys

import pytest

from supervisor.model.launch import Notified
from tests.keeper.stage import Stage, until

pytestmark = pytest.mark.real

SERVE = """
import os, socket, sys
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
assert os.environ["LISTEN_FDNAMES"] == "web"
end = socket.socket(fileno=int(sys.argv[1]))
print("ready", flush=True)
while True:
    client, _ = end.accept()
    nodelay = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) if end.family != socket.AF_UNIX else 1
    client.sendall(f"{os.getpid()} {nodelay > 0}".encode())
    client.close()
"""

SAY = """
import os, socket, sys, time
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""


def free_port() -> int:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


def ask(address: str) -> str:
    family = socket.AF_UNIX if "/" in address else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(5)
        host, _, port = address.rpartition(":")
        client.connect(address if "/" in address else (host, int(port)))
        return client.recv(100).decode()


def server(stage: Stage, serial: int) -> dict[str, object]:
    return {"argv": (sys.executable, "-c", SERVE, "{fd}"), "listen": ("web",), "name": f"web.{serial}"}


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_workers_share_a_socket_that_outlives_them_and_the_engine(stage: Stage, kind: str) -> None:
    """Handed over as systemd does, TCP_NODELAY set; a connection made while nobody serves just waits."""
    address = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"{stage.base}/web.sock"
    stage.keeper()
    engine = await stage.engine()
    assert await engine.link.listen("web", address) is None
    first = await engine.spawned(stage.launch(1, "", **server(stage, 1)))
    assert await asyncio.to_thread(ask, address) == f"{first.pid} True"
    os.kill(engine.pid, signal.SIGKILL)
    engine = await stage.engine()
    assert await engine.link.listen("web", address) is None
    engine.link.signal(1, "KILL")
    await engine.exited(1)
    waiting = asyncio.create_task(asyncio.to_thread(ask, address))
    second = await engine.spawned(stage.launch(2, "", **server(stage, 2)))
    assert await waiting == f"{second.pid} True"


@pytest.mark.parametrize("records", ["there", "lost"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_the_next_keeper_gets_the_socket_back_from_the_workers(stage: Stage, kind: str, records: str) -> None:
    """With SIGKILL of the keeper no connection is refused, and new workers serve on the same socket."""
    address = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"{stage.base}/web.sock"
    first_keeper = stage.keeper()
    engine = await stage.engine()
    assert await engine.link.listen("web", address) is None
    first = await engine.spawned(stage.launch(1, "", **server(stage, 1)))
    first_keeper.kill()
    first_keeper.wait()
    if records == "lost":
        (stage.state / "workers.jsonl").unlink()
    assert await asyncio.to_thread(ask, address) == f"{first.pid} True"
    stage.keeper()
    engine = await stage.engine()
    assert await engine.link.listen("web", address) is None
    second = await engine.spawned(stage.launch(2, "", **server(stage, 2)))
    engine.link.signal(1, "KILL")
    await engine.exited(1)
    assert await asyncio.to_thread(ask, address) == f"{second.pid} True"


async def test_an_address_that_cannot_be_had_is_refused_in_words(stage: Stage) -> None:
    """Taken, by whom; nonsense; not ours; and the one held before stays."""
    stage.keeper()
    engine = await stage.engine()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        why = await engine.link.listen("web", f"127.0.0.1:{port}")
        assert why is not None
        expected = rf"address already in use: 127\.0\.0\.1:{port}, held by pid {os.getpid()} \(.*\)"
        assert re.fullmatch(expected, why)
    assert await engine.link.listen("web", "nonsense") == (
        "not an address: nonsense (HOST:PORT, [HOST]:PORT or a path with a slash)"
    )
    assert await engine.link.listen("web", "example.invalid:80") == (
        "not an address: example.invalid:80 (the host must be an IP address or localhost)"
    )
    assert await engine.link.listen("web", "127.0.0.1:99999") == (
        "not an address: 127.0.0.1:99999 (the host must be an IP address or localhost)"
    )
    assert await engine.link.listen("web", "192.0.2.1:80") == "no such address on this machine: 192.0.2.1:80"
    assert await engine.link.listen("web", "/no/where.sock") == "no such file or directory: /no/where.sock"
    assert await engine.link.listen("web", f"127.0.0.1:{port}") is None


async def test_an_ipv6_address_and_a_change_of_address(stage: Stage) -> None:
    """The new one is bound before the old one is let go; `unlisten` frees it."""
    stage.keeper()
    engine = await stage.engine()
    old, new = f"127.0.0.1:{free_port()}", f"[::1]:{free_port()}"
    assert await engine.link.listen("web", old) is None
    assert await engine.link.listen("web", new) is None
    with pytest.raises(ConnectionRefusedError):
        ask(old)
    assert await engine.link.listen("other", new) is not None
    engine.link.unlisten("web")
    assert await engine.link.listen("other", new) is None


async def test_the_api_socket_is_private_and_waits_for_the_engine(stage: Stage) -> None:
    """Mode 0600; a client that connects while the engine is away is served by the next."""
    stage.keeper()
    engine = await stage.engine()
    path = stage.state / "clusterctl.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    os.kill(engine.pid, signal.SIGKILL)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        engine = await stage.engine()
        with socket.socket(fileno=os.dup(engine.api)) as api:
            served, _ = api.accept()
            with served:
                served.sendall(b"hello")
        assert client.recv(10) == b"hello"


async def test_a_worker_and_its_child_may_notify_and_a_stranger_may_not(stage: Stage) -> None:
    """Who says it is known by the kernel's word, and must be of the worker's group or session."""
    stage.keeper()
    engine = await stage.engine()
    own = await engine.spawned(stage.launch(1, SAY, argv=(sys.executable, "-c", SAY, "READY=1")))
    said = await engine.told(Notified)
    assert (said.serial, said.pid, said.fields) == (1, own.pid, {"READY": "1"})
    child = (
        f"import os, time\nif os.fork(): time.sleep(1000)\nos.setpgid(0, 0)\nprint(os.getpid(), flush=True)\n{SAY}"
    )
    await engine.spawned(stage.launch(2, "", argv=(sys.executable, "-c", child, "STATUS=of a child")))
    said = await engine.told(Notified, lambda fact: fact.serial == 2)
    assert [said.pid] == stage.written(2)
    assert said.fields == {"STATUS": "of a child"}
    engine.facts.clear()
    env = {"NOTIFY_SOCKET": f"{stage.state}/notify.sock"}
    stage.stranger([sys.executable, "-c", SAY, "READY=1"], env)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(b"READY=1", f"{stage.state}/notify.sock")
    await engine.spawned(stage.launch(3, "", argv=(sys.executable, "-c", SAY, "STATUS=last")))
    await engine.told(Notified, lambda fact: fact.serial == 3)
    assert [fact.serial for fact in engine.of(Notified)] == [3]


async def test_what_a_worker_says_just_before_its_end_is_heard_first(stage: Stage) -> None:
    """READY and an exit at once: Notified is told before Exited, and after Spawned."""
    stage.keeper()
    engine = await stage.engine()
    last_words = SAY.replace("time.sleep(1000)", "")
    for serial in range(1, 6):
        engine.link.spawn(stage.launch(serial, "", argv=(sys.executable, "-S", "-c", last_words, "READY=1")))
        await engine.exited(serial)
        order = [type(fact).__name__ for fact in engine.facts if getattr(fact, "serial", 0) == serial]
        assert order == ["Spawned", "Notified", "Exited"]


async def test_descriptors_sent_to_the_notify_socket_are_closed_at_once(stage: Stage) -> None:
    """BARRIER=1 (sd_notify_barrier(3)) waits for just that; others are not collected."""
    stage.keeper()
    engine = await stage.engine()
    barrier = """
import os, select, socket
read, write = os.pipe()
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.connect(os.environ["NOTIFY_SOCKET"])
socket.send_fds(end, [b"BARRIER=1"], [write])
os.close(write)
ready = select.select([read], [], [], 5)[0]
print(bool(ready) and os.read(read, 1) == b"", flush=True)
"""
    engine.link.spawn(stage.launch(1, barrier))
    await engine.exited(1)
    assert stage.log(1) == "True\n"


async def test_a_flood_of_notifications_is_bounded_and_starves_nobody(stage: Stage) -> None:
    """Fields without end, oversized and empty datagrams, as fast as one can: other workers are served meanwhile."""
    stage.keeper()
    engine = await stage.engine()
    flood = """
import os, socket
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.connect(os.environ["NOTIFY_SOCKET"])
print("flooding", flush=True)
while True:
    many = "\\n".join(f"X_{n}=y" for n in range(500))
    for text in (many, "STATUS=" + "z" * 20000, "", "=", "novalue", "READY=1"):
        end.send(text.encode())
"""
    await engine.spawned(stage.launch(1, flood))
    await until(lambda: stage.log(1), "the flood")
    for serial in range(2, 12):
        await engine.spawned(stage.sleeper(serial))
    engine.link.signal(1, "KILL")
    await engine.exited(1)
    assert all(len(fact.fields) <= 32 for fact in engine.of(Notified))
    assert not any(len(value) > 8192 for fact in engine.of(Notified) for value in fact.fields.values())
