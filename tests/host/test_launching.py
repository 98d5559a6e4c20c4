"""The engine's end of the link: facts in order and in pieces, answers for who asked, a keeper that is gone."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator

import pytest

from supervisor.host.launching import KeeperLink
from supervisor.model.errors import HostError
from supervisor.model.launch import Exited, KeeperLost, Launch, Spawned, Terminate, Told
from tests.keeper.stage import until

pytestmark = pytest.mark.real

LAUNCH = Launch(serial=1, name="web.0", argv=("sleep", "1"), cwd="/", env={"A": "b"}, log="/tmp/x")


class Ends:
    """A link, and the keeper's end of its socket in the hands of the test."""

    def __init__(self, keeper: socket.socket) -> None:
        self.keeper = keeper
        self.told: list[Told] = []
        self.link: KeeperLink
        self._rest = b""

    async def asked(self) -> dict[str, object]:
        async with asyncio.timeout(5):
            while b"\n" not in self._rest:
                self._rest += await asyncio.get_running_loop().sock_recv(self.keeper, 65536)
        line, _, self._rest = self._rest.partition(b"\n")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.keeper, data)

    async def facts(self, count: int) -> list[Told]:
        await until(lambda: len(self.told) >= count, f"{count} facts")
        return self.told


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ours, keeper = socket.socketpair()
    keeper.setblocking(False)
    made = Ends(keeper)
    made.link = await KeeperLink.open(ours.detach(), made.told.append)
    yield made
    made.link.close()
    keeper.close()


async def test_the_keeper_is_known_by_the_kernels_word(ends: Ends) -> None:
    """Whoever made the pair of sockets."""
    assert ends.link.keeper_pid == os.getpid()


async def test_requests_are_lines_in_the_order_asked(ends: Ends) -> None:
    """Each as supervisor/keeper/protocol.py says."""
    ends.link.spawn(LAUNCH)
    ends.link.signal(1, "TERM", group=False)
    ends.link.ack(7)
    ends.link.unlisten("web")
    ends.link.up()
    ends.link.shutdown(True)
    asked = await ends.asked()
    assert (asked["type"], asked["argv"], asked["listen"], asked["nofile"]) == ("spawn", ["sleep", "1"], [], None)
    assert [await ends.asked() for _ in range(5)] == [
        {"type": "signal", "serial": 1, "signal": "TERM", "group": False},
        {"type": "ack", "number": 7},
        {"type": "unlisten", "name": "web"},
        {"type": "up"},
        {"type": "shutdown", "keep_workers": True},
    ]


async def test_facts_may_come_in_pieces_and_many_at_once(ends: Ends) -> None:
    """Cut anywhere, told in order; what is not known is passed over."""
    data = (
        b'{"type":"Spawned","serial":1,"pid":5,"started":1.0,"started_wall":2.0}\n'
        b'{"type":"SomethingNew","x":1}\nnot json\n'
        b'{"type":"Exited","number":1,"serial":1,"pid":5,"code":null,"signal":"KILL","at":3.0,"new_key":1}\n'
        b'{"type":"Terminate"}\n'
    )
    for start in range(0, len(data), 7):
        await ends.say(data[start : start + 7])
        await asyncio.sleep(0)
    assert await ends.facts(3) == [
        Spawned(serial=1, pid=5, started=1.0, started_wall=2.0),
        Exited(number=1, serial=1, pid=5, code=None, signal="KILL", at=3.0),
        Terminate(),
    ]


async def test_what_happened_before_is_told_before_held_answers(ends: Ends) -> None:
    """Whoever has the answer has heard everything."""
    asking = asyncio.create_task(ends.link.held())
    assert await ends.asked() == {"type": "held"}
    held = b'{"serial":1,"name":"web.0","pid":5,"started":1.0,"started_wall":2.0,"start_ticks":3,"note":{"a":"b"}}'
    exited = b'{"type":"Exited","number":1,"serial":2,"pid":6,"code":1,"signal":null,"at":3.0}\n'
    await ends.say(exited + b'{"type":"Held","workers":[' + held + b"]}\n")
    (one,) = await asking
    assert (one.serial, one.pid, one.note) == (1, 5, {"a": "b"})
    assert len(ends.told) == 1


async def test_answers_find_who_asked(ends: Ends) -> None:
    """Two sockets asked for at once, answered the other way round."""
    first = asyncio.create_task(ends.link.listen("a", "127.0.0.1:1"))
    second = asyncio.create_task(ends.link.listen("b", "127.0.0.1:2"))
    requests = [int(str((await ends.asked())["request"])) for _ in range(2)]
    await ends.say(b'{"type":"Listening","request":%d,"why":"taken"}\n' % requests[1])
    await ends.say(b'{"type":"Listening","request":%d,"why":null}\n' % requests[0])
    assert (await first, await second) == (None, "taken")


async def test_a_keeper_that_does_not_read_for_a_while_gets_everything_later(ends: Ends) -> None:
    """Nothing blocks, nothing is lost, the order stays."""
    ends.keeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for serial in range(300):
        ends.link.spawn(Launch(serial=serial, name="x", argv=("y" * 5000,), cwd="/", env={}, log="/x"))
    assert [(await ends.asked())["serial"] for _ in range(300)] == list(range(300))


async def test_a_lost_keeper_is_told_once_and_nobody_waits_for_it(ends: Ends) -> None:
    """KeeperLost, HostError to who asked `held`, words to who asked for a socket; later requests are nothing."""
    held = asyncio.create_task(ends.link.held())
    listening = asyncio.create_task(ends.link.listen("a", "127.0.0.1:1"))
    await ends.asked()
    await ends.asked()
    ends.keeper.close()
    with pytest.raises(HostError, match="the keeper is gone"):
        await held
    assert await listening == "the keeper is gone"
    ends.link.spawn(LAUNCH)
    ends.link.signal(1, "TERM")
    with pytest.raises(HostError):
        await ends.link.held()
    assert await ends.link.listen("a", "127.0.0.1:1") == "the keeper is gone"
    assert ends.told == [KeeperLost(why="it has ended")]


async def test_a_fact_that_is_failed_at_takes_none_of_those_behind_it_along(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Told] = []

    def hear(fact: Told) -> None:
        heard.append(fact)
        if len(heard) == 1:
            raise KeyError("a fault of ours")

    ends.link._tell = hear
    await ends.say(b'{"type":"Terminate"}\n{"type":"Terminate"}\n')
    await until(lambda: len(heard) == 2, "the second fact")
    assert "a fault of ours" in caplog.text
