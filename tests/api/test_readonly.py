"""The socket for looking alone: who may open it, and that nothing can be changed through it."""

import asyncio
import grp
import os
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from supervisor.api.readonly import bind, offer
from tests.api.fake_door import FakeDoor
from tests.api.served import until

pytestmark = pytest.mark.real


@pytest.fixture
async def looking(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, FakeDoor, Path]]:
    door, path = FakeDoor(), tmp_path / "look.sock"
    task = asyncio.create_task(offer(door, str(path), grp.getgrgid(os.getgid()).gr_name))
    await until(path.exists)
    transport = httpx.AsyncHTTPTransport(uds=str(path), verify=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://clusterctl", timeout=10) as http:
        yield http, door, path
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not path.exists()


async def test_it_shows_what_the_owners_shows(looking: tuple[httpx.AsyncClient, FakeDoor, Path]) -> None:
    http, _, _ = looking
    for path in ("/v1/snapshot", "/v1/events", "/metrics", "/v1/pools/web/log"):
        assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/v1/pools/web"),
        ("POST", "/v1/pools/web/rollouts"),
        ("POST", "/v1/reload"),
        ("POST", "/v1/shutdown"),
        ("POST", "/v1/upgrade"),
        ("PATCH", "/v1/backends/lb/web/web.0"),
        ("PUT", "/v1/snapshot"),
        ("DELETE", "/no/such/route"),
    ],
)
async def test_it_changes_nothing(
    looking: tuple[httpx.AsyncClient, FakeDoor, Path], method: str, path: str
) -> None:
    """Refused before anything is read of it; a dry run too, for it tells what only who may change needs."""
    http, door, _ = looking
    for target in (path, f"{path}?dry_run=1"):
        refused = await http.request(method, target, json={"desired": 9, "rotation": "maint"})
        assert (refused.status_code, refused.json()["code"]) == (403, "read_only")
    assert door.asked == []


async def test_the_group_and_nobody_else_may_open_it(looking: tuple[httpx.AsyncClient, FakeDoor, Path]) -> None:
    status = looking[2].stat()
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert status.st_gid == os.getgid()


def test_without_a_group_it_is_the_owners(tmp_path: Path) -> None:
    with bind(str(tmp_path / "look.sock"), None):
        assert stat.S_IMODE((tmp_path / "look.sock").stat().st_mode) == 0o600


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "look.sock")
    bind(path, None).close()
    bind(path, None).close()


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    """Another's living socket, and a file that is none."""
    with bind(str(tmp_path / "living"), None), pytest.raises(OSError, match="somebody listens on it already"):
        bind(str(tmp_path / "living"), None)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OSError, match="something else lies there"):
        bind(str(tmp_path / "file"), None)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_group_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="there is no group nosuchgroup"):
        bind(str(tmp_path / "look.sock"), "nosuchgroup")
