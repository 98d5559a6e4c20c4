"""Pieces of panes and pages as lines: heads, graphs, facts, events; and the panes beside the tables."""

from collections.abc import Sequence

from rich.cells import cell_len

from dashboard.history import LONGEST, Series
from dashboard.mirror import BackendView, WorkerView
from dashboard.tui.ink import Line, Span, fit, head
from dashboard.tui.say import UNKNOWN, clock, count, duration, local, number, size
from dashboard.tui.states import HEALTH, LEVELS, ROTATION, phase
from dashboard.tui.widgets.graph import area, nice_top
from dashboard.tui.worker_columns import why
from supervisor.model.events import Event
from supervisor.model.text import clean

MEGA = 1024.0 * 1024


def worker_pane(
    view: WorkerView, width: int, height: int, log: Sequence[Line], no_log: str = "no line read yet"
) -> list[Line]:
    """Facts, graphs as high as there is room for, and the end of the log, in `height` lines."""
    lines = worker_head(view)
    left = height - len(lines)
    if view.worker.pid is None:
        return [*lines, (), *_last_words(view, log, left - 2)][:height]
    graphs = 3 if left >= 15 else 2 if left >= 6 else 0
    tall = 4 if left >= 26 else 3 if left >= 19 or 11 <= left < 15 else 2
    lines += worker_graphs(view, width, tall)[: graphs * tall]
    left = height - len(lines) - 1
    if left > 0:
        title = " log (l: all of it) "
        lines.append(((f"─{title}" + "─" * max(0, width - len(title) - 1), "dim"),))
        lines += log[-left:] if log else [((no_log, "dim"),)]
    return lines[:height]


def _last_words(view: WorkerView, log: Sequence[Line], room: int) -> list[Line]:
    """Nobody runs there: how the last one ended, and the end of the log, which is what it said."""
    last = view.worker.last_exit
    lines: list[Line] = []
    if last is not None:
        lines.append(((f"{clock(last.time)} ", "dim"), (last.why, "text" if last.expected else "warn")))
        lines += [(("  │ ", "dim"), (said, "text")) for said in last.last_lines]
    return [*lines, (("log (l: all of it)", "dim"),), *log[-max(1, room - len(lines)) :]]


def worker_head(view: WorkerView) -> list[Line]:
    worker = view.worker
    look = phase(worker.phase)
    first: list[Span] = [
        (look.text(), look.token),
        (f"  pid {worker.pid or UNKNOWN}  up {duration(worker.uptime_seconds)}", "text"),
        (f"  @{worker.generation}", "dim"),
    ]
    if worker.restarts:
        first.append((f"  restarts {worker.restarts}", "warn"))
    lines: list[Line] = [tuple(first)]
    if said := why(view):
        lines.append(((f"why {said}", look.token if look.token in ("down", "warn") else "text"),))
    if view.backend is not None and view.proxy is not None:
        health, rotation = HEALTH[view.backend.health], ROTATION[view.backend.rotation]
        paired: Line = (
            ("→ ", "dim"),
            (f"{worker.backend}", "strong"),
            (f"  {health.text()}", health.token),
            ("" if rotation.token == "ok" else f"  {rotation.word}", rotation.token),
            (f"  weight {count(view.backend.weight)}  {view.backend.health_reason or ''}", "dim"),
        )
        lines.append(paired if view.proxy.reachable else faded([paired])[0])
    return lines


def faded(lines: Sequence[Line]) -> list[Line]:
    """As something that is old is shown."""
    return [tuple((text, "dim") for text, _ in line) for line in lines]


def worker_graphs(view: WorkerView, width: int, tall: int) -> list[Line]:
    worker, history = view.worker, view.history
    memory = history.memory
    top = nice_top([one / MEGA for one in memory], 1.0) * MEGA
    lines = graph_lines("CPU", number(worker.cpu_percent), "%", history.cpu, 100.0, width, tall, "graph")
    if worker.requests_per_second is not None or any(one == one for one in history.rate):
        rate, most = number(worker.requests_per_second), nice_top(history.rate, 10.0)
        lines += graph_lines("REQ/S", rate, "", history.rate, most, width, tall, "graph2")
    lines += graph_lines("MEM", size(worker.rss_bytes), "", memory, top, width, tall, "graph", size(top))
    return lines


