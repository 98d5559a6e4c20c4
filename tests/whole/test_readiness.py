"""Every way of being ready, through the whole program: HTTP, TCP, sd_notify, a log line, a shared socket."""

import socket

import pytest

from tests.whole.cluster import PYTHON, SERVER, alive, cluster, port_block, until, unused

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("ready", "env"),
    [
        ('http = "/healthz"', ""),
        ("tcp = true", ""),
        ("notify = true", 'NOTIFY = "1"'),
        ('log = "^serving as"', ""),
    ],
    ids=["http", "tcp", "notify", "log"],
)
def test_a_worker_is_ready_when_it_says_so_and_not_before(ready: str, env: str) -> None:
    first = port_block(10)
    text = f"""
[pools.web]
command = {SERVER}
workers = 2
ports = "{first}-{first + 9}"
env = {{ BOOT_MS = "700"{", " + env if env else ""} }}
ready = {{ {ready}, timeout = "20s" }}
"""
    with cluster(text, up=False) as made:
        made.must("up", "--detach")
        made.until_pool(lambda p: all(row["pid"] for row in p["workers"]), "started")
        assert made.pool()["ready"] == 0, "it is still booting"
        made.until_pool(lambda p: p["ready"] == 2, "ready")


def test_workers_share_a_socket_that_outlives_them_and_the_engine() -> None:
    port = port_block(1)
    text = f"""
[pools.web]
command = ["{PYTHON}", "{SERVER.split('"')[3]}", "--fd", "{{fd}}"]
workers = 2
listen = "127.0.0.1:{port}"
ready = {{ http = "/healthz", timeout = "20s" }}
"""
    with cluster(text) as made:
        before = {row["id"]: row["pid"] for row in made.workers()}
        made.must("restart", "web")
        assert not set(before.values()) & {row["pid"] for row in made.workers()}
        assert not any(alive(pid) for pid in before.values())
    until(lambda: unused(port), "the socket is closed")


def test_the_shared_socket_of_a_removed_pool_is_closed() -> None:
    port = port_block(1)
    text = f"""
[pools.web]
command = ["{PYTHON}", "{SERVER.split('"')[3]}"]
listen = "127.0.0.1:{port}"
ready = {{ http = "/healthz", timeout = "20s" }}
"""
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\n') as made:
        before = made.config.read_text()
        made.config.write_text(before + text)
        made.must("reload")
        assert made.pool()["ready"] == 1
        assert made.workers()[0]["restarts"] == 0, "it was not started before its socket was there"
        assert not unused(port)
        made.config.write_text(before)
        made.must("reload")
        until(lambda: unused(port), "the socket is closed")


def test_a_port_that_another_program_answers_on_is_not_taken_for_ready() -> None:
    """The probe asks who answered: a foreign server on the worker's port does not make it ready."""
    first = port_block(4)
    with socket.create_server(("0.0.0.0", first)) as foreign:
        foreign.settimeout(0.1)
        text = f"""
[pools.web]
command = ["sleep", "1000"]
host = "127.0.0.2"
ports = "{first + 1}-{first + 3}"
ready = {{ tcp = true, timeout = "2s" }}
restart = {{ give_up = "1 in 60s" }}
"""
        with cluster(text, up=False) as made:
            made.must("up", "--detach")
            made.until_pool(lambda p: p["workers"][0]["phase"] == "failed", "never ready is failed", 15)
            assert "ready" in made.workers()[0]["why"]


NAMED = """
import http.server, os
class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers["Host"] == "shop.example" else 400)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Site).serve_forever()
"""


def test_a_site_that_answers_to_its_own_name_alone_is_asked_by_it_and_by_the_proxy_too() -> None:
    first = port_block(10)
    text = f"""
[pools.web]
command = ["{PYTHON}", "-c", '''{NAMED}''']
ports = "{first}-{first + 8}"
probe_host = "shop.example"
ready = {{ http = "/", timeout = "20s" }}
alive = {{ http = "/", every = "200ms", failures = 1 }}
traffic = {{ proxy = "edge", upstream = "web" }}
[proxies.edge]
bind = "127.0.0.1:{first + 9}"
"""
    with cluster(text) as made:
        pid = made.workers()[0]["pid"]
        made.must("restart", "web")
        assert made.workers()[0]["pid"] != pid
        backends = made.snapshot()["proxies"][0]["upstreams"][0]["backends"]
        found = [(one["health"], one["health_reason"]) for one in backends if one["worker"] == "web.0"]
        assert found == [("up", "L7OK 200")]
        without = made.config.read_text().replace('probe_host = "shop.example"\n', "")
        made.config.write_text(without)
        made.must("reload", "--no-wait")
        made.until_pool(lambda p: "HTTP 400" in str(p["workers"][0]["why"]), "asked by its address, it says no")
