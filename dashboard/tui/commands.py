"""What `:` understands: the verbs of the command line, a few words of the screen's own, and completion for both."""

from fnmatch import fnmatchcase

from msgspec import Struct

from dashboard.mirror import BackendView, Mirror, WorkerView
from dashboard.tui import intents
from dashboard.tui.intents import Intent, Refusal
from dashboard.tui.themes import CYCLE
from dashboard.tui.worker_columns import WORKER_COLUMNS
from dashboard.verbs import OTHERS_WORDS, find
from supervisor.model.snapshot import PoolRow


class Local(Struct, frozen=True):
    """Something that the screen does by itself."""

    action: str
    argument: str = ""


class Verb(Struct, frozen=True, kw_only=True):
    name: str
    takes: str
    help: str
    key: str = ""
    changes: bool = False


VERBS: tuple[Verb, ...] = (
    Verb(name="scale", takes="POOL=N", help="set the number of workers", key="+ - s", changes=True),
    Verb(name="restart", takes="POOL or WORKER", help="replace gracefully", key="r R", changes=True),
    Verb(name="stop", takes="POOL or WORKER", help="take down and keep down", key="x X", changes=True),
    Verb(name="start", takes="POOL or WORKER", help="bring back", key="S", changes=True),
    Verb(name="drain", takes="TARGET", help="out of rotation, finishing what is in flight", key="d", changes=True),
    Verb(name="ready", takes="TARGET", help="back into rotation", key="u", changes=True),
    Verb(name="maint", takes="TARGET", help="out of rotation, checks off", key="m", changes=True),
    Verb(
        name="rollout",
        takes="pause|resume|abort|undo|status POOL",
        help="steer a rollout, or see it",
        key="Z A V",
        changes=True,
    ),
    Verb(name="reload", takes="", help="read the configuration again", changes=True),
    Verb(name="logs", takes="POOL or WORKER", help="its log", key="l L"),
    Verb(name="show", takes="POOL, WORKER or BACKEND", help="its page", key="⏎ v"),
    Verb(name="events", takes="", help="what happened", key="e"),
    Verb(name="operations", takes="", help="what was asked for, step by step", key="o"),
    Verb(name="filter", takes="WORDS", help="show matching rows", key="/"),
    Verb(name="sort", takes="COLUMN", help="sort the workers", key="< >"),
    Verb(name="at", takes="12:01:30", help="the whole screen as it was then; `at now` comes back", key="[ {"),
    Verb(name="theme", takes="NAME", help="colours", key="t"),
    Verb(name="help", takes="", help="all keys", key="?"),
    Verb(name="quit", takes="", help="leave the screen; the cluster goes on", key="q"),
)
_BY_NAME = {verb.name: verb for verb in VERBS}
_LOCAL = {"logs", "show", "events", "operations", "filter", "sort", "at", "theme", "help", "quit"}
_ALSO = OTHERS_WORDS | {"q": "quit", "exit": "quit", "inspect": "show"}
"""What others call our verbs. Nothing is done before it was asked, in our words, so here they are understood."""
STEERING = ("pause", "resume", "abort", "undo")


def read(text: str, mirror: Mirror, read_only: bool = False) -> Intent | Refusal | Local:
    """A typed line as a change, as something for the screen, or as why it is neither."""
    name, _, rest = text.strip().removeprefix("clusterctl ").partition(" ")
    if name not in _BY_NAME and name in _ALSO:
        name, _, rest = f"{_ALSO[name]} {rest}".partition(" ")
    rest = rest.strip()
    verb = _BY_NAME.get(name)
    if verb is None and find(name) is not None:
        return Refusal(f"{name} is for a shell: clusterctl {name} {rest}".rstrip())
    if verb is None:
        near = next((v.name for v in VERBS if name and v.name.startswith(name[:2])), None)
        return Refusal(f"no verb {name!r}" + (f"; did you mean {near}?" if near else ""))
    if name in _LOCAL:
        return Local(name, rest)
    if name == "rollout" and rest.startswith("status "):
        return Local("rollout", rest.removeprefix("status ").strip())
    if verb.changes and read_only:
        return Refusal(f"{name}: this screen is read-only")
    # Flags of the command line, as in a runbook: the question that follows says what they would.
    rest = " ".join(word for word in rest.split() if not word.startswith("--"))
    if verb.takes and not rest:
        return Refusal(f"{name} what? {name} {verb.takes}")
    return _change(name, rest, mirror)


