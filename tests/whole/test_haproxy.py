"""A HAProxy of somebody else's beside the cluster: attached, frozen, killed, reloaded, and operated."""

import contextlib
import http.client
import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.chaos.test_state import kill_both
from tests.load.running import load
from tests.whole.balancer import VERSIONS, Balancer, balancer
from tests.whole.cluster import Cluster, Json, alive, cluster, port_block, until
from tests.whole.rolling import Stage, configuration, load_plan, staged

pytestmark = pytest.mark.real


@pytest.fixture(params=VERSIONS)
def attached(request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, Balancer]]:
    """Three workers behind a HAProxy that knows one stranger's server as well."""
    stranger = "  server stranger 127.0.0.1:9 disabled"
    first = port_block(30)
    with balancer(request.param, stranger) as lb:
        text = configuration(Stage(request.param, workers=3), first, str(lb.socket))
        with cluster(text) as made:
            made.front = lb.front
            yield made, lb


def statuses(lb: Balancer) -> dict[str, str]:
    return {address: row["status"] for address, row in lb.servers().items()}


def test_workers_are_added_matched_and_removed(attached: tuple[Cluster, Balancer]) -> None:
    made, lb = attached
    addresses = {row["address"] for row in made.workers()}
    assert addresses <= statuses(lb).keys()
    assert all(made.backends()[a]["worker"] for a in addresses)
    assert made.backends()["127.0.0.1:9"]["worker"] is None, "a stranger's server is shown, and left alone"
    made.must("scale", "web=5")
    assert len([s for s in statuses(lb).values() if s.startswith("UP")]) == 5
    made.must("scale", "web=2")
    made.until(lambda _: len([s for s in statuses(lb).values() if s.startswith("UP")]) == 2, "two are left")
    made.must("down")
    assert not any(s.startswith("UP") for s in statuses(lb).values()), "nobody is left in rotation"
    assert lb.pid(), "it was never ours to end"


def test_a_drain_is_seen_at_the_proxy_and_loses_nothing(attached: tuple[Cluster, Balancer]) -> None:
    made, lb = attached
    row = made.workers()[0]
    with load(load_plan(made, Stage("2.8"))) as running:
        made.until(lambda _: int(lb.servers()[row["address"]]["stot"]) > 10, "traffic flows")
        made.must("drain", "web.0")
        assert statuses(lb)[row["address"]].startswith(("DRAIN", "MAINT"))
        made.until(lambda _: lb.servers()[row["address"]]["scur"] == "0", "nothing is in flight")
        drained = int(lb.servers()[row["address"]]["stot"])
        made.must("restart", "web.1")
        assert int(lb.servers()[row["address"]]["stot"]) == drained, "it gets no request"
        made.must("ready", "web.0")
        made.until(lambda _: int(lb.servers()[row["address"]]["stot"]) > drained, "it gets requests again")
        result = running.stop()
    assert result.failed == 0, f"{result.summary()}\n{made.story()}"
    assert made.workers()[0]["pid"] == row["pid"]


def test_what_the_proxy_answers_itself_is_seen_as_failed(attached: tuple[Cluster, Balancer]) -> None:
    made, lb = attached
    for target in ("web.0", "web.1", "web.2"):
        made.must("drain", target, "--yes")

    def refused() -> int:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", lb.front, timeout=5)
            try:
                connection.request("GET", "/")
                return connection.getresponse().status
            finally:
                connection.close()
        return 0

    def seen(snapshot: Json) -> bool:
        assert refused() == 503
        section = snapshot["proxies"][0]["upstreams"][0]
        assert not sum(backend["errors_per_second"] or 0 for backend in section["backends"])
        return bool(section["errors_per_second"]) and section["requests_per_second"] >= section["errors_per_second"]

    made.until(seen, "the section's errors", 15)


def test_the_last_ready_backend_is_not_drained_without_yes(attached: tuple[Cluster, Balancer]) -> None:
    made, lb = attached
    made.must("drain", "web.0")
    made.must("drain", "web.1")
    ran = made.verb("drain", "web.2")
    assert ran.code == 5, ran
    assert [s for s in statuses(lb).values() if s.startswith("UP")]
    made.must("drain", "web.2", "--yes")
    for target in ("web.0", "web.1", "web.2"):
        made.must("ready", target)


def test_a_frozen_proxy_is_said_and_does_not_hold_up_supervision(attached: tuple[Cluster, Balancer]) -> None:
    made, lb = attached
    before = made.workers()
    lb.signal(signal.SIGSTOP)
    try:
        seen = made.until(lambda s: not s["proxies"][0]["reachable"], "it is said to be unreachable", 10)
        assert re.fullmatch(r"process [0-9]+ is stopped \(SIGSTOP\)", seen["proxies"][0]["why"])
        assert seen["proxies"][0]["seen_seconds_ago"] > 0
        made.must("status")
        os.kill(before[0]["pid"], signal.SIGKILL)
        made.until_pool(lambda p: p["workers"][0]["pid"] not in (None, before[0]["pid"]), "supervision goes on", 5)
    finally:
        lb.signal(signal.SIGCONT)
    made.until(lambda s: s["proxies"][0]["reachable"], "it comes back by itself", 10)
    made.until_pool(lambda p: p["ready"] == 3, "all serve", 15)


