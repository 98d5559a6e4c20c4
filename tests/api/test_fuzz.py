"""The API under random requests, on a living cluster: never a 500, and what is refused changes nothing."""

import json
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dashboard.answers import quoted
from supervisor.api.bodies import BODIES
from tests.whole.cluster import Cluster, Json
from tests.whole.cluster import cluster as running

pytestmark = pytest.mark.real

NAMES = st.sampled_from(["jobs", "jobs.0", "jobs.1", "jobs.99", "lb", "nobody", "", ".", "..", "jobs.0.1", "@lb"])
SEGMENTS = st.one_of(NAMES, st.text(max_size=12)).map(quoted)
THERE = {"/v1/pools/": "jobs", "/v1/workers/": "jobs.0"}
KEYS = sorted({field for body in BODIES for field in body.__struct_fields__})
# `true` for stopping and `reload` are real changes: they are followed by what brings things back.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 4),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["drain", "ready", "maint", "pause", "resume", "abort", "undo"]),
    st.lists(st.integers(), max_size=2),
)
PLAUSIBLE = st.one_of(
    st.fixed_dictionaries({"desired": st.integers(0, 4)}),
    st.fixed_dictionaries({"change": st.integers(-2, 2)}),
    st.fixed_dictionaries({"stopped": st.booleans()}),
    st.fixed_dictionaries({"rotation": st.sampled_from(["drain", "ready", "maint"])}),
    st.fixed_dictionaries({"action": st.sampled_from(["pause", "resume", "abort", "undo"])}),
    st.just({}),
)
BODY = st.one_of(
    PLAUSIBLE.map(json.dumps),
    PLAUSIBLE.map(json.dumps),
    st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), VALUES, max_size=3).map(json.dumps),
    st.text(max_size=40),
)
ROUTES = (
    ("PATCH", "/v1/pools/{}"),
    ("POST", "/v1/pools/{}/rollouts"),
    ("PATCH", "/v1/pools/{}/rollouts"),
    ("PATCH", "/v1/workers/{}"),
    ("POST", "/v1/workers/{}/restart"),
    ("PATCH", "/v1/backends/{}/{}/{}"),
    ("POST", "/v1/reload"),
    ("GET", "/v1/pools/{}/log"),
    ("GET", "/v1/workers/{}"),
    ("GET", "/v1/workers/{}/log"),
    ("GET", "/v1/operations/{}"),
    ("GET", "/v1/operations"),
    ("GET", "/v1/snapshot"),
    ("GET", "/v1/doctor"),
    ("GET", "/v1/events"),
    ("GET", "/v1/history"),
    ("GET", "/metrics"),
    ("GET", "/{}/{}"),
)
METHODS = ("GET", "HEAD", "PATCH", "POST", "PUT", "DELETE", "OPTIONS")
QUESTIONS = st.dictionaries(
    st.sampled_from(["dry_run", "after", "lines", "pool", "at", "count", "x"]),
    st.one_of(st.sampled_from(["0", "1", "-1", "jobs"]), st.text(max_size=8)),
    max_size=2,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, str]:
    """Method, path and body: mostly of a route that there is, with a body that it might take."""
    method, route = draw(st.sampled_from(ROUTES))
    if draw(st.integers(0, 7)) == 0:
        method = draw(st.sampled_from(METHODS))
    path = route.format(*(draw(SEGMENTS) for _ in range(3)))
    for place, name in THERE.items():
        if route.startswith(place) and draw(st.integers(0, 2)):
            path = route.format(name)
    query = draw(QUESTIONS) if draw(st.booleans()) else {}
    asked = "&".join(f"{key}={quoted(value)}" for key, value in query.items())
    return method, f"{path}?{asked}" if asked else path, draw(BODY)


SEEN: Counter[int] = Counter()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    text = '[pools.jobs]\ncommand = ["sleep", "1000"]\nworkers = 2\n[proxies.lb]\nkind = "memory"\nsocket = "m"\n'
    with running(text) as made:
        yield made


def answer(cluster: Cluster, method: str, path: str, body: str) -> tuple[int, bytes]:
    data = body.encode("utf-8", "replace")
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(cluster.state / "clusterctl.sock"))
        link.sendall(head.encode() + data)
        whole = b""
        while piece := link.recv(1 << 20):
            whole += piece
    first, _, rest = whole.partition(b"\r\n\r\n")
    return int(first.split()[1]), rest


def wanted(cluster: Cluster) -> object:
    """All that a request could change: what is wanted, and who asked for it."""
    snapshot: Json = cluster.snapshot()
    pools = [(p["name"], p["desired"], p["generation"], p.get("stopped")) for p in snapshot["pools"]]
    slots = [(row["id"], row["phase"] == "stopped") for pool in snapshot["pools"] for row in pool["workers"]]
    return pools, sorted(slots), {operation["id"] for operation in snapshot["operations"]}


@settings(
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(asked=("POST", "/v1/pools/jobs/rollouts", "{}"))  # 202, however the dice fall
@example(asked=("PATCH", "/v1/pools/jobs", '{"desired": "many"}'))  # 422
@given(asked=requests())
def test_no_request_makes_it_fail_and_none_that_is_refused_changes_anything(
    cluster: Cluster, asked: tuple[str, str, str]
) -> None:
    method, path, body = asked
    settle(cluster)
    before = wanted(cluster)
    status, said = answer(cluster, method, path, body)
    SEEN[status] += 1
    assert status < 500, f"{method} {path} {body!r}: {status} {said!r}"
    if status >= 400:
        assert wanted(cluster) == before, f"{method} {path} {body!r}: {status} {said!r}"
        if method != "HEAD":
            assert json.loads(said)["code"]


def test_the_requests_reached_what_they_were_to_reach() -> None:
    """Some were taken, some refused by the routes, by the bodies and by the engine."""
    assert all(SEEN[status] for status in (200, 202, 404, 422)), SEEN


def settle(cluster: Cluster) -> None:
    """What earlier examples asked for has come to its end, so that nothing moves by itself."""
    cluster.until(lambda s: all(operation["ended"] for operation in s["operations"]), "at rest", 30)