def graph_lines(
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


def backend_pane(view: BackendView, width: int, height: int) -> list[Line]:
    lines = backend_head(view)
    left = height - len(lines)
    graphs = 3 if left >= 9 else 2 if left >= 4 else 1
    tall = max(2, min(5, left // graphs))
    return [*lines, *backend_graphs(view, width, tall)[: graphs * tall]][:height]


def backend_graphs(view: BackendView, width: int, tall: int) -> list[Line]:
    backend, seen = view.backend, view.history
    wanted = (
        ("REQ/S", backend.requests_per_second, seen.rate, 10.0, "graph2"),
        ("ERR/S", backend.errors_per_second, seen.errors, 1.0, "down"),
        ("MS", backend.response_ms, seen.response, 10.0, "graph"),
    )
    lines: list[Line] = []
    for title, value, series, least, token in wanted:
        lines += graph_lines(title, number(value), "", series, nice_top(series, least), width, tall, token)
    return lines


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


def history(events: Sequence[Event], subjects: Sequence[str], most: int = 30) -> list[Line]:
    """What happened to it, newest first."""
    found = [event for event in reversed(events) if event.subject in subjects][:most]
    return section("what happened", [event_line(event) for event in found] or [(("  nothing yet", "dim"),)])


SUBJECT = 12
"""Cells for what an event is about; a longer name takes what it needs."""


def event_line(event: Event) -> Line:
    """Time, level, what it is about, and the sentence: in columns, so that a subject is found by eye."""
    look = LEVELS[event.level]
    quiet = look.token == "text"
    spans: list[Span] = [(f" {clock(event.time)} ", "dim"), (f"{look.glyph} ", look.token)]
    spans.append((f"{event.subject or 'cluster':<{SUBJECT}} ", "strong" if quiet else look.token))
    spans.append((local(event.text), look.token))
    # An operation's steps all carry who asked for it; it is said where that is asked, and only there.
    if event.actor and event.kind.startswith("operation") and event.actor not in event.text:
        spans.append((f"  ({event.actor})", "dim"))
    return tuple(spans)


NAMED = 13
"""Cells for the name of a fact: the longest, and a gap."""


def fact(name: str, value: str, token: str = "text") -> Line:
    return (f"{name:<{NAMED}}", "dim"), (value, token)


def section(title: str, lines: Sequence[Line]) -> list[Line]:
    return [((title, "title"),), *lines, ()]


def beside(left: Sequence[Line], right: Sequence[Line], width: int, gap: int = 3) -> list[Line]:
    """Two blocks in two columns of the same width, each line cut at its column's end."""
    each = (width - gap) // 2
    lines: list[Line] = []
    for at in range(max(len(left), len(right))):
        one = left[at] if at < len(left) else ()
        other = right[at] if at < len(right) else ()
        lines.append((*padded(one, each + gap, gap), *padded(other, each, 0)))
    return lines


def padded(line: Line, width: int, gap: int = 1) -> list[Span]:
    """A line of exactly `width` cells, the last `gap` of them empty."""
    room = width - gap
    spans: list[Span] = []
    for text, token in line:
        text, cells = fit(text, room)
        spans.append((text, token))
        room -= cells
    return [*spans, (" " * (room + gap), "text")]


def folded(line: Line, width: int, indent: int) -> list[Line]:
    """A line as often broken as it needs; what goes on is indented. Breaks at spaces where there are any."""
    lines: list[Line] = []
    row: list[Span] = []
    room = width
    for text, token in line:
        text = clean(text)
        while text:
            part = head(text, room)
            if len(part) < len(text) and (space := part.rfind(" ")) > 0:
                part = part[: space + 1]
            if not part and not row:
                return [*lines, line]  # not even one cell
            row.append((part, token))
            room -= cell_len(part)
            text = text[len(part) :]
            if text:
                lines.append(tuple(row))
                row, room = [(" " * indent, "text")], max(1, width - indent)
    return [*lines, tuple(row)]
