"""The screen on a real cluster behind a real HAProxy, under load: its numbers are those of `status --json`."""

import json
from typing import cast

import pytest

from dashboard.link import Link
from dashboard.tui.app import TopApp
from supervisor.model.snapshot import Snapshot
from tests.dashboard.tui import truth
from tests.dashboard.tui.driving import Driver
from tests.dashboard.tui.simulated import Simulated
from tests.load.running import load
from tests.whole.cluster import Cluster
from tests.whole.rolling import Stage, load_plan, staged

pytestmark = pytest.mark.real
PICTURES = 30


class Held(Link):
    """A client whose last picture stays the last when it is told so."""

    held = False

    async def snapshot(self) -> Snapshot:
        return self._last if self.held and self._last is not None else await super().snapshot()


async def next_picture(s: Driver, before: int) -> int:
    await s.until(lambda: s.revision != before)
    return s.revision


async def same_picture(s: Driver, link: Held, made: Cluster) -> truth.Json:
    """What the verb says of just the picture that is shown, which stays."""
    shown = s.revision
    for _ in range(PICTURES):
        shown = await next_picture(s, shown)
        answer: truth.Json = json.loads(made.must("status", "--json"))
        if answer["revision"] == shown:
            link.held = True
            return answer
    raise AssertionError(f"{PICTURES} pictures were old before the verb had asked for them")


@pytest.mark.parametrize("size", [(330, 70), (99, 110)])
async def test_every_number_on_the_screen_is_the_same_in_status(size: tuple[int, int]) -> None:
    stage = Stage("embedded", workers=3)
    with staged(stage) as made:
        link = Held(str(made.state / "clusterctl.sock"))
        app = TopApp(link)
        with load(load_plan(made, stage, rate=50.0)):
            async with link, app.run_test(size=size) as pilot:
                s = Driver(app, pilot, cast(Simulated, link))
                await s.until(lambda: len(s.main.worker_table.order) == 3)
                await s.until(lambda: any(v.worker.requests_per_second for v in app.mirror.workers.values()), 20.0)
                snapshot = await same_picture(s, link, made)
                if size[0] > size[1]:
                    truth.assert_main(s, snapshot)
                await truth.assert_pages(s, snapshot)
            app.ended.set()
