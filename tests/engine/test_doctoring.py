"""What `clusterctl doctor` finds: one trouble at a time, and nothing where there is none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine import doctoring
from supervisor.engine.doctoring import examine
from supervisor.model.readings import HostReading, Sample
from supervisor.model.spec import LimitsSpec, LogSpec, ReadySpec, StopSpec
from supervisor.model.workers import End
from tests.engine.test_transcripts import SPEC, begun
from tests.engine.world import World
from tests.whole.cluster import Cluster

SOUND = replace(SPEC, stop=StopSpec(timeout=30.0), log=LogSpec(max_bytes=1024))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(doctoring, "handles", lambda pid, signal: True)
    made = begun(tmp_path, SOUND)
    made.ledger.proxies["lb"].capabilities = ("drain", "maint", "add", "in_flight")
    return made


def found(world: World) -> list[tuple[str, str]]:
    return [(finding.check, finding.subject) for finding in examine(world.ledger)]


def change(world: World, **fields: object) -> None:
    pool = world.ledger.pools["web"]
    spec = replace(pool.spec, **fields)
    world.ledger.pools["web"] = replace(pool, spec=spec, revisions={1: spec})


def test_a_sound_pool_gives_nothing_to_say(world: World) -> None:
    assert found(world) == []


def test_a_worker_without_a_handler_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctoring, "handles", lambda pid, signal: pid != 1001)
    change(world, ports=None, listen="127.0.0.1:8000")
    assert found(world) == [("no-stop-handler", "web.0")]


def test_a_worker_that_is_drained_before_its_signal_needs_no_handler(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctoring, "handles", lambda pid, signal: False)
    assert found(world) == []


@pytest.mark.parametrize(("code", "findings"), [(0, [("ends-by-itself", "web.1")]), (3, [])])
def test_a_slot_given_up_over_a_program_that_does_not_stay(
    world: World, code: int, findings: list[tuple[str, str]]
) -> None:
    end = End(wall=0.0, code=code, why=f"exit code {code}")
    world.ledger.keep(replace(world.ledger.slot("web", 1), failed=end.why, ends=(end,)))
    assert found(world) == findings


def test_traffic_without_readiness(world: World) -> None:
    change(world, ready=ReadySpec())
    assert found(world) == [("no-readiness", "web")]


def test_a_stop_timeout_below_the_keep_alive(world: World) -> None:
    change(world, stop=StopSpec(timeout=2.0))
    assert found(world) == [("short-stop", "web")]


def test_ports_without_room(world: World) -> None:
    change(world, ports=(9001, 9004))
    assert found(world) == [("tight-ports", "web")]


def test_a_proxy_that_cannot(world: World) -> None:
    world.ledger.proxies["lb"].capabilities = ("drain", "maint")
    assert found(world) == [("proxy-cannot", "lb")]


def test_a_proxy_that_is_away(world: World) -> None:
    world.reachable = False
    world.tick()
    assert found(world) == [("proxy-unreachable", "lb")]


def test_an_upstream_that_is_not_there(world: World) -> None:
    world.ledger.proxies["lb"].upstreams.clear()
    assert found(world) == [("no-upstream", "lb/web")]


def sampled(world: World, **fields: object) -> None:
    empty = Sample(at=1.0, cpu_percent=None, rss_bytes=None, threads=1, fds=3, processes=1)
    for serial in world.ledger.workers:
        world.ledger.samples[serial] = replace(empty, **fields)


def test_more_busy_workers_than_cores(world: World) -> None:
    sampled(world, cpu_percent=99.0)
    world.ledger.host = HostReading(
        at=1.0, cpus=2, cpu_percent=99.0, memory_total_bytes=1, memory_available_bytes=1, load=None
    )
    assert found(world) == [("more-than-cores", "web")]


def test_descriptors_and_memory_near_their_limits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctoring, "nofile", lambda pid: 100)
    change(world, limits=LimitsSpec(memory=100 << 20))
    sampled(world, fds=95, rss_bytes=95 << 20)
    assert {check for check, _ in found(world)} == {"few-descriptors", "near-memory-limit"}


def test_logs_that_may_outgrow_the_disk(world: World) -> None:
    change(world, log=LogSpec(max_bytes=1 << 50, keep=1))
    assert found(world) == [("full-disk", str(world.ledger.spec.state_dir))]


def test_the_limit_of_a_process_is_read(tmp_path: Path) -> None:
    limit = doctoring.nofile(os.getpid())
    assert limit is not None
    assert limit > 0
    assert doctoring.nofile(2**22 + 1) is None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    trap = "trap : TERM; while :; do sleep 0.1; done"
    made = Cluster(
        f'[pools.good]\ncommand = ["sh", "-c", "{trap}"]\nstop = {{ timeout = "200ms" }}\n'
        '[pools.bad]\ncommand = ["sleep", "1000"]\n'
    )
    try:
        made.up()
        yield made
    finally:
        made.close()


@pytest.mark.real
def test_the_verb_says_it_and_exits_1_and_for_a_sound_pool_0(cluster: Cluster) -> None:
    """On real processes: SigCgt of each is asked."""
    pid = cluster.workers("bad")[0]["pid"]
    ran = cluster.verb("doctor")
    assert (ran.code, ran.out.splitlines()[0]) == (
        1,
        f"bad.0: pid {pid} does not handle TERM: it dies of it at once, and loses what it is doing",
    )
    ran = cluster.verb("doctor", "good")
    assert (ran.code, ran.out) == (0, "nothing to say\n")
    assert cluster.verb("doctor", "nobody").code == 4
    assert '"check":"no-stop-handler"' in cluster.verb("doctor", "--json").out