def test_a_killed_proxy_that_starts_again_gets_back_what_was_asked_for(attached: tuple[Cluster, Balancer]) -> None:
    made, lb = attached
    rows = made.workers()
    made.must("maint", "web.1")
    lb.stop()
    made.until(lambda s: not s["proxies"][0]["reachable"], "it is said to be gone", 10)
    assert all(alive(row["pid"]) for row in rows), "its end is not the workers'"
    lb.start()
    made.until(
        lambda s: (
            statuses(lb).get(rows[1]["address"], "").startswith("MAINT")
            and statuses(lb).get(rows[0]["address"], "").startswith("UP")
            and statuses(lb).get(rows[2]["address"], "").startswith("UP")
            and all(row["backend"] for row in s["pools"][0]["workers"])  # a verb needs that they were seen, too
        ),
        "its servers are there again, in the rotation that was asked for",
        15,
    )
    made.must("ready", "web.1")
    assert {row["pid"] for row in made.workers()} == {row["pid"] for row in rows}


def test_a_reload_puts_back_servers_and_rotations_and_no_rate_is_absurd(
    attached: tuple[Cluster, Balancer],
) -> None:
    made, lb = attached
    rows = made.workers()
    made.must("drain", "web.1")
    with load(load_plan(made, Stage("2.8"), streams=0, sockets=0, rate=100.0, manners=("single",))) as running:
        made.until(lambda s: (s["pools"][0]["requests_per_second"] or 0) > 20, "a rate is shown", 10)
        lb.reload()
        made.until(
            lambda _: (
                statuses(lb).get(rows[1]["address"], "").startswith(("MAINT", "DRAIN"))
                and statuses(lb).get(rows[0]["address"], "").startswith("UP")
            ),
            "servers and rotations are back",
            15,
        )
        for _ in range(20):
            rates = [b["requests_per_second"] for b in made.backends().values()]
            assert all(rate is None or 0 <= rate < 1000 for rate in rates), rates
        running.stop()  # what a reload of a proxy without its servers loses is not ours to judge
    made.must("ready", "web.1")


def test_the_embedded_proxy_is_killed_and_comes_back_with_its_servers() -> None:
    with staged(Stage("embedded", workers=3)) as made:
        workers = {row["pid"] for row in made.workers()}
        made.must("maint", "web.2")
        proxy = [pid for pid, line in made.processes().items() if "haproxy" in line and "-W" in line]
        assert proxy
        told = len(made.events())
        for pid in proxy:
            with contextlib.suppress(ProcessLookupError):  # its worker ends when the master is gone
                os.kill(pid, signal.SIGKILL)
        until(
            lambda: any(e["kind"] in ("proxy-restarted", "proxy-reachable") for e in made.events()[told:]),
            "it is back, and that is said",
        )
        made.until_pool(lambda p: p["ready"] == 2, "its servers serve", 15)
        assert {row["pid"] for row in made.workers()} == workers
        rotations = {b["worker"]: b["rotation"] for b in made.backends().values()}
        assert rotations["web.2"] == "maint"


def processes_of_haproxy(made: Cluster) -> set[int]:
    return {pid for pid, line in made.processes().items() if "haproxy" in line and "-W" in line}


@pytest.mark.parametrize("lost", ["journal", "journal and records"])
def test_the_embedded_proxy_goes_on_where_nothing_is_remembered_of_it(lost: str) -> None:
    """It has all the traffic: a lost journal must not end it."""
    stage = Stage("embedded", workers=2)
    with staged(stage) as made, load(load_plan(made, stage)) as running:
        before = processes_of_haproxy(made)
        kill_both(made)
        for name in lost.split(" and "):
            (made.state / {"records": "workers.jsonl"}.get(name, name)).unlink()
        made.up()
        made.until_pool(lambda p: p["ready"] == 2, "all serve")
        result = running.stop()
        assert processes_of_haproxy(made) == before
        assert result.failed == 0, f"{result.summary()}\n{made.story()}"


def test_an_embedded_proxy_whose_sockets_were_removed_gets_a_successor_beside_it() -> None:
    """Nobody can operate it without, and it serves until another does."""
    with staged(Stage("embedded", workers=2)) as made:
        before = processes_of_haproxy(made)
        for name in ("haproxy.sock", "master.sock"):
            (made.state / "proxies" / "lb" / name).unlink()
        until(lambda: not processes_of_haproxy(made) & before, "the successor alone", 20)
        made.until_pool(lambda p: p["ready"] == 2, "all serve", 20)
        made.must("restart", "web")


def test_the_embedded_proxy_is_reconfigured_under_load_and_loses_nothing() -> None:
    stage = Stage("embedded", workers=2)
    with staged(stage) as made:
        workers = {row["pid"] for row in made.workers()}
        with load(load_plan(made, stage)) as running:
            made.until(lambda s: (s["pools"][0]["requests_per_second"] or 0) > 20, "traffic flows", 10)
            text = made.config.read_text()
            made.config.write_text(text.replace("[proxies.lb]", '[proxies.lb]\nbalance = "leastconn"'))
            made.must("reload")
            made.until(lambda s: s["proxies"][0]["upstreams"][0]["balance"] == "leastconn", "in force", 15)
            made.until_pool(lambda p: p["ready"] == 2, "all serve")
            result = running.stop()
        assert result.failed == 0, f"{result.summary()}\n{made.story()}"
        assert {row["pid"] for row in made.workers()} == workers


def test_the_requests_counted_are_the_requests_made() -> None:
    """The proxy's totals, as shown, against the client's own count, within 2 %."""
    stage = Stage("embedded", workers=2)

    def shown(snapshot: Json) -> int:
        upstreams = snapshot["proxies"][0]["upstreams"]
        return sum(b["requests_total"] or 0 for u in upstreams for b in u["backends"])

    with staged(stage) as made, load(load_plan(made, stage, streams=0, sockets=0, rate=200.0)) as running:
        made.until(lambda s: shown(s) > 500, "500 requests")
        result = running.stop()
        near = result.requests * 0.02
        made.until(lambda s: abs(shown(s) - result.requests) <= near, "the totals are the client's", 5)
