"""The engine is killed at each of its steps, before and after every deed: the end is always what was wanted."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.proxies.embedded_text import frame
from tests.engine.mortal import (
    OF_A_PROXY,
    OF_A_RELOAD,
    OF_A_SOCKET,
    OF_A_START,
    OF_AN_END,
    OF_AN_UPGRADE,
    Mortal,
    both_sides,
)
from tests.whole.cluster import Json, alive, port_block, processes_with, until, unused

pytestmark = pytest.mark.real

MOST_STEPS = 200

SERVER = """
import os, socket
end = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), reuse_port=False)
while True:
    asked, _ = end.accept()
    asked.recv(4096)
    asked.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    asked.close()
"""


class Proxied(Mortal):
    """Behind an embedded HAProxy."""

    def __init__(self) -> None:
        super().__init__()
        self.first = port_block(12)
        self.describe("roundrobin")

    def describe(self, balance: str, more: str = "") -> None:
        self.configure(
            f"""
            [pools.web]
            command = ["{sys.executable}", "-S", "-E", "-c", '''{SERVER}''']
            workers = 2
            ports = "{self.first}-{self.first + 9}"
            ready = {{ http = "/", timeout = "5s", every = "50ms" }}
            stop = {{ timeout = "5s" }}
            rollout = {{ watch = "0s" }}
            [pools.web.traffic]
            proxy = "lb"
            upstream = "app"
            [proxies.lb]
            bind = "127.0.0.1:{self.first + 10}"
            balance = "{balance}"
            every = "200ms"
            check = {{ http = "/", every = "200ms" }}
            {more}
            """
        )

    def reload(self) -> None:
        self.ask("POST", "/v1/reload", {"yes": True})

    def settled(self, where: str, wanted: int) -> None:
        """The proxy holds exactly the workers, all in rotation, and each worker runs once."""
        self.at_rest()
        rows = self.workers()
        assert len(rows) == wanted

        def holds(_: Json) -> bool:
            held = self.backends()
            return held.keys() == {row["address"] for row in rows} and all(
                (one["rotation"], one["health"]) == ("ready", "up") for one in held.values()
            )

        self.until(holds, f"the proxy holds them; died {where}")
        running = {pid for pid, words in self.processes().items() if "create_server" in words}
        assert running == {row["pid"] for row in rows}, f"died {where}\n{self.story()}"

    def each(self, steps: tuple[str, ...], act: Callable[[], None], check: Callable[[str], None]) -> None:
        """`act`, with an engine that dies before and after each of these steps."""
        for step in both_sides(*steps):
            self.die_at(step)
            act()
            self.at_rest()
            self.must_die_at(step)
            check(step)


@pytest.fixture
def proxied() -> Iterator[Proxied]:
    cluster = Proxied()
    try:
        cluster.up()
        cluster.settled("", 2)
        yield cluster
    finally:
        cluster.close()


def test_a_proxy_is_brought_where_it_should_be_over_a_kill_at_its_steps(proxied: Proxied) -> None:
    """A worker more, one less, and so on: commands to HAProxy, files of its."""
    wanted = 2

    def scale() -> None:
        nonlocal wanted
        wanted = 5 - wanted
        proxied.ask("PATCH", "/v1/pools/web", {"desired": wanted})

    proxied.each(OF_A_PROXY, scale, lambda where: proxied.settled(where, wanted))


def test_a_reload_is_carried_through_over_a_kill_at_its_steps(proxied: Proxied) -> None:
    """Another frame for HAProxy: when the operation has ended, the running process has what the file says."""
    balance, place = "roundrobin", proxied.state / "proxies" / "lb"

    def reload() -> None:
        nonlocal balance
        balance = "leastconn" if balance == "roundrobin" else "roundrobin"
        proxied.describe(balance)
        proxied.reload()

    def in_force(where: str) -> None:
        config = (place / "haproxy.cfg").read_text()
        assert f"balance {balance}" in config, f"died {where}"
        assert frame_of(place) == frame(config), f"died {where}"
        proxied.settled(where, 2)

    proxied.each(OF_A_RELOAD, reload, in_force)


@pytest.mark.parametrize("step", both_sides(*OF_A_SOCKET))
def test_a_shared_socket_comes_and_goes_over_a_kill(proxied: Proxied, step: str) -> None:
    """Of a pool that is new in the configuration, and then no longer in it."""
    address = f"127.0.0.1:{proxied.first + 11}"
    proxied.die_at(step)
    proxied.describe("roundrobin", f'[pools.x]\ncommand = ["sleep", "1000"]\nworkers = 1\nlisten = "{address}"')
    proxied.reload()
    proxied.at_rest()
    until(lambda: not unused(proxied.first + 11), f"it listens; {step}")
    proxied.describe("roundrobin")
    proxied.reload()
    until(lambda: unused(proxied.first + 11), f"nobody listens; {step}")
    proxied.must_die_at(step)
    proxied.settled(step, 2)


def frame_of(place: Path) -> str:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(5)
        asked.connect(str(place / "haproxy.sock"))
        asked.sendall(b"show info\n")
        answer = b""
        while piece := asked.recv(65536):
            answer += piece
    return answer.partition(b"description: ")[2].split(b"\n")[0].decode()


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    first = port_block(10)
    cluster = Mortal(
        f"""
        [pools.web]
        command = ["sleep", "1000"]
        workers = 2
        ports = "{first}-{first + 9}"
        ready = {{ timeout = "5s" }}
        rollout = {{ watch = "0s" }}
        restart = {{ backoff = "10ms", backoff_max = "10ms", give_up = "1000 in 60s" }}
        """
    )
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.close()


def enumerated(cluster: Mortal, act: Callable[[], None], check: Callable[[str], None], surely: list[str]) -> None:
    """`act` with an engine that dies at its first step, at its second, and so on until it gets by alive; and at
    those that `surely` names, which may have had other numbers each time, as samples and threads have steps too.
    """
    died: set[str] = set()
    for step in range(1, MOST_STEPS):
        where = killed_at(cluster, step, act, check)
        if not where:
            break
        died.add(where)
    else:
        raise AssertionError("it never gets by alive")
    for missed in (one for one in surely if one not in died):
        killed_at(cluster, missed, act, check)


def killed_at(cluster: Mortal, step: int | str, act: Callable[[], None], check: Callable[[str], None]) -> str:
    """The step at which the engine died over `act`; empty where it did not."""
    cluster.forget_death()
    cluster.die_at(step)
    act()
    if isinstance(step, str):
        cluster.must_die_at(step)
    elif not cluster.died_at():
        time.sleep(0.3)  # the last steps come after all that shows: an ack, for one
    workers = [row for pool in cluster.at_rest()["pools"] for row in pool["workers"]]
    running = [pid for pid, command in processes_with(str(cluster.state)).items() if "sleep" in command]
    where = cluster.died_at()
    assert sorted(running) == sorted(row["pid"] for row in workers), f"died {where}\n{cluster.story()}"
    check(where)
    # Samples and the like go on: what is left of the countdown must not hit the next one.
    (cluster.state / "die-at").unlink(missing_ok=True)
    return where


@pytest.mark.parametrize(("before", "wanted"), [(2, 3), (3, 2)])
def test_scaling_survives_a_kill_at_each_of_its_steps(mortal: Mortal, before: int, wanted: int) -> None:
    """Up and down: nothing is started twice, and the workers that stay are the same ones."""
    stay = mortal.pids()

    def scale() -> None:
        mortal.ask("PATCH", "/v1/pools/web", {"desired": wanted})

    def same(where: str) -> None:
        now = mortal.pids()
        assert len(now) == wanted
        assert {name: now[name] for name in stay} == stay, f"died {where}\n{mortal.story()}"
        (mortal.state / "die-at").unlink(missing_ok=True)
        mortal.ask("PATCH", "/v1/pools/web", {"desired": before})
        mortal.at_rest()

    mortal.ask("PATCH", "/v1/pools/web", {"desired": before})
    deed = "spawn" if wanted > before else "signal"
    enumerated(mortal, scale, same, both_sides(f"Performer.{deed}", "Journal.append"))


def test_a_rollout_survives_a_kill_at_each_of_its_steps(mortal: Mortal) -> None:
    """It goes on where it was: in the end every worker is of one generation, and each is a new one."""
    before = mortal.pids()

    def roll() -> None:
        mortal.ask("POST", "/v1/pools/web/rollouts", {})

    def all_new(where: str) -> None:
        nonlocal before
        rows = mortal.workers()
        assert len({row["generation"] for row in rows}) == 1, f"died {where}\n{mortal.story()}"
        now = {row["id"]: row["pid"] for row in rows}
        assert not set(now.values()) & set(before.values()), f"died {where}\n{mortal.story()}"
        assert not any(alive(pid) for pid in before.values())
        before = now

    enumerated(mortal, roll, all_new, both_sides("Performer.spawn", "Performer.signal", "Journal.append"))


def test_a_crash_is_survived_by_an_engine_that_dies_over_it(mortal: Mortal) -> None:
    """A worker is killed, and the engine at each step of replacing it: replaced once, and counted once."""
    restarts = mortal.workers()[0]["restarts"]

    def crash() -> None:
        pid = mortal.pids()["web.0"]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        mortal.until(lambda s: mortal_pid(s) not in (None, pid), "web.0 replaced")

    def counted(where: str) -> None:
        nonlocal restarts
        row = mortal.workers()[0]
        assert row["restarts"] == restarts + 1, f"died {where}\n{mortal.story()}"
        assert row["last_exit"]["signal"] == "KILL"
        restarts += 1

    enumerated(mortal, crash, counted, both_sides("Performer.spawn", "Journal.append", "KeeperLink.ack"))


def test_a_start_survives_a_kill_at_each_of_its_steps(mortal: Mortal) -> None:
    """The engine is killed, and the next one at its first step, the one after it at its second, and so on."""
    before = mortal.pids()
    died: list[str] = []
    for step in range(1, MOST_STEPS):
        mortal.forget_death()
        os.kill(mortal.snapshot()["engine"]["pid"], signal.SIGKILL)
        mortal.die_at(step)
        assert mortal.pids() == before, f"{died}\n{mortal.story()}"
        (mortal.state / "die-at").unlink(missing_ok=True)
        if not (where := mortal.died_at()):
            break
        died.append(where)
    # A thread writes the journal anew: on a busy machine its steps have other numbers at each start.
    for missed in set(both_sides(*OF_A_START)) - set(died):
        mortal.die_at(missed)
        os.kill(mortal.snapshot()["engine"]["pid"], signal.SIGKILL)
        mortal.until(lambda _: not (mortal.state / "die-at").exists(), "it died there")
        assert mortal.pids() == before, mortal.story()
    assert [event["number"] for event in mortal.events()] == list(range(1, len(mortal.events()) + 1))


@pytest.mark.parametrize("step", both_sides(*OF_A_START))
def test_a_first_start_survives_a_kill_at_its_steps(step: str) -> None:
    """Before anybody was told that it is up, and though no worker runs yet for which the keeper would stay."""
    cluster = Mortal('[pools.web]\ncommand = ["sleep", "1000"]\nworkers = 2\n')
    try:
        cluster.state.mkdir(mode=0o700)
        cluster.die_at(step)
        cluster.up()
        cluster.must_die_at(step)
        running = [pid for pid, words in processes_with(str(cluster.state)).items() if words.startswith("sleep")]
        assert sorted(running) == sorted(cluster.pids().values())
    finally:
        cluster.close()


@pytest.mark.parametrize("step", both_sides(*OF_AN_UPGRADE))
def test_an_upgrade_is_carried_through_over_a_kill_at_its_step(mortal: Mortal, step: str) -> None:
    before, engine = mortal.pids(), mortal.snapshot()["engine"]["pid"]
    mortal.die_at(step)
    mortal.ask("POST", "/v1/upgrade", {"python": sys.executable})
    mortal.must_die_at(step)
    assert mortal.pids() == before
    assert mortal.snapshot()["engine"]["pid"] != engine
    assert mortal.snapshot()["operations"][-1]["phase"] == "done"


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("step", both_sides(*OF_AN_END))
def test_a_down_is_carried_through_over_a_kill_at_its_step(mortal: Mortal, step: str, keep: bool) -> None:
    """The keeper ends; the workers, too, or they go on and the next keeper adopts them."""
    before = mortal.pids()
    mortal.die_at(step)
    mortal.ask("POST", "/v1/shutdown", {"yes": True, "keep_workers": keep})
    mortal.keeper.wait(20)
    mortal.must_die_at(step)
    assert {alive(pid) for pid in before.values()} == {keep}
    mortal.up()
    assert (mortal.pids() == before) is keep


def mortal_pid(snapshot: Json) -> int | None:
    rows: list[Json] = snapshot["pools"][0]["workers"]
    return next((row["pid"] for row in rows if row["id"] == "web.0"), None)
