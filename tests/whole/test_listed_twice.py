"""Workers whose addresses somebody has listed in a second section of his HAProxy, where requests arrive too."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.load.client import Plan
from tests.load.running import load
from tests.whole.balancer import VERSIONS, Balancer, balancer
from tests.whole.cluster import Cluster, cluster, port_block
from tests.whole.rolling import Stage, configuration

pytestmark = pytest.mark.real

PORTS = 6


class Twice(NamedTuple):
    made: Cluster
    lb: Balancer
    second: int
    """The port whose requests go to the second section."""


@pytest.fixture(params=VERSIONS)
def twice(request: pytest.FixtureRequest) -> Iterator[Twice]:
    """Two workers that die of TERM at once, so that whatever is in flight then is lost."""
    first, second = port_block(30), port_block(1)
    servers = "".join(
        f"  server s{n} 127.0.0.1:{first + n} check inter 200ms fall 2 rise 1\n" for n in range(PORTS)
    )
    sections = (
        f"frontend second\n  bind 127.0.0.1:{second}\n  option idle-close-on-response\n  default_backend api\n"
        f"backend api\n  option httpchk GET /healthz\n{servers}  server other 127.0.0.1:9 disabled\n"
    )
    with balancer(request.param, servers + sections) as lb:
        text = configuration(Stage(request.param, workers=2, env=', END = "abrupt"'), first, str(lb.socket))
        text = text.replace(f'ports = "{first}-{first + 28}"', f'ports = "{first}-{first + PORTS - 1}"')
        with cluster(text) as made:
            made.front = lb.front
            yield Twice(made, lb, second)


def rotations(made: Cluster, section: str) -> dict[str, str]:
    upstreams = made.snapshot()["proxies"][0]["upstreams"]
    rows = next(upstream for upstream in upstreams if upstream["name"] == section)["backends"]
    return {row["name"]: row["rotation"] for row in rows}


def test_a_rollout_loses_nothing_of_what_arrives_at_the_second_section(twice: Twice) -> None:
    made = twice.made
    made.until(
        lambda _: rotations(made, "api") == rotations(made, "app") | {"other": "maint"}, "both hold the same"
    )
    with load(
        Plan(url=f"http://127.0.0.1:{twice.second}", seconds=600.0, rate=150.0, held=1.5, streams=2)
    ) as running:
        made.must("restart", "web", "--timeout", "60s", timeout=70)
        result = running.stop()
    assert result.failed == 0, f"{result.summary()}\n{made.story()}"


def test_who_drains_a_worker_drains_all_that_leads_to_it(twice: Twice) -> None:
    made = twice.made
    name = next(w for w in made.workers() if w["id"] == "web.0")["backend"].rpartition("/")[2]
    with load(
        Plan(url=f"http://127.0.0.1:{twice.second}", seconds=600.0, rate=50.0, held=1.5, streams=4)
    ) as running:
        made.until(lambda _: any(b["in_flight"] for b in made.backends().values()), "something is in flight")
        made.must("drain", "web.0", "--timeout", "20s")
        rows = [row for row in rows_of(made) if row["name"] == name]
        assert [(row["rotation"], row["in_flight"]) for row in rows] == [("drain", 0), ("drain", 0)]
        made.must("ready", "web.0")
        made.must("drain", f"lb/api/{name}", "--timeout", "20s")
        assert rotations(made, "app")[name] == "ready", "who names one server means that one"
        made.must("ready", f"lb/api/{name}")
        result = running.stop()
    assert result.failed == 0, result.summary()


def rows_of(made: Cluster) -> list[dict[str, object]]:
    return [row for upstream in made.snapshot()["proxies"][0]["upstreams"] for row in upstream["backends"]]


def test_doctor_names_a_section_that_lists_some_of_a_pools_ports(twice: Twice) -> None:
    made = twice.made
    text = made.config.read_text()
    first = int(text.split('ports = "')[1].split("-")[0])
    made.config.write_text(text.replace(f"-{first + PORTS - 1}", f"-{first + PORTS + 2}"))
    made.must("reload", "--timeout", "60s", timeout=70)
    made.must("scale", f"web={PORTS + 1}")
    ran = made.verb("doctor")
    assert "lb/api" in ran.out, ran
    assert f"127.0.0.1:{first + PORTS}" in ran.out, ran
