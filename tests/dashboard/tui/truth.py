"""What stands on the screen, read back from what is drawn, and what it must say after `status --json`."""

import re
from collections.abc import Callable
from typing import Any

from dashboard.tui.say import UNKNOWN, ago, clock, count, duration, number, size
from dashboard.tui.widgets.live_table import LiveTable
from tests.dashboard.tui.driving import Driver

Json = dict[str, Any]
Cells = dict[str, Callable[[Json], str]]

GAUGES = ("in_flight", "queued", "errors_per_second", "requests_per_second")


def of_backend(key: str, said: Callable[[Any], str]) -> Callable[[Json], str]:
    return lambda row: said(row["filled"][key]) if row["filled"] else UNKNOWN


WORKER: Cells = {
    "worker": lambda w: w["id"],
    "generation": lambda w: str(w["generation"]),
    "pid": lambda w: UNKNOWN if w["pid"] is None else str(w["pid"]),
    "cpu": lambda w: number(w["cpu_percent"]),
    "memory": lambda w: size(w["rss_bytes"]),
    "rate": lambda w: number(w["requests_per_second"]),
    "in-flight": of_backend("in_flight", count),
    "response": of_backend("response_ms", number),
    "fds": lambda w: count(w["fds"]),
    "threads": lambda w: count(w["threads"]),
    "restarts": lambda w: count(w["restarts"]),
    "uptime": lambda w: duration(w["uptime_seconds"]),
    "backend": lambda w: w["backend"].split("/", 1)[1] if w["backend"] else UNKNOWN,
    "check": of_backend("health_reason", lambda said: said or UNKNOWN),
}
BACKEND: Cells = {
    "name": lambda b: f"{b['upstream']}/{b['name']}",
    "worker": lambda b: b["worker"] or "not ours",
    "in-flight": lambda b: count(b["in_flight"]),
    "queued": lambda b: count(b["queued"]),
    "rate": lambda b: number(b["requests_per_second"]),
    "errors": lambda b: number(b["errors_per_second"]),
    "response": lambda b: number(b["response_ms"]),
    "weight": lambda b: count(b["weight"]),
    "address": lambda b: b["address"],
    "proxy": lambda b: b["proxy"],
    "check": lambda b: b["health_reason"] or UNKNOWN,
}
WORDS = {"state", "serving", "why", "health", "rotation", "cpu-graph", "rate-graph"}
"""Columns without a number of their own."""


def backends(snapshot: Json) -> dict[str, Json]:
    return {
        f"{proxy['name']}/{upstream['name']}/{backend['name']}": {
            **backend,
            "proxy": proxy["name"],
            "upstream": upstream["name"],
            "age": proxy["seen_seconds_ago"],
        }
        for proxy in snapshot["proxies"]
        for upstream in proxy["upstreams"]
        for backend in upstream["backends"]
    }


def workers(snapshot: Json) -> dict[str, Json]:
    filled = backends(snapshot)
    return {
        worker["id"]: {**worker, "filled": filled.get(worker["backend"]), "newest": pool["generation"]}
        for pool in snapshot["pools"]
        for worker in pool["workers"]
    }


def drawn(s: Driver, table: LiveTable[Any]) -> dict[str, dict[str, str]]:
    """The cells of every line of a table, by the first cell and the column's key."""
    region, found = table.region, {}
    for line in s.lines()[region.y + 1 : region.y + 1 + len(table.order)]:
        left, cells = region.x, {}
        for placed in table._placed:
            cells[placed.column.key] = line[left : left + placed.width].strip()
            left += placed.width + 1
        found[cells[table.columns[0].key]] = cells
    return found


def wrong_cells(s: Driver, table: LiveTable[Any], rows: dict[str, Json], cells: Cells) -> list[str]:
    """Where a table says something else than the JSON; and columns and rows that it does not show."""
    shown = {placed.column.key for placed in table._placed}
    first = table.columns[0].key
    assert shown - WORDS == cells.keys(), "a column is not compared, or not shown"
    there = drawn(s, table)
    meant = {cells[first](row): {key: said(row) for key, said in cells.items()} for row in rows.values()}
    assert there.keys() == meant.keys()
    return [
        f"{name} {key}: {there[name][key]!r} is drawn, {said!r} is meant"
        for name, row in meant.items()
        for key, said in row.items()
        if there[name][key] != said
    ]


