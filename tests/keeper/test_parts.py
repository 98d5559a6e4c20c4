"""Parts of the keeper by themselves: a worker's descriptor, and what one bad request costs those behind it."""

import fcntl
import os
import resource
import socket
import subprocess
import sys

import pytest

from supervisor.keeper.channel import Channel
from supervisor.keeper.holding import Worker
from supervisor.keeper.loop import Loop
from supervisor.keeper.protocol import Message, encode


@pytest.mark.real
def test_the_end_of_an_adopted_worker_is_seen_though_its_descriptor_is_beyond_what_select_takes() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    low = os.pidfd_open(process.pid)
    pidfd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 2000)
    try:
        worker = Worker(1, process.pid, {}, pidfd=pidfd)
        assert not worker.gone
        process.communicate(b"\n", timeout=10)
        assert worker.gone
    finally:
        process.kill()
        os.close(low)
        os.close(pidfd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_request_that_the_keeper_fails_at_takes_none_of_those_behind_it_along() -> None:
    logged: list[str] = []
    loop = Loop(logged.append)
    ours, theirs = socket.socketpair()
    heard: list[str] = []

    def hear(message: Message) -> None:
        heard.append(message["type"])
        if message["type"] == "bad":
            raise KeyError("a fault of ours")
        if message["type"] == "last":
            loop.stop()

    channel = Channel(loop, ours, hear, lambda why: pytest.fail(why))
    theirs.sendall(b"".join(encode({"type": word}) for word in ("first", "bad", "last")))
    loop.after("in vain", 5.0, loop.stop)
    loop.run()
    channel.close()
    for end in (theirs, loop._wake, loop._wake_write, loop._selector):  # a keeper closes them by ending
        end.close()
    assert heard == ["first", "bad", "last"]
    assert "a fault of ours" in logged[0]
