"""The short form of `python -m tests.chaos`."""

import pytest

from tests.chaos.running import SHARED, WITH_PROXY, chaos
from tests.whole.rolling import Stage

pytestmark = pytest.mark.real


@pytest.mark.parametrize("stage", [WITH_PROXY, SHARED], ids=["behind a proxy", "on a shared socket"])
def test_nothing_dies_with_us(stage: Stage) -> None:
    """No request fails but those in a fault's own way; no worker is lost or doubled; nothing is left."""
    verdict = chaos(stage, seconds=15.0, seed=20261123)
    assert not verdict.unexcused, verdict.summary()
    assert verdict.result.requests > 200
