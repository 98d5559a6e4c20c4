"""The columns of the table of workers."""

from dashboard.mirror import WorkerView, serves
from dashboard.tui.columns import Column
from dashboard.tui.ink import Span
from dashboard.tui.say import UNKNOWN, count, duration, number, size
from dashboard.tui.states import phase, serving
from dashboard.tui.widgets.graph import nice_top, spark
from supervisor.model.phases import Rotation

SPARK = 12
HOT = 90.0
"""Percent of one core from which a figure is shown as a warning."""
OLD = 3.0
"""Seconds after which a reading is dimmed."""
FAILING = 0.05
"""Share of its requests that a backend fails from which that is a trouble, and not only a number."""


def _fresh(view: WorkerView, token: str = "text") -> str:
    old = view.worker.sampled_seconds_ago
    return "dim" if old is not None and old > OLD else token


def _state(view: WorkerView) -> Span:
    look = phase(view.worker.phase)
    return look.text(), look.token


def _generation(view: WorkerView) -> Span:
    rollout = view.pool.rollout
    outdated = view.worker.generation != (rollout.to_generation if rollout else view.pool.generation)
    return str(view.worker.generation), "drain" if outdated else "dim"


def _cpu(view: WorkerView) -> Span:
    value = view.worker.cpu_percent
    return number(value), _fresh(view, "warn" if value is not None and value >= HOT else "text")


def _cpu_graph(view: WorkerView) -> Span:
    shown = view.history.last(SPARK).cpu
    return spark(shown, SPARK, nice_top(shown, 100.0)), "graph"


def _rate_graph(view: WorkerView) -> Span:
    # One scale for the pool, or a worker that idles would look as busy as its neighbour.
    shown = view.history.last(SPARK).rate
    return spark(shown, SPARK, nice_top(shown, 10.0)), "graph2"


def _stale(view: WorkerView) -> bool:
    """What the proxy told is old."""
    return view.proxy is not None and not view.proxy.reachable


def _rate(view: WorkerView) -> Span:
    value = view.worker.requests_per_second
    return number(value), "dim" if _stale(view) or not value else "text"


def _in_flight(view: WorkerView) -> Span:
    value = view.backend.in_flight if view.backend else None
    return count(value), "text" if value and not _stale(view) else "dim"


def _response(view: WorkerView) -> Span:
    return number(view.backend.response_ms if view.backend else None), "dim"


def _restarts(view: WorkerView) -> Span:
    return count(view.worker.restarts), "warn" if view.worker.restarts else "dim"


def _backend(view: WorkerView) -> Span:
    """The path without the proxy's name: the state beside it says the rest."""
    path = view.worker.backend
    return (path.split("/", 1)[-1] if path else UNKNOWN), "dim"


def _backend_state(view: WorkerView) -> Span:
    if view.backend is None:
        # Behind a proxy, yet unknown to it: drift that an operator should see.
        lost = view.worker.backend is not None and view.worker.phase == "ready"
        return ("? lost", "warn") if lost else (UNKNOWN, "dim")
    look = serving(view.backend.health, view.backend.rotation)
    if view.proxy and not view.proxy.reachable:
        return look.text(), "dim"
    return look.text(), look.token


def _check(view: WorkerView) -> Span:
    backend = view.backend
    if backend is None:
        return UNKNOWN, "dim"
    return backend.health_reason or UNKNOWN, "dim" if serves(backend) else serving(
        backend.health, backend.rotation
    ).token


def failing(errors: float | None, requests: float | None) -> str | None:
    """What of its requests a second fails, where that is more than a number; None where it is not."""
    if not errors or errors < FAILING * (requests or 0.0):
        return None
    share = f"{min(100.0, 100 * errors / requests):.0f} % of requests fail, " if requests else "requests fail: "
    return f"{share}{number(errors)}/s"


