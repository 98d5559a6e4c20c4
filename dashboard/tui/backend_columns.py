"""The columns of the table of backends."""

from dashboard.mirror import BackendView
from dashboard.tui.columns import Column
from dashboard.tui.ink import Span
from dashboard.tui.say import UNKNOWN, count, number
from dashboard.tui.states import HEALTH, ROTATION
from dashboard.tui.worker_columns import natural


def _token(view: BackendView, token: str) -> str:
    return token if view.proxy.reachable else "dim"


def _health(view: BackendView) -> Span:
    look = HEALTH[view.backend.health]
    return look.text(), _token(view, look.token)


def _rotation(view: BackendView) -> Span:
    look = ROTATION[view.backend.rotation]
    asked = view.backend.asked_rotation
    if asked is not None and asked is not view.backend.rotation:
        return f"{look.text()} → {asked.value}", _token(view, "warn")
    return look.text(), _token(view, "dim" if look.token == "ok" else look.token)


def _worker(view: BackendView) -> Span:
    # A backend that no worker of ours fills is normal where others share the proxy.
    return (view.worker.id, "text") if view.worker else (view.backend.worker or "not ours", "dim")


def _amount(value: int | float | None, text: str, view: BackendView) -> Span:
    return text, _token(view, "text" if value else "dim")


def _rate(view: BackendView) -> Span:
    return _amount(view.backend.requests_per_second, number(view.backend.requests_per_second), view)


B = Column[BackendView]

BACKEND_COLUMNS: tuple[B, ...] = (
    B("name", "BACKEND", 14, 0, lambda v: (f"{v.upstream.name}/{v.backend.name}", "strong"),
      lambda v: natural(v.key), flex=20),
    B("health", "HEALTH", 10, 0, _health, lambda v: v.backend.health.value),
    B("rotation", "ROTATION", 8, 1, _rotation, lambda v: v.backend.rotation.value, flex=8),
    B("worker", "WORKER", 8, 5, _worker, lambda v: v.worker.id if v.worker else None, flex=8),
    B("in-flight", "FLY", 4, 2, lambda v: _amount(v.backend.in_flight, count(v.backend.in_flight), v),
      lambda v: v.backend.in_flight, right=True, falling=True),
    B("queued", "QUE", 4, 6, lambda v: _amount(v.backend.queued, count(v.backend.queued), v),
      lambda v: v.backend.queued, right=True, falling=True),
    B("rate", "RPS", 5, 2, _rate,
      lambda v: v.backend.requests_per_second, right=True, falling=True),
    B("errors", "ERR/S", 5, 3, lambda v: (number(v.backend.errors_per_second),
      _token(v, "down" if v.backend.errors_per_second else "dim")),
      lambda v: v.backend.errors_per_second, right=True, falling=True),
    B("response", "MS", 5, 4, lambda v: (number(v.backend.response_ms), _token(v, "text")),
      lambda v: v.backend.response_ms, right=True, falling=True),
    B("weight", "WGT", 3, 7, lambda v: (count(v.backend.weight), "dim"), lambda v: v.backend.weight, right=True),
    B("address", "ADDRESS", 15, 9, lambda v: (v.backend.address, "dim"),
      lambda v: natural(v.backend.address), flex=6),
    B("proxy", "PROXY", 6, 10, lambda v: (v.proxy.name, "dim"), lambda v: v.proxy.name, flex=6),
    B("check", "CHECK", 10, 8, lambda v: (v.backend.health_reason or UNKNOWN, "dim"), flex=40, measured=False),
)  # fmt: skip