def header(snapshot: Json) -> list[str]:
    """What must stand in the first three lines, while no operation is under way."""
    host, pools = snapshot["host"], snapshot["pools"]
    free, total = host["memory_available_bytes"], host["memory_total_bytes"]
    rows = backends(snapshot).values()
    known = {key: [row[key] for row in rows if row[key] is not None] for key in GAUGES}
    sums = {key: sum(values) if values else None for key, values in known.items()}
    flying, queued = (UNKNOWN if sums[key] is None else f"{sums[key]:.0f}" for key in ("in_flight", "queued"))
    return [
        f"{sum(pool['ready'] for pool in pools)}/{sum(pool['desired'] for pool in pools)} serving",
        f"{number(host['cpu_percent'])}% of {host['cpus']} cores",
        f"{size(None if None in (free, total) else total - free)}/{size(total)}",
        " ".join(f"{one:.1f}" for one in host["load"]),
        f"{number(sums['requests_per_second'])}/s   ERR {number(sums['errors_per_second'])}/s",
        f"IN FLIGHT {flying}   QUEUE {queued}",
        clock(snapshot["time"]),
    ]


def backend_pane(row: Json) -> list[str]:
    """The figures beside its graphs."""
    return [number(row[key]) for key in ("requests_per_second", "errors_per_second", "response_ms")]


def worker_pane(row: Json) -> list[str]:
    """What the head and the graphs of a worker must say, in the pane and on its page."""
    said = [f"pid {row['pid'] or UNKNOWN}  up {duration(row['uptime_seconds'])}  @{row['generation']}"]
    if row["restarts"]:
        said.append(f"restarts {row['restarts']}")
    if row["filled"]:
        said.append(f"weight {count(row['filled']['weight'])}")
    if row["pid"] is not None:
        said += [f"{number(row['cpu_percent'])}%", size(row["rss_bytes"])]
    return said


def worker_facts(row: Json) -> dict[str, str]:
    return {
        "generation": str(row["generation"])
        + (f" (the pool's is {row['newest']})" if row["newest"] != row["generation"] else ""),
        "started": f"{clock(row['started'])}, up {duration(row['uptime_seconds'])}",
        "cpu": f"{number(row['cpu_percent'])} % of one core",
        "memory": size(row["rss_bytes"]),
        "open files": count(row["fds"]),
        "threads": count(row["threads"]),
        "processes": f"{count(row['processes'])}, itself and its children",
        "requests": f"{number(row['requests_per_second'])}/s, says {row['requests_source'] or 'nobody'}",
        "reading": ago(row["sampled_seconds_ago"]),
        "restarts": str(row["restarts"]),
    }


def backend_facts(row: Json) -> dict[str, str]:
    return {
        "in flight": count(row["in_flight"]),
        "queued": count(row["queued"]),
        "requests": f"{number(row['requests_per_second'])}/s, {count(row['requests_total'])} in all",
        "errors": f"{number(row['errors_per_second'])}/s",
        "response": f"{number(row['response_ms'])} ms",
        "reading": ago(row["age"]),
        **row["counters"],
    }


def pool_facts(pool: Json) -> dict[str, str]:
    return {
        "cpu": f"{number(pool['cpu_percent'])} % of one core, all together",
        "memory": f"{size(pool['rss_bytes'])}, all together",
        "requests": f"{number(pool['requests_per_second'])}/s",
        "restarts": str(sum(worker["restarts"] for worker in pool["workers"])),
    }


def wrong_facts(text: list[str], facts: dict[str, str]) -> list[str]:
    """Facts that the page does not tell so; the first line of a name counts, for names of events are no facts."""
    found = {}
    for name in facts:
        pattern = re.compile(rf"(?:^|  ){re.escape(name)} {{2,}}(\S+(?: \S+)*)")
        told = (match[1] for line in text if (match := pattern.search(line.strip(" │▐"))))
        found[name] = next(told, None)
    return [f"{name}: {found[name]!r} is drawn, {said!r} is meant" for name, said in facts.items()
            if found[name] != said]  # fmt: skip


def assert_main(s: Driver, snapshot: Json) -> None:
    """Both tables, and the header."""
    ours, theirs = workers(snapshot), backends(snapshot)
    assert wrong_cells(s, s.main.worker_table, ours, WORKER) == []
    assert wrong_cells(s, s.main.backend_table, theirs, BACKEND) == []
    top = "\n".join(s.lines()[:3])
    assert [said for said in header(snapshot) if said not in top] == [], top


async def assert_pages(s: Driver, snapshot: Json) -> None:
    """The page of every worker, backend and pool."""
    found = []
    for facts, rows in (
        (worker_facts, workers(snapshot)),
        (backend_facts, backends(snapshot)),
        (pool_facts, {pool["name"]: pool for pool in snapshot["pools"]}),
    ):
        for name, row in rows.items():
            s.main.show_page(name)
            await s.until(lambda: s.app.screen is not s.main and bool(s.app.screen.query("Pager")))
            await s.pilot.pause(0.05)
            found += [f"{name}: {wrong}" for wrong in wrong_facts(s.lines(), facts(row))]
            await s.press("escape")
    assert found == []
