"""Everything about one worker or one backend as lines: the pane beside the tables, and the page of its own."""

from collections.abc import Sequence

from dashboard.mirror import LONGEST, BackendView, Mirror, Series, WorkerView
from dashboard.tui.ink import Line, Span
from dashboard.tui.say import UNKNOWN, ago, clock, count, duration, number, size
from dashboard.tui.states import HEALTH, LEVELS, ROTATION, SLOTS, phase
from dashboard.tui.widgets.graph import area, nice_top
from dashboard.tui.worker_columns import why
from supervisor.model.events import Event

MEGA = 1024.0 * 1024


def worker_pane(view: WorkerView, width: int, height: int, log: Sequence[Line]) -> list[Line]:
    """Facts, graphs as high as there is room for, and the end of the log, in `height` lines."""
    lines = worker_head(view)
    left = height - len(lines)
    graphs = 3 if left >= 15 else 2 if left >= 6 else 0
    tall = 4 if left >= 26 else 3 if left >= 19 else 2
    lines += worker_graphs(view, width, tall)[: graphs * tall]
    left = height - len(lines) - 1
    if left > 0:
        title = " log (l: all of it) "
        lines.append(((f"─{title}" + "─" * max(0, width - len(title) - 1), "dim"),))
        lines += log[-left:] if log else [(("no line yet", "dim"),)]
    return lines[:height]


def worker_head(view: WorkerView) -> list[Line]:
    worker = view.worker
    look = phase(worker.phase)
    first: list[Span] = [
        (look.text(), look.token),
        (f"  pid {worker.pid or UNKNOWN}  up {duration(worker.uptime_seconds)}", "text"),
        (f"  restarts {worker.restarts}", "warn" if worker.restarts else "dim"),
        (f"  @{worker.generation}", "dim"),
    ]
    lines: list[Line] = [tuple(first)]
    if said := why(view):
        lines.append(((f"why {said}", look.token if look.token in ("down", "warn") else "text"),))
    if view.backend is not None and view.proxy is not None:
        health, rotation = HEALTH[view.backend.health], ROTATION[view.backend.rotation]
        lines.append(
            (
                ("→ ", "dim"),
                (f"{worker.backend}", "strong"),
                (f"  {health.text()}", health.token),
                (f"  {rotation.word}", rotation.token),
                (f"  weight {count(view.backend.weight)}  {view.backend.health_reason or ''}", "dim"),
            )
        )
    return lines


def worker_graphs(view: WorkerView, width: int, tall: int) -> list[Line]:
    worker, history = view.worker, view.history
    memory = history.memory
    top = nice_top([one / MEGA for one in memory], 1.0) * MEGA
    lines = _graph("CPU", number(worker.cpu_percent), "%", history.cpu, 100.0, width, tall, "graph")
    lines += _graph(
        "REQ/S",
        number(worker.requests_per_second),
        "",
        history.rate,
        nice_top(history.rate, 10.0),
        width,
        tall,
        "graph2",
    )
    lines += _graph("MEM", size(worker.rss_bytes), "", memory, top, width, tall, "graph", size(top))
    return lines


