"""A rollout under way as lines of text: how far it is, its new workers beside the old ones, and every step."""

from collections.abc import Iterable
from typing import Any

from dashboard.frames import backend_rows, rolling
from dashboard.say import clock, count, number
from dashboard.table import Column, Paper, columns
from supervisor.model.text import clean

Row = dict[str, Any]

_COMPARED = tuple(Column(t, t != "GEN") for t in ("GEN", "WORKERS", "SERVING", "REQ/S", "ERR/S", "MS"))


def rollout_frame(snapshot: Row, pool: Row, paper: Paper) -> list[str]:
    """Of a pool that has a rollout."""
    rollout: Row = pool["rollout"]
    lines = [clean(f"{pool.get('name')}: {rolling(rollout)}")]
    backends = {row["path"]: row for row in backend_rows(snapshot)}
    live = [worker for worker in pool.get("workers") or () if worker.get("pid") is not None]
    new, old = rollout.get("to_generation"), rollout.get("from_generation")
    rows = [
        _side(f"new @{new}", [w for w in live if w.get("generation") == new], backends),
        _side(f"old @{old}", [w for w in live if w.get("generation") != new], backends),
    ]
    lines += ["", *columns(_COMPARED, rows, paper)]
    operation = next((o for o in snapshot.get("operations") or () if o.get("id") == rollout.get("operation")), None)
    steps = (operation or {}).get("steps") or ()
    return [*lines, "", *(clean(f"{clock(time)} {step}") for time, step in steps)] if steps else lines


def _side(name: str, workers: list[Row], backends: dict[str, Row]) -> list[str]:
    """One generation's figures; a worker's are summed, its answer's time is averaged. Unknown is a dash."""
    behind = [backends[w["backend"]] for w in workers if w.get("backend") in backends]
    serving = sum(b.get("rotation") == "ready" and b.get("health") in ("up", "unknown") for b in behind)
    times = [b["response_ms"] for b in behind if b.get("response_ms") is not None]
    return [
        name,
        count(len(workers)),
        count(serving if behind else None),
        number(_sum(w.get("requests_per_second") for w in workers)),
        number(_sum(b.get("errors_per_second") for b in behind)),
        number(sum(times) / len(times) if times else None),
    ]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
