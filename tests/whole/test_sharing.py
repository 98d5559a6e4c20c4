"""A shared listening socket that the configuration moves: each generation gets its own, there and back."""

import os
import signal
import socket

import pytest

from tests.whole.cluster import PYTHON, SERVER, Cluster, cluster, port_block, until

pytestmark = pytest.mark.real


def web(port: int, command: str = SERVER) -> str:
    return f"""
[pools.web]
command = {command}
workers = 2
listen = "127.0.0.1:{port}"
ready = {{ http = "/healthz", timeout = "5s" }}
restart = {{ backoff = "0.1s" }}
rollout = {{ watch = "0s" }}
"""


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return link.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def killed_and_back(made: Cluster) -> None:
    pid = made.workers()[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    made.until_pool(lambda p: p["ready"] == 2 and p["workers"][0]["pid"] != pid, "it is back")


def test_a_socket_that_is_moved_and_moved_back_is_the_one_that_each_generation_asked_for() -> None:
    first = port_block(2)
    old, new = first, first + 1
    with cluster(web(old)) as made:
        made.configure(web(new, f'["{PYTHON}", "-c", "import sys; sys.exit(3)"]'))
        assert made.verb("reload").code == 1
        killed_and_back(made)
        assert answers(old), "the version before goes on where it was, its new workers too"
        made.configure(web(new))
        made.must("reload")
        until(lambda: not answers(old), "the old socket is let go of when nobody needs it any more")
        killed_and_back(made)
        assert answers(new)
        made.must("rollout", "undo", "web")
        assert answers(old)
        until(lambda: not answers(new), "and the new one, when that is undone")
