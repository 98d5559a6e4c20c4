"""The verbs that change something: what each asks of the API, and the way from the request to its outcome."""

import json
import sys
from argparse import Namespace
from typing import Any, NamedTuple

from dashboard.answers import Refused, quoted
from dashboard.finding import place, tell_other_file
from dashboard.following import follow
from dashboard.pipe import Pipe
from dashboard.printing import out_json, result, tell
from dashboard.verbs import Usage

_MOST_WORKERS = 10_000


class Change(NamedTuple):
    """One request to the API."""

    method: str
    path: str
    body: dict[str, Any]


def scale(args: Namespace) -> int:
    pool, _, number = args.target.partition("=")
    digits = number.lstrip("+-")
    if not pool or not digits.isdecimal() or len(number) - len(digits) > 1:
        raise Usage(f"scale: {args.target!r} is not POOL=N, POOL=+N or POOL=-N (`clusterctl scale web=4`)")
    if len(digits) > 9 or int(digits) > _MOST_WORKERS:
        raise Usage(f"scale: {number} is out of bounds: a pool has 0 to {_MOST_WORKERS} workers")
    body = {"change": int(number)} if number[0] in "+-" else {"desired": int(number)}
    return ask(args, Change("PATCH", f"/v1/pools/{quoted(pool)}", body))


def restart(args: Namespace) -> int:
    if is_worker(args.target):
        return ask(args, Change("POST", f"/v1/workers/{quoted(args.target)}/restart", {}))
    return ask(args, Change("POST", f"/v1/pools/{quoted(args.target)}/rollouts", {}))


def stop(args: Namespace) -> int:
    return ask(args, _stopped(args.target, True))


def start(args: Namespace) -> int:
    return ask(args, _stopped(args.target, False))


def _stopped(target: str, stopped: bool) -> Change:
    kind = "workers" if is_worker(target) else "pools"
    return Change("PATCH", f"/v1/{kind}/{quoted(target)}", {"stopped": stopped})


def rollout(args: Namespace) -> int:
    if args.action == "status":
        from dashboard.reading import rollout_status

        return rollout_status(args)
    return ask(args, Change("PATCH", f"/v1/pools/{quoted(args.target)}/rollouts", {"action": args.action}))


def drain(args: Namespace) -> int:
    return ask(args, rotation(args.target, "drain"))


def ready(args: Namespace) -> int:
    return ask(args, rotation(args.target, "ready"))


def maint(args: Namespace) -> int:
    return ask(args, rotation(args.target, "maint"))


def rotation(target: str, wanted: str) -> Change:
    """TARGET is PROXY/UPSTREAM/BACKEND, whose last part may hold slashes, or a worker."""
    body = {"rotation": wanted}
    if "/" in target:
        parts = target.split("/", 2)
        if len(parts) < 3 or not all(parts):
            raise Usage(f"{wanted}: {target!r} is not PROXY/UPSTREAM/BACKEND (`clusterctl {wanted} lb/web/web.0`)")
        return Change("PATCH", f"/v1/backends/{'/'.join(quoted(part) for part in parts)}", body)
    if not is_worker(target):
        raise Usage(f"{wanted}: {target!r} is neither a worker (web.0) nor PROXY/UPSTREAM/BACKEND")
    return Change("PATCH", f"/v1/workers/{quoted(target)}", body)


def reload(args: Namespace) -> int:
    where = place(args.config, args.socket)
    if where.config:
        tell_other_file(where, Pipe(where.socket).get("/v1/snapshot").json())
    return ask(args, Change("POST", "/v1/reload", {}))


def is_worker(target: str) -> bool:
    """Pools' names hold no dot; slots' do."""
    return "." in target


def ask(args: Namespace, change: Change) -> int:
    """Sends one change, then prints the plan, or the operation, or follows it, as the flags say."""
    pipe = Pipe(place(args.config, args.socket).socket)
    if args.dry_run:
        return plan(pipe, change, args.json)
    operation = submitted(pipe, change, args.yes)
    if args.wait or operation.get("phase") != "running":
        return follow(pipe, operation, args.timeout, args.json)
    return accepted(operation, args.json)


def accepted(operation: dict[str, Any], as_json: bool) -> int:
    """Prints the id of an operation that goes on without us."""
    if as_json:
        out_json(json.dumps(operation).encode())
    else:
        result(f"{operation.get('id')}: {operation.get('verb')}: {operation.get('progress') or 'asked for'}")
    return 0


def submitted(pipe: Pipe, change: Change, yes: bool) -> dict[str, Any]:
    """The operation that a change became; asks at a terminal where the engine wants a yes."""
    body = {**change.body, "yes": True} if yes else change.body
    try:
        return dict(pipe.send(change.method, change.path, body).json())
    except Refused as error:
        if yes or error.code != "needs_yes" or not _confirmed(error.detail):
            raise
    return submitted(pipe, change, True)


def _confirmed(question: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    tell(question)
    sys.stderr.write("go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def plan(pipe: Pipe, change: Change, as_json: bool) -> int:
    """Prints what a change would do, step by step."""
    answer = pipe.send(change.method, f"{change.path}?dry_run=1", change.body)
    if as_json:
        out_json(answer.body)
        return 0
    steps = answer.json().get("steps") or ["nothing to do"]
    for step in steps:
        result(str(step))
    return 0
