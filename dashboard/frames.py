"""One picture of the cluster as lines of text, made from the plain data of `status --json`."""

from collections.abc import Callable, Iterator
from typing import Any

from dashboard.say import UNKNOWN, clock, count, duration, local, number, plural, size, word
from dashboard.table import Column, Paper, columns, sentence

Row = dict[str, Any]

_POOL = tuple(
    Column(t, t not in ("POOL", "NOTE")) for t in ("POOL", "READY", "GEN", "CPU%", "MEM", "REQ/S", "NOTE")
)
_WORKER: tuple[tuple[Column, Callable[[Row], str]], ...] = (
    (Column("WORKER"), lambda w: word(w.get("id"))),
    (Column("STATE"), lambda w: word(w.get("phase"))),
    (Column("PID", True, 2), lambda w: count(w.get("pid"))),
    (Column("GEN", True, 1), lambda w: count(w.get("generation"))),
    (Column("CPU%", True), lambda w: number(w.get("cpu_percent"))),
    (Column("MEM", True), lambda w: size(w.get("rss_bytes"))),
    (Column("REQ/S", True), lambda w: number(w.get("requests_per_second"))),
    (Column("THR", True, 6), lambda w: count(w.get("threads"))),
    (Column("FDS", True, 5), lambda w: count(w.get("fds"))),
    (Column("RST", True, 1), lambda w: count(w.get("restarts"))),
    (Column("UP", True, 1), lambda w: duration(w.get("uptime_seconds"))),
    (Column("ADDRESS", spare=7), lambda w: word(w.get("address"))),
    (Column("BACKEND", spare=4), lambda w: word(w.get("backend"))),
    (Column("WHY"), lambda w: why(w)),
)
_BACKEND: tuple[tuple[Column, Callable[[Row], str]], ...] = (
    (Column("BACKEND"), lambda b: str(b["path"])),
    (Column("WORKER", spare=1), lambda b: word(b.get("worker"))),
    (Column("HEALTH"), lambda b: word(b.get("health"))),
    (Column("ROTATION"), lambda b: word(b.get("rotation"))),
    (Column("IN-FLIGHT", True), lambda b: count(b.get("in_flight"))),
    (Column("QUEUED", True, 1), lambda b: count(b.get("queued"))),
    (Column("REQ/S", True), lambda b: number(b.get("requests_per_second"))),
    (Column("ERR/S", True), lambda b: number(b.get("errors_per_second"))),
    (Column("MS", True, 2), lambda b: number(b.get("response_ms"))),
    (Column("ADDRESS", spare=3), lambda b: word(b.get("address"))),
    (Column("REASON"), lambda b: _reason(b)),
)


def frame(snapshot: Row, paper: Paper) -> list[str]:
    """Header, pools, workers, backends, operations under way, warnings."""
    lines = [*_header(snapshot, paper), ""]
    if pools := snapshot.get("pools") or []:
        lines += columns(_POOL, [_pool(pool) for pool in pools], paper)
        workers = [worker for pool in pools for worker in pool.get("workers") or ()]
        lines += ["", *_listed(_WORKER, workers, paper)]
    else:
        lines.append("no pools")
    if backends := list(backend_rows(snapshot)):
        lines += ["", *_listed(_BACKEND, backends, paper)]
    return lines + _remarks(snapshot, paper)


def event_line(event: Row, paper: Paper) -> str:
    """`12:03:11 web.0: killed by KILL (uid 0)`."""
    level = str(event.get("level") or "info")
    said, actor = local(str(event.get("text") or "")), str(event.get("actor") or "")
    asker = f" ({actor})" if actor and actor not in said else ""
    text = f"{clock(event.get('time'))} {word(event.get('subject'))}: {said}{asker}"
    return sentence(text, paper, {"warning": "busy", "error": "bad"}.get(level))


def why(worker: Row) -> str:
    """Why a worker is as it is; else how the one before it in its slot ended."""
    if worker.get("why"):
        return str(worker["why"])
    last = worker.get("last_exit")
    return f"last exit {clock(last.get('time'))}: {last.get('why')}" if last and not last.get("expected") else ""


