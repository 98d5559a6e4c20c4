"""The snapshot as Prometheus reads it."""

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from supervisor.api.metrics import exposition
from tests.api.fake_door import backend, picture, worker


def figures(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_figure_stands_under_its_name() -> None:
    found = figures(exposition(picture(2)))
    web_0 = (("pool", "web"), ("worker", "web.0"))
    place = (("backend", "web.1"), ("proxy", "lb"), ("upstream", "web"))
    assert found["clusterctl_worker_cpu_percent", web_0] == 2.5
    assert found["clusterctl_worker_restarts_total", web_0] == 3
    assert found["clusterctl_workers", (("phase", "ready"), ("pool", "web"))] == 2
    assert found["clusterctl_backend_requests_total", place] == 1234
    assert found["clusterctl_backend_response_seconds", place] == 0.0031
    assert found["clusterctl_backend_rotation", (*place[:2], ("rotation", "ready"), place[2])] == 1
    assert found["clusterctl_proxy_reachable", (("proxy", "lb"),)] == 1
    assert found["clusterctl_engine_rss_bytes", ()] == 1 << 20


def test_what_is_not_known_has_no_sample() -> None:
    names = {name for name, _ in figures(exposition(picture(1)))}
    assert "clusterctl_worker_fds" not in names
    assert "clusterctl_host_cpu_percent" not in names


def test_two_workers_of_one_slot_are_one_sum() -> None:
    whole = picture(1)
    pool = replace(whole.pools[0], workers=(worker(0), replace(worker(0), serial=9, phase="starting")))
    found = figures(exposition(replace(whole, pools=(pool,))))
    assert found["clusterctl_worker_rss_bytes", (("pool", "web"), ("worker", "web.0"))] == 2000


def test_a_hostile_name_is_one_harmless_label() -> None:
    whole = picture(1)
    proxy = whole.proxies[0]
    hostile = replace(backend(0), name='a"b\\c\nd\x1b[31m')
    upstreams = (replace(proxy.upstreams[0], backends=(hostile,)),)
    text = exposition(replace(whole, proxies=(replace(proxy, upstreams=upstreams),)))
    assert b"\x1b" not in text
    assert any(("backend", 'a"b\\c␊d␛[31m') in labels for _, labels in figures(text))