def _graph(
    title: str,
    value: str,
    unit: str,
    series: "Series[float]",
    top: float,
    width: int,
    tall: int,
    token: str,
    said_top: str = "",
) -> list[Line]:
    """`tall` lines: title and value at the left, the scale at the right."""
    top = nice_top(series, top) if not said_top else top
    # Two readings a cell: a wider area could only be empty.
    drawn = area(series, max(4, min(width - 14, LONGEST // 2)), tall, top)
    lines: list[Line] = []
    for at, text in enumerate(drawn):
        left = title if at == 0 else f"{value}{unit}" if at == 1 else ""
        right = (said_top or number(top)) if at == 0 else "0" if at == tall - 1 else ""
        lines.append(((f"{left:<7}", "strong" if at == 1 else "dim"), (text, token), (f" {right:<6}", "dim")))
    return lines


def worker_page(mirror: Mirror, view: WorkerView, width: int) -> list[Line]:
    """All that is known of one worker."""
    worker = view.worker
    facts: list[tuple[str, str]] = [
        ("pool", f"{view.pool.name}  generation {worker.generation} (wanted {view.pool.generation})"),
        ("address", worker.address or UNKNOWN),
        ("started", f"{clock(worker.started)}  up {duration(worker.uptime_seconds)}"),
        ("cpu", f"{number(worker.cpu_percent)} % of one core"),
        ("memory", size(worker.rss_bytes)),
        (
            "open files",
            f"{count(worker.fds)}   threads {count(worker.threads)}   processes {count(worker.processes)}",
        ),
        ("requests", f"{number(worker.requests_per_second)}/s, says {worker.requests_source or 'nobody'}"),
        ("reading", ago(worker.sampled_seconds_ago)),
        ("restarts", str(worker.restarts)),
    ]
    lines = [*worker_head(view), (), *(_fact(*fact) for fact in facts), ()]
    if worker.last_exit is not None:
        end = worker.last_exit
        lines.append((("last exit  ", "dim"), (f"{clock(end.time)}  {end.why}", "warn")))
        lines += [(("           │ ", "dim"), (line, "text")) for line in end.last_lines]
        lines.append(())
    lines += worker_graphs(view, width, 4)
    lines += [(), *history(mirror.events, (worker.id, worker.backend or worker.id))]
    return lines


def backend_pane(view: BackendView, width: int, height: int) -> list[Line]:
    lines = backend_head(view)
    tall = max(2, min(5, height - len(lines)))
    backend = view.backend
    lines += _graph(
        "REQ/S", number(backend.requests_per_second), "", view.history.rate,
        nice_top(view.history.rate, 10.0), width, tall, "graph2",
    )  # fmt: skip
    return lines[:height]


def backend_head(view: BackendView) -> list[Line]:
    backend = view.backend
    health, rotation = HEALTH[backend.health], ROTATION[backend.rotation]
    worker = view.worker.id if view.worker else "no worker of ours"
    lines: list[Line] = [
        (
            (health.text(), health.token),
            (f"  {rotation.word}", rotation.token),
            (f"  {backend.address}  weight {count(backend.weight)}", "text"),
        ),
        (("check ", "dim"), (backend.health_reason or UNKNOWN, "text")),
        (("→ ", "dim"), (worker, "strong")),
    ]
    if not view.proxy.reachable:
        seen = duration(view.proxy.seen_seconds_ago)
        lines.insert(0, ((f"▲ {view.proxy.why or 'unreachable'}; this reading is {seen} old", "down"),))
    return lines


def backend_page(mirror: Mirror, view: BackendView, width: int) -> list[Line]:
    """All that the proxy tells of one backend."""
    backend = view.backend
    asked = backend.asked_rotation.value if backend.asked_rotation else "nothing"
    facts: list[tuple[str, str]] = [
        ("proxy", f"{view.proxy.name}  {view.proxy.kind} {view.proxy.version or ''}"),
        ("can do", ", ".join(view.proxy.capabilities) or "nothing"),
        ("upstream", f"{view.upstream.name}  balance {view.upstream.balance or UNKNOWN}"),
        ("asked", asked),
        ("in flight", f"{count(backend.in_flight)}   queued {count(backend.queued)}"),
        ("requests", f"{number(backend.requests_per_second)}/s, {count(backend.requests_total)} in all"),
        ("errors", f"{number(backend.errors_per_second)}/s"),
        ("response", f"{number(backend.response_ms)} ms"),
        ("reading", ago(view.proxy.seen_seconds_ago)),
    ]
    lines = [*backend_head(view), (), *(_fact(*fact) for fact in facts), ()]
    lines += _graph("REQ/S", number(backend.requests_per_second), "", view.history.rate, 10.0, width, 4, "graph2")
    lines += [(), *history(mirror.events, (view.key, view.worker.id if view.worker else view.key))]
    if backend.counters:
        lines += [(), (("every counter of the proxy", "title"),)]
        lines += [((f"  {name:<22}", "dim"), (value, "text")) for name, value in sorted(backend.counters.items())]
    return lines


def history(events: Sequence[Event], subjects: tuple[str, ...]) -> list[Line]:
    """What happened to it, newest first."""
    found = [event for event in reversed(events) if event.subject in subjects][:30]
    return [
        (("what happened", "title"),),
        *([event_line(event) for event in found] or [(("  nothing yet", "dim"),)]),
    ]


def event_line(event: Event) -> Line:
    look = LEVELS[event.level]
    spans: list[Span] = [(f" {clock(event.time)} ", "dim"), (f"{look.glyph} ", look.token)]
    if event.subject and event.subject not in event.text:
        spans.append((f"{event.subject}: ", look.token if look.token != "text" else "strong"))
    spans.append((event.text, look.token))
    if event.actor:
        spans.append((f"  ({event.actor})", "dim"))
    return tuple(spans)


def rollout_cells(slots: Sequence[str]) -> Line:
    """One cell a slot, filling as they are replaced."""
    return tuple((SLOTS.get(word, SLOTS["old"]).glyph + " ", SLOTS.get(word, SLOTS["old"]).token) for word in slots)


def _fact(name: str, value: str) -> Line:
    return (f"{name:<11}", "dim"), (value, "text")