def why(view: WorkerView) -> str:
    """Why it is as it is, in one sentence; empty where all is plain."""
    worker = view.worker
    if worker.why:
        return worker.why
    if worker.phase in ("backing-off", "failed", "starting") and worker.last_exit:
        return worker.last_exit.why
    if view.backend is None:
        return ""
    if serves(view.backend):
        known = view.proxy is not None and view.proxy.reachable
        return (failing(view.backend.errors_per_second, view.backend.requests_per_second) if known else None) or ""
    if view.backend.rotation is not Rotation.READY:
        return f"{view.backend.rotation.value}: {count(view.backend.in_flight)} in flight"
    return view.backend.health_reason or ""


def _why(view: WorkerView) -> Span:
    look, said = phase(view.worker.phase), why(view)
    if said and view.worker.phase == "ready" and view.worker.why is None and view.backend is not None:
        return said, "down" if serves(view.backend) else "dim"
    return said, look.token if look.token in ("down", "warn") else "dim"


def _state_order(view: WorkerView) -> int:
    urgency = ("down", "warn", "unknown", "start", "drain", "maint", "ok")
    return urgency.index(phase(view.worker.phase).token)


W = Column[WorkerView]

WORKER_COLUMNS: tuple[W, ...] = (
    W("worker", "WORKER", 10, 0, lambda v: (v.worker.id, "strong"), lambda v: natural(v.worker.id), flex=16),
    W("state", "STATE", 10, 0, _state, _state_order),
    W("generation", "GEN", 3, 5, _generation, lambda v: v.worker.generation, right=True),
    W("pid", "PID", 7, 11, lambda v: (str(v.worker.pid or UNKNOWN), "dim"), lambda v: v.worker.pid, right=True),
    W("cpu", "CPU%", 5, 1, _cpu, lambda v: v.worker.cpu_percent, right=True, falling=True),
    W("cpu-graph", "CPU", SPARK, 5, _cpu_graph),
    W("memory", "MEM", 5, 1, lambda v: (size(v.worker.rss_bytes), _fresh(v)),
      lambda v: v.worker.rss_bytes, right=True, falling=True),
    W("rate", "RPS", 5, 2, _rate, lambda v: v.worker.requests_per_second, right=True, falling=True),
    W("rate-graph", "RPS", SPARK, 10, _rate_graph),
    W("in-flight", "FLY", 4, 3, _in_flight, lambda v: v.backend.in_flight if v.backend else None,
      right=True, falling=True),
    W("response", "MS", 5, 6, _response, lambda v: v.backend.response_ms if v.backend else None,
      right=True, falling=True),
    W("fds", "FDS", 4, 8, lambda v: (count(v.worker.fds), "dim"), lambda v: v.worker.fds,
      right=True, falling=True),
    W("threads", "THR", 4, 8, lambda v: (count(v.worker.threads), "dim"), lambda v: v.worker.threads,
      right=True, falling=True),
    W("restarts", "RST", 4, 2, _restarts, lambda v: v.worker.restarts, right=True, falling=True),
    W("uptime", "UP", 6, 3, lambda v: (duration(v.worker.uptime_seconds), "dim"),
      lambda v: v.worker.uptime_seconds, right=True),
    W("backend", "BACKEND", 11, 7, _backend, lambda v: v.worker.backend, flex=15),
    W("serving", "SERVING", 10, 2, _backend_state, lambda v: _backend_state(v)[0]),
    W("check", "CHECK", 12, 9, _check),
    W("why", "WHY", 24, 4, _why, flex=200, measured=False),
)  # fmt: skip


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """web.9 before web.10."""
    parts: list[tuple[bool, int, str]] = []
    digits = word = ""
    for char in text:
        if "0" <= char <= "9":
            if word:
                parts.append((True, 0, word))
                word = ""
            digits += char
        else:
            if digits:
                parts.append((False, int(digits), ""))
                digits = ""
            word += char
    if word:
        parts.append((True, 0, word))
    if digits:
        parts.append((False, int(digits), ""))
    return tuple(parts)
