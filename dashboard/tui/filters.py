"""What `/` understands: words, !words, key:value, cpu>80; all must hold."""

from collections.abc import Callable
from typing import Any

from dashboard.mirror import BackendView, WorkerView
from dashboard.tui.worker_columns import why

_AMOUNTS: dict[str, Callable[[WorkerView], float | None]] = {
    "cpu": lambda v: v.worker.cpu_percent,
    "mem": lambda v: v.worker.rss_bytes / 1048576 if v.worker.rss_bytes is not None else None,
    "rps": lambda v: v.worker.requests_per_second,
    "fly": lambda v: v.backend.in_flight if v.backend else None,
    "rst": lambda v: v.worker.restarts,
    "uptime": lambda v: v.worker.uptime_seconds,
    "fds": lambda v: v.worker.fds,
    "threads": lambda v: v.worker.threads,
}
_WORDS: dict[str, Callable[[WorkerView], str]] = {
    "state": lambda v: v.worker.phase,
    "pool": lambda v: v.pool.name,
    "backend": lambda v: v.worker.backend or "",
    "serving": lambda v: f"{v.backend.health.value} {v.backend.rotation.value}" if v.backend else "",
    "why": why,
}


def workers(text: str) -> Callable[[WorkerView], bool] | None:
    """A question for each row, None where nothing is asked."""
    tests = [_worker_term(term) for term in text.lower().split()]
    return (lambda view: all(test(view) for test in tests)) if tests else None


def backends(text: str) -> Callable[[BackendView], bool] | None:
    terms = text.lower().split()
    return (lambda view: all(_backend_term(term, view) for term in terms)) if terms else None


def trouble(text: str) -> str:
    """What of it is no question that can be answered; empty: all of it is."""
    for term in text.lower().split():
        term = term.removeprefix("!")
        for sign in (">", "<"):
            key, found, limit = term.partition(sign)
            if found and key not in _AMOUNTS:
                return f"{term}: {key or 'what'} is no number; {', '.join(_AMOUNTS)} are"
            if found and _amount(key, limit) is None:
                return f"{term}: {limit or 'nothing'} is no number"
        key, found, _ = term.partition(":")
        if found and key.isalpha() and key not in _WORDS:
            return f"{term}: no {key} to look at; there are {', '.join(_WORDS)}"
    return ""


def _worker_term(term: str) -> Callable[[WorkerView], bool]:
    if term.startswith("!") and len(term) > 1:
        inner = _worker_term(term[1:])
        return lambda view: not inner(view)
    for sign in (">", "<"):
        key, found, limit = term.partition(sign)
        if found and key in _AMOUNTS and (bound := _amount(key, limit)) is not None:
            return _bounded(_AMOUNTS[key], bound, sign == ">")
    key, found, word = term.partition(":")
    if found and key in _WORDS:
        read = _WORDS[key]
        return lambda view: word in read(view).lower()
    return lambda view: term in _worker_text(view)


def _bounded(read: Callable[[WorkerView], float | None], bound: float, above: bool) -> Callable[[WorkerView], bool]:
    def test(view: WorkerView) -> bool:
        value = read(view)
        return value is not None and (value > bound if above else value < bound)

    return test


def _worker_text(view: WorkerView) -> str:
    worker = view.worker
    return f"{worker.id} {worker.phase} {worker.backend or ''} {worker.pid or ''} {worker.address or ''}".lower()


def _backend_term(term: str, view: BackendView) -> bool:
    if term.startswith("!") and len(term) > 1:
        return not _backend_term(term[1:], view)
    backend = view.backend
    worker = view.worker.id if view.worker else ""
    facts: Any = (view.key, backend.address, backend.health.value, backend.rotation.value, worker)
    return term.partition(":")[2] in " ".join(facts).lower() if ":" in term else term in " ".join(facts).lower()


_UNITS = {
    "mem": {"k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0 * 1024},
    "uptime": {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0},
}


def _amount(key: str, text: str) -> float | None:
    """`200`, and with its unit `1.5g` of memory or `2h` of uptime."""
    factor = _UNITS.get(key, {}).get(text[-1:])
    try:
        return float(text[:-1]) * factor if factor is not None else float(text)
    except ValueError:
        return None
