"""What a key or a typed verb would do: exact targets, the numbers that matter, the same as a verb, the requests."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from dashboard.answers import quoted
from dashboard.mirror import BackendView, Mirror, WorkerView, serves
from dashboard.tui.ink import Line
from dashboard.tui.say import count, number, plural, size
from supervisor.model.snapshot import PoolRow, RolloutRow

DOWN = ("stopped", "failed")
"""Nobody fills the slot, and no next try is due: an operator, or too many deaths, keep it down."""


class Ask(Struct, frozen=True, kw_only=True):
    """One request to the API."""

    method: str
    path: str
    body: dict[str, object] = {}
    verb: str
    """The same as typed: `drain web.0`."""
    scales: str = ""
    """The pool whose number of workers it sets."""


class Intent(Struct, frozen=True, kw_only=True):
    """A change, told before it is done."""

    title: str
    button: str
    asks: tuple[Ask, ...]
    lines: tuple[Line, ...] = ()
    grave: bool = False
    """Cancel is the button that enter presses."""
    sure: bool = False
    """The engine would ask again: going on sends `yes`."""
    stays: bool = False
    """Long enough to be watched on a page of its own."""
    rolls: str = ""
    """The pool of which it is a rollout."""

    @property
    def verbs(self) -> tuple[str, ...]:
        return tuple(f"clusterctl {ask.verb}" + (" --yes" if self.sure else "") for ask in self.asks)


class Refusal(Struct, frozen=True):
    """Why it cannot be done, or that there is nothing to do."""

    why: str


_ROTATIONS = {"drain": ("Drain", "drain"), "ready": ("Put back", "ready"), "maint": ("Maintenance for", "maint")}


def rotate(mirror: Mirror, targets: Sequence[BackendView], rotation: str) -> Intent | Refusal:
    """Drain, ready or maint of backends, with what is left to serve."""
    if not targets:
        return Refusal("no backend is chosen: this worker has none at a proxy")
    for target in targets:
        if rotation != "ready" and rotation not in target.proxy.capabilities:
            why = f": {target.proxy.limited}" if target.proxy.limited else ""
            return Refusal(f"{target.proxy.name} ({target.proxy.kind}) cannot do {rotation}{why}")
    todo = [one for one in targets if (one.backend.asked_rotation or one.backend.rotation).value != rotation]
    if not todo:
        return Refusal(f"{_named(targets)}: {rotation} already")
    lines: list[Line] = [
        (
            (f"{one.key}", "strong"),
            (f"  {_flight(one)}  {number(one.backend.requests_per_second)} req/s", "text"),
        )
        for one in todo[:6]
    ]
    if len(todo) > 6:
        lines.append(((f"and {len(todo) - 6} more", "dim"),))
    last = False
    if rotation != "ready":
        left, last = _left(mirror, todo)
        lines += left
    label, verb = _ROTATIONS[rotation]
    return Intent(
        title=f"{label} {_named(todo)}?",
        button={"drain": "Drain", "ready": "Put back", "maint": "Maintenance"}[rotation],
        asks=tuple(_rotation_ask(one, verb) for one in todo),
        lines=tuple(lines),
        grave=last,
        sure=last,
    )


def _rotation_ask(view: BackendView, rotation: str) -> Ask:
    path = "/".join(quoted(part) for part in (view.proxy.name, view.upstream.name, view.backend.name))
    target = view.worker.id if view.worker else view.key
    return Ask(
        method="PATCH", path=f"/v1/backends/{path}", body={"rotation": rotation}, verb=f"{rotation} {typed(target)}"
    )


def typed(word: str) -> str:
    """As a shell takes it."""
    if word and all(char.isalnum() or char in "._-/:=+,@%" for char in word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def _named(views: Sequence[BackendView]) -> str:
    return views[0].key if len(views) == 1 else plural(len(views), "backend")


def _flight(view: BackendView) -> str:
    return f"{count(view.backend.in_flight)} in flight"


def _left(mirror: Mirror, leaving: Sequence[BackendView]) -> tuple[list[Line], bool]:
    """How many of each upstream still serve afterwards; and whether one would be left with none."""
    lines: list[Line] = []
    none_left = False
    gone = {one.key for one in leaving}
    for name, view in {f"{one.proxy.name}/{one.upstream.name}": one for one in leaving}.items():
        all_of_it = [f"{name}/{backend.name}" for backend in view.upstream.backends if serves(backend)]
        left = [key for key in all_of_it if key not in gone]
        if not all_of_it:
            lines.append(((f"{name}: nothing serves it already", "warn"),))
            continue
        share = 100 * len(left) // len(all_of_it)
        token = "down" if not left else "warn" if share < 50 else "text"
        lines.append(((f"left after this: {len(left)} of {len(all_of_it)} serve {name} ({share} %)", token),))
        if not left:
            none_left = True
            lines.append((("the last ready backend: requests will be refused", "down"),))
    return lines, none_left


def scale(mirror: Mirror, pool: PoolRow, wanted: int) -> Intent | Refusal:
    """Another number of workers."""
    if wanted == pool.desired:
        return Refusal(f"{pool.name}: {plural(wanted, 'worker')} already")
    if wanted < 0:
        return Refusal("fewer than none cannot be")
    change = wanted - pool.desired
    lines: list[Line] = []
    host = mirror.snapshot.host if mirror.snapshot else None
    if change > 0:
        known = [worker.rss_bytes for worker in pool.workers if worker.rss_bytes]
        if known and host and host.memory_available_bytes is not None:
            each = sum(known) // len(known)
            short = each * change > host.memory_available_bytes
            lines.append(
                ((f"memory  +{change} × ~{size(each)}, {size(host.memory_available_bytes)} free",
                  "warn" if short else "text"),)
            )  # fmt: skip
        if host and wanted > host.cpus:
            lines.append(((f"▲ {wanted} workers on {plural(host.cpus, 'core')}", "warn"),))
    else:
        leaving = pool.workers[wanted:]
        names = ", ".join(worker.id for worker in leaving[:5]) + (" …" if len(leaving) > 5 else "")
        lines.append(((f"highest slots go first: {names}", "text"),))
        backends = [mirror.backends[one.backend] for one in leaving if one.backend in mirror.backends]
        if backends:
            flying = sum(one.backend.in_flight or 0 for one in backends)
            lines.append(((f"drained before: {plural(flying, 'request')} in flight", "text"),))
    if wanted == 0:
        lines.append((("nothing will be left to serve", "down"),))
    return Intent(
        title=f"Scale {pool.name}",
        button="Apply",
        asks=(
            Ask(method="PATCH", path=f"/v1/pools/{quoted(pool.name)}", body={"desired": wanted},
                verb=f"scale {typed(pool.name)}={wanted}", scales=pool.name),
        ),
        lines=tuple(lines),
        grave=wanted == 0,
        sure=wanted == 0,
    )  # fmt: skip


def restart(mirror: Mirror, targets: Sequence[WorkerView]) -> Intent | Refusal:
    if not targets:
        return Refusal("no worker is chosen")
    return Intent(
        title=f"Restart {_workers(targets)}?",
        button="Restart",
        asks=tuple(
            Ask(method="POST", path=f"/v1/workers/{quoted(slot)}/restart", verb=f"restart {typed(slot)}")
            for slot in _slots(targets)
        ),
        lines=_workers_now(mirror, targets),
    )


def hold(mirror: Mirror, targets: Sequence[WorkerView], stopped: bool) -> Intent | Refusal:
    """Stop: down, and kept down; or start again."""
    if not targets:
        return Refusal("no worker is chosen")
    todo = [one for one in targets if (one.worker.phase != "stopped" if stopped else one.worker.phase in DOWN)]
    if not todo:
        return Refusal(f"{_workers(targets)}: {'stopped already' if stopped else 'neither stopped nor failed'}")
    verb = "stop" if stopped else "start"
    lines = list(_workers_now(mirror, todo))
    last = False
    if stopped:
        left, last = _left(
            mirror, [mirror.backends[b] for one in todo if (b := one.worker.backend) in mirror.backends]
        )
        lines += left
    return Intent(
        title=f"{verb.capitalize()} {_workers(todo)}?",
        button=verb.capitalize(),
        asks=tuple(
            Ask(method="PATCH", path=f"/v1/workers/{quoted(slot)}", body={"stopped": stopped},
                verb=f"{verb} {typed(slot)}")
            for slot in _slots(todo)
        ),
        lines=tuple(lines),
        grave=stopped,
        sure=last,
    )  # fmt: skip


def hold_pool(mirror: Mirror, pool: PoolRow, stopped: bool) -> Intent | Refusal:
    verb = "stop" if stopped else "start"
    if stopped and pool.stopped:
        return Refusal(f"{pool.name}: stopped already")
    down = [worker for worker in pool.workers if worker.phase in DOWN]
    if not stopped and not (pool.stopped or down):
        return Refusal(f"{pool.name}: no worker of it is stopped or failed")
    lines: list[Line] = [((plural(len(pool.workers), "worker"), "text"),)]
    if not stopped and not pool.stopped:
        lines = [((f"{plural(len(down), 'slot')} of {len(pool.workers)} tried again, deaths forgotten", "text"),)]
    if stopped:
        lines.append((("every worker is drained and stopped, and stays so", "warn"),))
    return Intent(
        title=f"{verb.capitalize()} the pool {pool.name}?",
        button=verb.capitalize(),
        asks=(
            Ask(method="PATCH", path=f"/v1/pools/{quoted(pool.name)}", body={"stopped": stopped},
                verb=f"{verb} {typed(pool.name)}"),
        ),
        lines=tuple(lines),
        grave=stopped,
        sure=stopped,
        stays=True,
    )  # fmt: skip


def rolling(mirror: Mirror, pool: PoolRow) -> Intent | Refusal:
    if pool.rollout is not None:
        return Refusal(f"{pool.name}: a rollout is under way ({pool.rollout.replaced} of {pool.rollout.total})")
    return Intent(
        title=f"Rolling restart of {pool.name}?",
        button="Restart",
        asks=(
            Ask(method="POST", path=f"/v1/pools/{quoted(pool.name)}/rollouts",
                verb=f"restart {typed(pool.name)}"),
        ),
        lines=(
            ((f"{plural(len(pool.workers), 'worker')}, slot by slot; {pool.ready} serve now", "text"),),
            ((f"generation {pool.generation} → {pool.generation + 1}; aborts at the first that fails", "dim"),),
        ),
        stays=True,
        rolls=pool.name,
    )  # fmt: skip


def toggled(pool: PoolRow) -> str:
    """What the key that holds a rollout does now: what is held, it lets go on."""
    return "resume" if pool.rollout is not None and pool.rollout.phase in ("paused", "holding") else "pause"


def steer(mirror: Mirror, pool: PoolRow, action: str) -> Intent | Refusal:
    """pause, resume, abort or undo of a rollout."""
    rollout = pool.rollout
    if rollout is None and action != "undo":
        return Refusal(f"{pool.name}: no rollout is under way")
    if rollout is not None and rollout.phase == "aborting":
        return Refusal(f"{pool.name}: its rollout is being turned back: {rollout.why or 'aborted'}")
    lines: tuple[Line, ...] = ()
    if rollout is not None:
        now = f"{rollout.replaced} of {rollout.total} replaced, {rollout.phase}"
        lines = ((now, "text"),), *((((said, "text"),),) if (said := _steered(rollout, action)) else ())
    return Intent(
        title=f"{action.capitalize()} the rollout of {pool.name}?",
        button=action.capitalize(),
        asks=(
            Ask(method="PATCH", path=f"/v1/pools/{quoted(pool.name)}/rollouts", body={"action": action},
                verb=f"rollout {action} {typed(pool.name)}"),
        ),
        lines=lines,
        stays=action in ("undo", "abort"),
        rolls=pool.name,
    )  # fmt: skip


def _steered(rollout: RolloutRow, action: str) -> str:
    left = rollout.total - rollout.replaced
    match action:
        case "pause":
            return "the slot under way is finished; then it holds until you let it go on"
        case "resume":
            return f"the {plural(left, 'slot')} left are replaced by generation {rollout.to_generation}"
        case _:
            return f"all slots go back to generation {rollout.from_generation}; new workers are drained first"


def reload() -> Intent:
    return Intent(
        title="Read the configuration again?",
        button="Reload",
        asks=(Ask(method="POST", path="/v1/reload", verb="reload"),),
    )


def _workers(targets: Sequence[WorkerView]) -> str:
    slots = _slots(targets)
    return slots[0] if len(slots) == 1 else plural(len(slots), "worker")


def _slots(targets: Sequence[WorkerView]) -> list[str]:
    return list(Counter(one.worker.id for one in targets))


def _workers_now(mirror: Mirror, targets: Sequence[WorkerView]) -> tuple[Line, ...]:
    lines: list[Line] = []
    for one in targets[:6]:
        said = f"  {one.worker.phase}"
        if one.backend is not None:
            said += f", {count(one.backend.in_flight)} in flight, drained first"
        lines.append(((one.worker.id, "strong"), (said, "text")))
    if len(targets) > 6:
        lines.append(((f"and {len(targets) - 6} more", "dim"),))
    return tuple(lines)
