"""A version that answers 500 is found out before a client sees it, where its pool has a trial."""

import pytest

from tests.load.running import load
from tests.whole.rolling import Stage, load_plan, staged

pytestmark = pytest.mark.real


@pytest.mark.parametrize("broken", ["errors500", "slow"])
def test_a_trial_keeps_a_bad_version_from_every_client(broken: str) -> None:
    stage = Stage("embedded", 1, workers=2)
    with staged(stage) as made:
        before = {row["pid"] for row in made.workers()}
        text = made.config.read_text().replace('timeout = "20s", every', 'timeout = "3s", every')
        text = text.replace('VERSION = "1"', f'VERSION = "2", BREAK = "{broken}"')
        text = text.replace("rollout = {", 'rollout = { trial = ["/"],')
        assert 'trial = ["/"]' in text, text
        with load(load_plan(made, stage, rate=100.0)) as running:
            made.config.write_text(text)
            ran = made.verb("reload", "--timeout", "60s", timeout=70)
            result = running.stop()
        assert ran.code == 1, ran.out + ran.err
        assert "trial of /" in ran.out + ran.err
        assert result.failed == 0, result.summary()
        assert {row["pid"] for row in made.workers()} == before
