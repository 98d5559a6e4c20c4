"""Every verb as data: what it is called, what it takes, an example, and where the code is that does it."""

from typing import Any, NamedTuple


class Usage(Exception):
    """A verb used wrongly; exit 2."""


class Flag(NamedTuple):
    """One argument as argparse takes it."""

    names: tuple[str, ...]
    how: dict[str, Any]


class Verb(NamedTuple):
    name: str
    does: str
    run: str
    """`module:function`, imported when the verb is used."""
    flags: tuple[Flag, ...] = ()
    example: str = ""
    changes: bool = False
    """It takes the flags of a change: --dry-run, --wait and so on."""


def _flag(*names: str, **how: Any) -> Flag:
    return Flag(names, how)


COMMON = (
    _flag("-c", "--config", metavar="FILE", help="the cluster's configuration; finds the running cluster too"),
    _flag("--socket", metavar="PATH", help="the running cluster's socket, directly"),
)
JSON = _flag("--json", action="store_true", help="the result as JSON")
TIMEOUT = _flag("--timeout", type="duration", metavar="TIME", help="how long to wait: 90, 30s, 5m; exit 6 then")
YES = _flag("-y", "--yes", action="store_true", help="go on where it would ask")
CHANGE = (
    JSON,
    _flag("--dry-run", action="store_true", help="print the plan as steps, change nothing"),
    _flag("--wait", action="store_true", default=True, help="follow to the end (the default)"),
    _flag("--no-wait", action="store_false", dest="wait", help="return at once"),
    TIMEOUT,
    YES,
)
TARGET = _flag("target", metavar="POOL|WORKER", help="a pool (web) or a worker (web.0)")
ROTATION = _flag("target", metavar="TARGET", help="PROXY/UPSTREAM/BACKEND, or the worker (web.0) behind it")
LINES = _flag("--lines", type="count", metavar="N", help="how many of the last lines first")
FOLLOW = _flag("-f", "--follow", action="store_true", help="go on as more comes")
INTERVAL = _flag("--interval", "-d", type="duration", default=1.0, metavar="S", help="seconds between two pictures")

