"""What the dashboard's tests share: the stand-in API, and a verb run in this process."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from dashboard.cli import main
from tests.dashboard.fake_api import FakeApi, fake_api


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as served:
        yield served


@pytest.fixture
def run(api: FakeApi, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs one verb against the stand-in."""

    def verb(*words: str, socket: bool = True) -> Ran:
        code = main([*words, "--socket", api.socket] if socket else list(words))
        return Ran(code, *capfd.readouterr())

    return verb