def _change(name: str, rest: str, mirror: Mirror) -> Intent | Refusal:
    if name == "reload":
        return intents.reload()
    if name == "scale":
        return _scale(rest, mirror)
    if name == "rollout":
        action, _, pool_name = rest.partition(" ")
        pool = mirror.pool(pool_name.strip())
        if action not in STEERING:
            return Refusal(f"rollout {action}? one of {', '.join(STEERING)}, status")
        return intents.steer(mirror, pool, action) if pool else Refusal(f"no pool {pool_name!r}")
    if name in ("drain", "ready", "maint"):
        backends = _backends(rest, mirror)
        return intents.rotate(mirror, backends, name) if backends else Refusal(f"no backend matches {rest!r}")
    if pool := mirror.pool(rest):
        return _pool_change(name, pool, mirror)
    workers = _workers(rest, mirror)
    if not workers:
        return Refusal(f"no pool or worker matches {rest!r}")
    if name == "restart":
        return intents.restart(mirror, workers)
    return intents.hold(mirror, workers, name == "stop")


def _pool_change(name: str, pool: PoolRow, mirror: Mirror) -> Intent | Refusal:
    if name == "restart":
        return intents.rolling(mirror, pool)
    return intents.hold_pool(mirror, pool, name == "stop")


def _scale(rest: str, mirror: Mirror) -> Intent | Refusal:
    name, found, number = rest.partition("=")
    pool = mirror.pool(name.strip())
    if pool is None:
        return Refusal(f"no pool {name.strip()!r}")
    digits = number.strip().lstrip("+-")
    if not found or not digits.isdecimal() or not digits.isascii():
        return Refusal(f"scale {name.strip()} to what? scale {name.strip()}=4, =+1 or =-1")
    amount = int(digits[:6])
    if number.strip().startswith("+"):
        amount = pool.desired + amount
    elif number.strip().startswith("-"):
        amount = pool.desired - amount
    return intents.scale(mirror, pool, amount)


def _workers(pattern: str, mirror: Mirror) -> list[WorkerView]:
    return [view for view in mirror.workers.values() if _matches(view.worker.id, pattern)]


def _backends(pattern: str, mirror: Mirror) -> list[BackendView]:
    found = [view for key, view in mirror.backends.items() if _matches(key, pattern)]
    if found:
        return found
    paths = {view.worker.backend for view in _workers(pattern, mirror)}
    return [view for key, view in mirror.backends.items() if key in paths]


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or ("*" in pattern and fnmatchcase(name, pattern))


def logged(target: str, mirror: Mirror) -> bool:
    """Whether that has a log: a pool, a worker, one of the files of its slot (`web.0+1`), a proxy that we run."""
    slot = target.rpartition("+")[0] or target
    return (
        mirror.pool(target) is not None
        or any(view.worker.id == slot for view in mirror.workers.values())
        or target in _proxies(mirror)
    )


def _proxies(mirror: Mirror) -> list[str]:
    """Those that we run ourselves."""
    return [proxy.name for proxy in mirror.snapshot.proxies if proxy.front] if mirror.snapshot else []


def complete(text: str, mirror: Mirror, read_only: bool = False) -> list[tuple[str, str]]:
    """Lines that this one may become, each with a word of explanation."""
    name, found, rest = text.lstrip().partition(" ")
    if not found:
        verbs = [verb for verb in VERBS if verb.name.startswith(name) and not (read_only and verb.changes)]
        return [
            (f"{verb.name} " if verb.takes else verb.name,
             f"{verb.takes}  {verb.help}".strip() + (f"  [{verb.key}]" if verb.key else ""))
            for verb in verbs
        ]  # fmt: skip
    return [(f"{name} {word}", said) for word, said in _targets(name, mirror) if word.startswith(rest)][:200]


def _targets(name: str, mirror: Mirror) -> list[tuple[str, str]]:
    pools = mirror.snapshot.pools if mirror.snapshot else ()
    workers = list(dict.fromkeys(view.worker.id for view in mirror.workers.values()))
    if name == "scale":
        return [(f"{pool.name}={pool.desired}", f"{pool.desired} now") for pool in pools]
    if name == "rollout":
        return [(f"{action} {pool.name}", "") for action in (*STEERING, "status") for pool in pools]
    if name in ("drain", "ready", "maint"):
        said = {view.worker.backend: view.worker.id for view in mirror.workers.values()}
        return [(key, said.get(key, "")) for key in mirror.backends] + [
            (view.worker.id, view.worker.backend) for view in mirror.workers.values() if view.worker.backend
        ]
    if name in ("restart", "stop", "start", "logs"):
        proxies = [(proxy, "embedded proxy") for proxy in _proxies(mirror)] if name == "logs" else []
        return [(pool.name, "pool") for pool in pools] + [(worker, "") for worker in workers] + proxies
    if name == "show":
        return [(pool.name, "pool") for pool in pools] + [(one, "") for one in (*workers, *mirror.backends)]
    if name == "sort":
        return [(column.key, column.title) for column in WORKER_COLUMNS if column.order]
    if name == "theme":
        return [(theme, "") for theme in CYCLE]
    return []