VERBS = (
    Verb(
        "demo",
        "a throw-away cluster with light traffic, and the screen on it; quitting leaves nothing behind",
        "dashboard.demo.running:demo",
        (_flag("--no-top", action="store_true", help="without the screen, until SIGINT or SIGTERM"),),
        "clusterctl demo --no-top",
    ),
    Verb(
        "up",
        "start the cluster of a configuration",
        "dashboard.starting:up",
        (
            _flag("--detach", action="store_true", help="in the background; returns once it answers"),
            _flag("--wait", action="store_true", help="with --detach: until every pool is ready"),
            _flag("--timeout", type="duration", default=60.0, metavar="TIME", help="how long to wait (60s)"),
        ),
        "clusterctl up -c shop.toml --detach",
    ),
    Verb(
        "down",
        "stop the workers gracefully, then the engine and the keeper",
        "dashboard.ending:down",
        (
            _flag("--keep-workers", action="store_true", help="leave them serving, for the next `up` to adopt"),
            *CHANGE,
        ),
        "clusterctl down --timeout 2m",
    ),
    Verb(
        "top",
        "the screen; starts the cluster first where none runs",
        "dashboard.topping:top",
        (
            INTERVAL,
            _flag("-b", "--batch", action="store_true", help="plain frames, for logs and runbooks"),
            _flag("-n", type="count", metavar="N", help="with --batch: how many frames"),
            _flag("--read-only", action="store_true", help="without the keys that change something"),
            _flag("--theme", metavar="NAME", help="colours of the screen"),
            _flag("--record", metavar="FILE", help="keep what is shown in a new file"),
            _flag("--record-size", type="count", default=64, metavar="MIB",
                  help="how large it may get; then it gets coarser (64)"),
            _flag("--replay", metavar="FILE", help="show a recording instead of a cluster"),
            _flag("--web", action="store_true", help="in a browser on this machine; prints the address"),
            _flag("--port", type="count", default=0, metavar="N", help="with --web: the port, else a free one"),
            _flag("--ascii", action="store_true", help="no characters outside ASCII of our own"),
            _flag("--filter", metavar="WORDS", help="matching rows, as `/` does: text !text state:failed cpu>80"),
            _flag("--sort", metavar="COLUMN", help="order of the workers: worker, cpu, memory, rate, uptime …"),
            _flag("--no-color", action="store_true", help="no colours, as NO_COLOR=1"),
            _flag("--no-mouse", action="store_true", help="leave the mouse to the terminal"),
        ),
        "clusterctl top --batch -n 2 --interval 5",
    ),
    Verb("status", "the cluster in one table", "dashboard.reading:status", (JSON,), "clusterctl status --json"),
    Verb(
        "scale",
        "set the wanted number of workers",
        "dashboard.changes:scale",
        (_flag("target", metavar="POOL=N", help="web=4, web=+1 or web=-1"),),
        "clusterctl scale web=6",
        changes=True,
    ),
    Verb(
        "restart",
        "graceful restart: a rollout of a pool, or one worker replaced",
        "dashboard.changes:restart",
        (TARGET,),
        "clusterctl restart web --timeout 5m",
        changes=True,
    ),
    Verb(
        "stop",
        "take a pool or a worker down gracefully and keep it down",
        "dashboard.changes:stop",
        (TARGET,),
        "clusterctl stop jobs",
        changes=True,
    ),
    Verb(
        "start",
        "bring back what was stopped",
        "dashboard.changes:start",
        (TARGET,),
        "clusterctl start jobs",
        changes=True,
    ),
    Verb(
        "rollout",
        "see or steer a pool's rollout",
        "dashboard.changes:rollout",
        (
            _flag("action", metavar="ACTION", choices=("status", "pause", "resume", "abort", "undo"),
                  help="status, pause, resume, abort or undo"),
            _flag("target", metavar="POOL", help="a pool (web)"),
        ),
        "clusterctl rollout undo web",
        changes=True,
    ),
    Verb(
        "drain",
        "no new clients for a backend; those it has go on",
        "dashboard.changes:drain",
        (ROTATION,),
        "clusterctl drain web.0",
        changes=True,
    ),
    Verb(
        "ready",
        "a backend back into rotation",
        "dashboard.changes:ready",
        (ROTATION,),
        "clusterctl ready lb/web/web.0",
        changes=True,
    ),
    Verb(
        "maint",
        "a backend out of rotation altogether",
        "dashboard.changes:maint",
        (ROTATION,),
        "clusterctl maint web.0",
        changes=True,
    ),
    Verb(
        "logs",
        "log lines of a worker, or of a pool merged and prefixed",
        "dashboard.reading:logs",
        (TARGET, FOLLOW, LINES),
        "clusterctl logs -f --lines 50 web",
    ),
    Verb(
        "events",
        "what happened, and who asked for it",
        "dashboard.reading:events",
        (
            FOLLOW,
            JSON,
            LINES,
            _flag("--after", type="count", metavar="N", help="those numbered above N"),
        ),
        "clusterctl events -f",
    ),
    Verb(
        "operations",
        "what was asked for and how it went; with ID, followed to its end",
        "dashboard.reading:operations",
        (_flag("id", nargs="?", metavar="ID", help="an operation"), JSON, TIMEOUT),
        "clusterctl operations op-12 --timeout 5m",
    ),
    Verb(
        "reload",
        "read the configuration again; the difference becomes the plan",
        "dashboard.changes:reload",
        (),
        "clusterctl reload --dry-run",
        changes=True,
    ),
    Verb(
        "check",
        "validate a configuration: every error at once",
        "dashboard.checking:check",
        (_flag("file", nargs="?", metavar="FILE", help="else as for the other verbs"), JSON),
        "clusterctl check shop.toml",
    ),
    Verb(
        "doctor",
        "what could go wrong though nothing has yet; exit 1 if there is something",
        "dashboard.doctor:doctor",
        (_flag("pool", nargs="?", metavar="POOL", help="one pool alone"), JSON),
        "clusterctl doctor web",
    ),
    Verb(
        "upgrade",
        "the engine that is installed now takes over; workers and proxies go on",
        "dashboard.upgrading:upgrade",
        (),
        "clusterctl upgrade",
        changes=True,
    ),
    Verb(
        "unit",
        "print a systemd unit for the cluster",
        "dashboard.unit:unit",
        (
            _flag("--user", action="store_true", help="for `systemctl --user`"),
            _flag("--stop", metavar="UNIT", help="for the unit's own ExecStop: down, but not over a restart"),
        ),
        "clusterctl unit -c shop.toml > /etc/systemd/system/shop.service",
    ),
)  # fmt: skip


OTHERS_WORDS = {
    "undrain": "ready",
    "enable": "ready",
    "disable": "maint",
    "undo": "rollout undo",
    "rollback": "rollout undo",
    "pause": "rollout pause",
    "resume": "rollout resume",
    "abort": "rollout abort",
    "deploy": "reload",
    "ps": "status",
    "stat": "status",
    "ls": "status",
    "list": "status",
    "kill": "restart",
    "quit": "down",
    "exit": "down",
    "log": "logs",
    "ops": "operations",
}
"""What others call our verbs; the nearest spelling would be something else, or the opposite."""


def find(name: str) -> Verb | None:
    return next((verb for verb in VERBS if verb.name == name), None)
