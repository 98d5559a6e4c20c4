"""The page of one backend as lines: rotation and health now and before, traffic, every counter of the proxy."""

from dashboard.mirror import BackendView, Mirror, Turn
from dashboard.tui.facts import backend_graphs, backend_head, beside, fact, history, section
from dashboard.tui.ink import Line, Span
from dashboard.tui.say import UNKNOWN, ago, clock, count, number, seconds_between
from dashboard.tui.say import duration as lasting
from dashboard.tui.states import HEALTH, ROTATION
from dashboard.tui.worker_page import BESIDE


def backend_page(mirror: Mirror, view: BackendView, width: int) -> list[Line]:
    """All that the proxy tells of one backend."""
    wide = width >= BESIDE
    each = (width - 3) // 2 if wide else width
    graphs = backend_graphs(view, each, 4)
    lines = [*backend_head(view), ()]
    lines += beside(backend_facts(view), graphs, width) if wide else [*backend_facts(view), (), *graphs]
    now = mirror.snapshot.time if mirror.snapshot else ""
    lines += [(), *section("health and rotation, as this screen has seen them", turns(view.turns, now))]
    upstream = f"{view.proxy.name}/{view.upstream.name}"
    lines += section(f"every counter of {view.proxy.name}", counters(view, width))
    mine = [
        event
        for event in mirror.events
        if event.subject != upstream or event.text.startswith(f"{view.upstream.name}/{view.backend.name}:")
    ]
    subjects = (view.key, upstream, *([view.worker.id] if view.worker else ()))
    return [*lines, *history(mine, subjects)]


def limits(view: BackendView) -> str:
    return f"; {view.proxy.limited}" if view.proxy.limited else ""


def backend_facts(view: BackendView) -> list[Line]:
    backend = view.backend
    asked = backend.asked_rotation.value if backend.asked_rotation else "nothing"
    return [
        fact("proxy", f"{view.proxy.name}  {view.proxy.kind} {view.proxy.version or ''}"),
        fact("can do", (", ".join(view.proxy.capabilities) or "nothing") + limits(view)),
        fact("upstream", f"{view.upstream.name}, balance {view.upstream.balance or UNKNOWN}"),
        fact("asked", asked),
        fact("in flight", count(backend.in_flight)),
        fact("queued", count(backend.queued)),
        fact("requests", f"{number(backend.requests_per_second)}/s, {count(backend.requests_total)} in all"),
        fact("errors", f"{number(backend.errors_per_second)}/s", "down" if backend.errors_per_second else "text"),
        fact("response", f"{number(backend.response_ms)} ms"),
        fact("reading", ago(view.proxy.seen_seconds_ago), "text" if view.proxy.reachable else "down"),
    ]


def turns(seen: tuple[Turn, ...], now: str) -> list[Line]:
    """One line for each time that its state changed, newest first, and how long it lasted."""
    lines: list[Line] = []
    until = now
    for turn in reversed(seen):
        health, rotation = HEALTH[turn.health], ROTATION[turn.rotation]
        spans: list[Span] = [
            (f" {clock(turn.time)} ", "dim"),
            (f"{health.text():<11}", health.token),
            (f"{rotation.text():<9}", "dim" if rotation.token == "ok" else rotation.token),
            (f"{lasting(seconds_between(turn.time, until)):>7}  ", "dim"),
            (turn.reason or "", "text"),
        ]
        lines.append(tuple(spans))
        until = turn.time
    return lines or [(("  not seen yet", "dim"),)]


def counters(view: BackendView, width: int) -> list[Line]:
    """In as many columns as there is room for, filled downwards."""
    found = sorted(view.backend.counters.items())
    if not found:
        return [(("  it gives none beyond those above", "dim"),)]
    each = 36
    columns = max(1, min(4, width // each))
    tall = -(-len(found) // columns)
    lines: list[Line] = []
    for row in range(tall):
        spans: list[Span] = []
        for name, value in found[row::tall]:
            nought = value in ("0", "", "-")
            spans += [(f"  {name[:18]:<18} ", "dim"), (f"{value[:14]:<15}", "dim" if nought else "text")]
        lines.append(tuple(spans))
    return lines