def _header(snapshot: Row, paper: Paper) -> list[str]:
    host, engine = snapshot.get("host") or {}, snapshot.get("engine") or {}
    load = " ".join(f"{one:.2f}" for one in host.get("load") or ()) or UNKNOWN
    free, total = size(host.get("memory_available_bytes")), size(host.get("memory_total_bytes"))
    first = f"{snapshot.get('cluster')}  {clock(snapshot.get('time'))}"
    machine = (
        f"host: cpu {number(host.get('cpu_percent'))}% of {plural(host.get('cpus') or 0, 'core')}, "
        f"memory {free} free of {total}, load {load}"
    )
    own = (
        f"clusterctl {engine.get('version')}: engine {count(engine.get('pid'))}, "
        f"keeper {count(engine.get('keeper_pid'))}, cpu {number(engine.get('cpu_percent'))}%, "
        f"memory {size(engine.get('rss_bytes'))}"
    )
    proxies = [_proxy(proxy, paper) for proxy in snapshot.get("proxies") or ()]
    return [sentence(first, paper, "head"), sentence(machine, paper), sentence(own, paper), *proxies]


def _proxy(proxy: Row, paper: Paper) -> str:
    named = f"proxy {proxy.get('name')}: {proxy.get('kind')} {word(proxy.get('version'))}"
    front = f" on {proxy['front']}" if proxy.get("front") else ""
    if proxy.get("reachable"):
        limited = f"; watched only: {proxy['limited']}" if proxy.get("limited") else ""
        return sentence(f"{named}{front}{limited}", paper)
    age = proxy.get("seen_seconds_ago")
    seen = f"last seen {duration(age)} ago" if age is not None else "not seen yet"
    return sentence(f"{named}{front}: unreachable, {seen}: {proxy.get('why') or 'no reason known'}", paper, "bad")


def _pool(pool: Row) -> list[str]:
    rollout = pool.get("rollout")
    notes = ["stopped"] if pool.get("stopped") else []
    notes += [rolling(rollout)] if rollout else []
    notes += [str(pool["why"])] if pool.get("why") else []
    phases = [worker.get("phase") for worker in pool.get("workers") or ()]
    notes += [f"{phases.count(phase)} {phase}" for phase in ("failed", "backing-off") if phase in phases]
    return [
        word(pool.get("name")),
        f"{pool.get('ready')}/{pool.get('desired')}",
        count(pool.get("generation")),
        number(pool.get("cpu_percent")),
        size(pool.get("rss_bytes")),
        number(pool.get("requests_per_second")),
        "; ".join(notes),
    ]


def rolling(rollout: Row) -> str:
    """One sentence about a rollout under way."""
    text = (
        f"rollout {rollout.get('operation')} {rollout.get('phase')}: generation "
        f"{rollout.get('from_generation')} to {rollout.get('to_generation')}, "
        f"{rollout.get('replaced')} of {rollout.get('total')} replaced"
    )
    text += f", waiting for {rollout['waiting_for']}" if rollout.get("waiting_for") else ""
    return text + (f": {rollout['why']}" if rollout.get("why") else "")


def backend_rows(snapshot: Row) -> Iterator[Row]:
    for proxy in snapshot.get("proxies") or ():
        old = None if proxy.get("reachable") else proxy.get("seen_seconds_ago")
        for upstream in proxy.get("upstreams") or ():
            for backend in upstream.get("backends") or ():
                path = f"{proxy.get('name')}/{upstream.get('name')}/{backend.get('name')}"
                yield {**backend, "path": path, "old": old}


def _reason(backend: Row) -> str:
    """The health's reason; what a proxy that is away said last carries its age."""
    said = word(backend.get("health_reason"))
    return said if backend.get("old") is None else f"{duration(backend['old'])} old: {said}"


def _listed(table: tuple[tuple[Column, Callable[[Row], str]], ...], rows: list[Row], paper: Paper) -> list[str]:
    return columns([column for column, _ in table], [[cell(row) for _, cell in table] for row in rows], paper)


def _remarks(snapshot: Row, paper: Paper) -> list[str]:
    lines = [
        sentence(f"operation {one.get('id')}: {one.get('verb')}: {one.get('progress')}", paper, "busy")
        for one in snapshot.get("operations") or ()
        if one.get("phase") == "running"
    ]
    warnings = [*(snapshot.get("warnings") or ())]
    for pool in snapshot.get("pools") or ():
        warnings += [f"{pool.get('name')}: {one}" for one in pool.get("warnings") or ()]
    lines += [sentence(f"warning: {one}", paper, "busy") for one in warnings]
    return ["", *lines] if lines else []
