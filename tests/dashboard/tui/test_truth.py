"""A number on the screen is the same number in `status --json`: every column, the header, panes and pages."""

import json

import msgspec
from msgspec.structs import replace

from dashboard.tui.backend_columns import BACKEND_COLUMNS
from dashboard.tui.worker_columns import WORKER_COLUMNS
from supervisor.model.snapshot import BackendRow, PoolRow, Snapshot, WorkerRow
from tests.dashboard.tui import truth
from tests.dashboard.tui.driving import Driver, screen
from tests.dashboard.tui.simulated import Simulated

WIDE, TALL = (330, 70), (99, 110)
"""Room for every column; and for every line of a page, with nothing beside another."""


class Rich(Simulated):
    """No two numbers of a row are alike, nor those of two rows; of one worker and its backend nothing is known."""

    def picture(self) -> Snapshot:
        plain = super().picture()
        workers = {row.id: self._rich(at, row) for at, row in enumerate(w for p in plain.pools for w in p.workers)}
        pools = tuple(
            self._rich_pool(at, replace(pool, workers=tuple(workers[row.id] for row in pool.workers)))
            for at, pool in enumerate(plain.pools)
        )
        upstream = plain.proxies[0].upstreams[0]
        rows = tuple(self._rich_backend(at, row) for at, row in enumerate(upstream.backends))
        proxy = replace(plain.proxies[0], upstreams=(replace(upstream, backends=rows),), seen_seconds_ago=7.0)
        host = replace(plain.host, load=(1.5, 2.5, 3.5), memory_available_bytes=3 << 30)
        return replace(plain, pools=pools, proxies=(proxy,), host=host)

    def _rich(self, at: int, row: WorkerRow) -> WorkerRow:
        if row.id == "web.3":
            return replace(
                row, cpu_percent=None, rss_bytes=None, fds=None, threads=None, processes=None, pid=None,
                requests_per_second=None, requests_source=None, uptime_seconds=None, sampled_seconds_ago=None,
            )  # fmt: skip
        return replace(
            row, pid=20_100 + at, generation=11 + at, restarts=40 + at, cpu_percent=12.3 + at,
            rss_bytes=(51 + at) << 20, fds=60 + at, threads=70 + at, processes=80 + at,
            requests_per_second=901.0 + at, uptime_seconds=3_600.0 + 60 * at, sampled_seconds_ago=1.0 + at,
        )  # fmt: skip

    def _rich_pool(self, at: int, pool: PoolRow) -> PoolRow:
        return replace(
            pool, ready=2 + at, desired=6 + at, generation=21 + at, cpu_percent=550.0 + at,
            rss_bytes=(651 + at) << 20, requests_per_second=8_001.0 + at if at == 0 else None,
        )  # fmt: skip

    def _rich_backend(self, at: int, row: BackendRow) -> BackendRow:
        if row.name == "web.3":
            return replace(
                row, weight=None, in_flight=None, queued=None, requests_total=None, requests_per_second=None,
                errors_per_second=None, response_ms=None, health_reason=None, counters={},
            )  # fmt: skip
        return replace(
            row, weight=120 + at, in_flight=200 + at, queued=300 + at, requests_total=4_000 + at,
            requests_per_second=951.0 + at, errors_per_second=31.5 + at, response_ms=51.5 + at,
            health_reason=f"L7OK {400 + at}", counters={"smax": str(500 + at), "wretr": str(600 + at)},
        )  # fmt: skip


def told(s: Driver) -> truth.Json:
    """The picture that is shown, as `status --json` has it."""
    answer: truth.Json = json.loads(msgspec.json.encode(s.app.mirror.snapshot))
    return answer


def column_names() -> tuple[set[str], set[str]]:
    return {one.key for one in WORKER_COLUMNS}, {one.key for one in BACKEND_COLUMNS}


def test_every_column_is_compared() -> None:
    workers, backends = column_names()
    assert workers - truth.WORDS == truth.WORKER.keys()
    assert backends - truth.WORDS == truth.BACKEND.keys()


async def test_tables_and_header_say_what_the_json_says() -> None:
    async with screen(Rich(web=4), WIDE) as s:
        await s.step()
        truth.assert_main(s, told(s))


async def test_the_details_of_every_row_say_what_the_json_says() -> None:
    async with screen(Rich(web=4), WIDE) as s:
        snapshot = told(s)
        for row in truth.workers(snapshot).values():
            region = s.main.details.region
            pane = "\n".join(line[region.x : region.right] for line in s.lines()[region.y : region.bottom])
            assert [said for said in truth.worker_pane(row) if said not in pane] == [], (row["id"], pane)
            await s.press("j")
        await s.press("tab")
        for name, row in truth.backends(snapshot).items():
            assert s.main.backend_table.select(name)
            await s.pilot.pause(0.02)
            region = s.main.details.region
            lines = [line[region.x : region.right] for line in s.lines()[region.y : region.bottom]]
            values = truth.backend_pane(row)
            found = [line.split()[0] for line in lines if line.startswith(tuple(f"{value} " for value in values))]
            assert [value for value in values if value not in found] == [], (name, lines)


async def test_the_page_of_every_row_says_what_the_json_says() -> None:
    async with screen(Rich(web=4), TALL) as s:
        await truth.assert_pages(s, told(s))
