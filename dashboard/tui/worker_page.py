"""The page of one worker as lines: what it is, how it was started, how it goes, how those before it ended."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.mirror import Mirror, WorkerView
from dashboard.tui.facts import NAMED, beside, fact, folded, history, section, worker_graphs, worker_head
from dashboard.tui.hour import Hour, hour_lines
from dashboard.tui.ink import Line
from dashboard.tui.say import UNKNOWN, ago, clock, count, duration, number, plural, size
from dashboard.tui.states import LEVELS

Detail = Mapping[str, Any]
"""What GET /v1/workers/{id} answers; empty until it has."""

BESIDE = 100
"""Cells from which graphs stand at the right of the facts."""
LOG_SHOWN = 8


def worker_page(
    mirror: Mirror, view: WorkerView, width: int, detail: Detail, log: Sequence[Line], hour: Hour | None = None
) -> list[Line]:
    """All that is known of one worker."""
    lines = [*worker_head(view), ()]
    wide = width >= BESIDE
    each = (width - 3) // 2 if wide else width
    facts = [*worker_facts(view), (), *started_by(detail, each)]
    graphs = worker_graphs(view, each, 5 if wide else 3)
    if view.worker.pid is None:
        # Nobody runs there: why is the first question.
        lines += deaths(view, detail)
    lines += beside(facts, graphs, width) if wide else [*facts, (), *graphs]
    lines += [(), *deaths(view, detail)] if view.worker.pid is not None else [()]
    lines += hour_lines(hour, width) if hour is not None else []
    shown = log[-LOG_SHOWN:] or [(("  no line read yet", "dim"),)]
    lines += section("log (l: all of it, followed and searched)", shown)
    subjects = (view.worker.id, *([view.worker.backend] if view.worker.backend else ()))
    return [*lines, *history(mirror.events, subjects)]


def worker_facts(view: WorkerView) -> list[Line]:
    worker = view.worker
    rollout = view.pool.rollout
    wanted = rollout.to_generation if rollout else view.pool.generation
    outdated = worker.generation != wanted
    generation = f"{worker.generation}" + (f" (the pool's is {wanted})" if outdated else "")
    return [
        fact("pool", view.pool.name),
        fact("generation", generation, "drain" if outdated else "text"),
        fact("address", worker.address or UNKNOWN),
        fact("started", f"{clock(worker.started)}, up {duration(worker.uptime_seconds)}"),
        fact("cpu", f"{number(worker.cpu_percent)} % of one core"),
        fact("memory", size(worker.rss_bytes)),
        fact("open files", count(worker.fds)),
        fact("threads", count(worker.threads)),
        fact("processes", f"{count(worker.processes)}, itself and its children"),
        fact("requests", f"{number(worker.requests_per_second)}/s, says {worker.requests_source or 'nobody'}"),
        fact("reading", ago(worker.sampled_seconds_ago)),
        fact("restarts", str(worker.restarts), "warn" if worker.restarts else "text"),
    ]


def started_by(detail: Detail, width: int) -> list[Line]:
    """Command, environment, limits and questions: as the spec of its generation has them."""
    if not detail:
        return [fact("command", "asking the engine …", "dim")]
    command = detail.get("command")
    said = shlex.join(map(str, command)) if isinstance(command, list) else UNKNOWN
    lines = [
        *folded(fact("command", said), width, NAMED),
        *folded(fact("directory", _text(detail, "cwd")), width, NAMED),
    ]
    env = _table(detail, "env")
    for at, (name, value) in enumerate(sorted(env.items())):
        lines += folded(fact("" if at else "environment", f"{name}={value}"), width, NAMED)
    limits = _table(detail, "limits")
    memory = limits.get("memory")
    limited = [f"memory {size(memory)}"] if isinstance(memory, int) else []
    limited += [f"open files {limits['nofile']}"] if limits.get("nofile") else []
    lines.append(fact("limits", ", ".join(limited) or "none"))
    lines.append(fact("ready", question(_table(detail, "ready"), "as soon as it runs")))
    lines.append(fact("alive", question(_table(detail, "alive"), "not asked")))
    stop = _table(detail, "stop")
    timeout = stop.get("timeout")
    after = f", KILL after {duration(timeout)}" if isinstance(timeout, int | float) else ""
    lines.append(fact("stop", f"{stop.get('signal', 'TERM')}{after}"))
    for path in dict.fromkeys(map(str, _table(detail, "logs").values())):
        lines += folded(fact("log file", path), width, NAMED)
    return lines


def question(asked: Mapping[str, Any], unasked: str) -> str:
    """`GET /healthz, every 250 ms, given up after 30s`."""
    if path := asked.get("http"):
        said = f"GET {path}"
    elif asked.get("tcp"):
        said = "a TCP connection"
    elif asked.get("notify"):
        said = "READY=1 by sd_notify"
    elif pattern := asked.get("log"):
        said = f"a line that matches {pattern}"
    else:
        return unasked
    if isinstance(every := asked.get("every"), int | float):
        said += f", every {number(every)} s"
    if isinstance(timeout := asked.get("timeout"), int | float):
        said += f", within {duration(timeout)}"
    if failures := asked.get("failures"):
        said += f", {failures} failures"
    return said


def deaths(view: WorkerView, detail: Detail) -> list[Line]:
    """Those who filled the slot before, newest first: when, why, and their last words."""
    ends = detail.get("ends")
    found: list[Mapping[str, Any]] = (
        [end for end in ends if isinstance(end, dict)] if isinstance(ends, list) else []
    )
    if not found and view.worker.last_exit is not None:
        last = view.worker.last_exit
        found = [{"time": last.time, "code": last.code, "why": last.why, "last_lines": last.last_lines}]
    if not found:
        return section("last exits", [(("  none in this slot", "dim"),)])
    lines: list[Line] = []
    for end in found:
        wanted = end.get("code") == 0
        look = LEVELS["info"] if wanted else LEVELS["error"]
        token = "text" if wanted else "warn"
        time, why = _text(end, "time"), _text(end, "why")
        lines.append(((f" {clock(time)} ", "dim"), (f"{look.glyph} ", token), (why, token)))
        last_lines = end.get("last_lines")
        for said in last_lines if isinstance(last_lines, list | tuple) else ():
            lines.append((("          │ ", "dim"), (str(said), "text")))
    recent = detail.get("deaths_in_window")
    counted = (
        f", {plural(recent, 'death')} that count towards giving up" if isinstance(recent, int) and recent else ""
    )
    return section(f"last exits{counted}", lines)


def _table(detail: Detail, key: str) -> Mapping[str, Any]:
    found = detail.get(key)
    return found if isinstance(found, dict) else {}


def _text(detail: Mapping[str, Any], key: str) -> str:
    found = detail.get(key)
    return UNKNOWN if found is None else str(found)
