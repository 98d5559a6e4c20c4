"""`clusterctl down`: asks the engine to end everything gracefully, and waits until the keeper is gone."""

import os
import select
import signal
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from dashboard.answers import NoAnswer, NobodyThere, Refused, quoted
from dashboard.changes import Change, accepted, plan, submitted
from dashboard.finding import Place, place
from dashboard.following import Progress, Row, outcome
from dashboard.keepers import keeper_of
from dashboard.pipe import Pipe
from dashboard.printing import fail, result, tell
from dashboard.survivors import survivors, unsupervised

_ENDING = 10.0
"""Seconds that a keeper whose socket is gone may take to be gone too."""


def down(args: Namespace) -> int:
    where = place(args.config, args.socket)
    pipe = Pipe(where.socket)
    change = Change("POST", "/v1/shutdown", {"keep_workers": args.keep_workers})
    try:
        if args.dry_run:
            return plan(pipe, change, args.json)
        return _ended(where, pipe, change, args)
    except NobodyThere:
        return _nobody(where, change, args)
    except NoAnswer as error:
        # An engine that cannot run must not make its cluster immortal.
        if args.keep_workers or (keeper := keeper_of(where.state)) is None:
            raise
        tell(f"{error}; telling the keeper (pid {keeper}) to end")
        for number in (signal.SIGTERM, signal.SIGCONT):  # it may be stopped
            os.kill(keeper, number)
        return _keeper_ended(where, keeper, args.timeout)
    except KeyboardInterrupt:
        tell(f"interrupted; cluster {where.name} goes on ending")
        return 130


def _nobody(where: Place, change: Change, args: Namespace) -> int:
    """Nobody listens; what a keeper that was killed, or a `down --keep-workers`, has left is ended all the same."""
    keeper = keeper_of(where.state)
    # It is about to end: its socket goes a little before it does.
    if keeper and not _keeper_over(where, keeper, _ENDING if args.timeout is None else args.timeout):
        result(f"still going: the keeper of {where.name} (pid {keeper}) has not ended yet")
        return 6
    left = survivors(where.state)
    if not left or args.keep_workers:
        sentence = f"cluster {where.name} is already down (nobody listens on {where.socket})"
        sentence += f"; {unsupervised(left)}" if left else ""
        if args.json:
            return outcome({"id": None, "verb": "down", "phase": "done", "progress": sentence}, True)
        result(sentence)
        return 0
    if args.dry_run:
        result(f"{unsupervised(left)}: a keeper would adopt them and end them gracefully")
        return 0
    from dashboard.starting import start_detached

    if where.config is not None:
        tell(f"{unsupervised(left)}; starting keeper and engine to end them gracefully")
    if where.config is None or start_detached(where, 60.0, lambda _: None, ending=True) != 0:
        fail(f"{unsupervised(left)}; `clusterctl up` adopts them, then `clusterctl down` ends them")
        return 1
    try:
        return _ended(where, Pipe(where.socket), change, args, again=False)
    except NobodyThere:  # they have ended already
        return _nobody(where, change, args)


def _ended(where: Place, pipe: Pipe, change: Change, args: Namespace, again: bool = True) -> int:
    """`again`: where its keeper is killed over it, another one may end what is left."""
    snapshot = pipe.get("/v1/snapshot").json()
    name = snapshot.get("cluster") or where.name
    with _watched(snapshot.get("engine", {}).get("keeper_pid")) as ended:
        operation = submitted(pipe, change, args.yes)
        if not args.wait:
            return accepted(operation, args.json)
        operation = _gone(pipe, operation, args.timeout, ended)
    if operation.get("phase") == "done" and not args.keep_workers and (left := survivors(where.state)):
        # It was killed before it had done it.
        if again:
            return _nobody(where, change, args)
        fail(f"{unsupervised(left)}; `clusterctl status` tells more")
        return 1
    if args.json or operation.get("phase") != "done":
        return outcome(operation, args.json)
    result(f"cluster {name} is down" + ("; its workers go on" if args.keep_workers else ""))
    return 0


def _keeper_ended(where: Place, keeper: int, timeout: float | None) -> int:
    if not _keeper_over(where, keeper, timeout):
        result(f"still going: the keeper of {where.name} (pid {keeper}) has not ended yet")
        return 6
    if left := survivors(where.state):
        fail(f"the keeper has ended, but {unsupervised(left)}")
        return 1
    result(f"cluster {where.name} is down")
    return 0


def _keeper_over(where: Place, keeper: int, timeout: float | None) -> bool:
    deadline = None if timeout is None else time.monotonic() + timeout
    with _watched(keeper) as ended:
        while not _over(ended, 0.1) and keeper_of(where.state) is not None:
            if deadline is not None and time.monotonic() >= deadline:
                return False
    return True


@contextmanager
def _watched(pid: object) -> Iterator[int | None]:
    """A descriptor that is readable once the keeper is gone: its socket goes a little before it does."""
    try:
        descriptor = os.pidfd_open(pid) if isinstance(pid, int) and hasattr(os, "pidfd_open") else None
    except OSError:
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _gone(pipe: Pipe, operation: Row, timeout: float | None, ended: int | None) -> Row:
    """The operation as it was seen last, `done` once the keeper is gone."""
    deadline = None if timeout is None else time.monotonic() + timeout
    progress = Progress()
    try:
        while True:
            progress.show(operation)
            if _over(ended, 0.1):
                return {**operation, "phase": "done", "progress": "the cluster is down"}
            if deadline is not None and time.monotonic() >= deadline:
                return {**operation, "phase": "running"}
            try:
                path = f"/v1/operations/{quoted(str(operation.get('id')))}"
                operation = Pipe(pipe.socket, 2.0).send("GET", path).json()
            except NobodyThere:
                if ended is None:
                    return {**operation, "phase": "done", "progress": "the cluster is down"}
            except (NoAnswer, Refused):
                # The engine has ended and the keeper is about to.
                continue
            if operation.get("phase") in ("failed", "aborted"):
                return operation
    finally:
        progress.close()


def _over(ended: int | None, pause: float) -> bool:
    if ended is not None:
        return bool(select.select([ended], [], [], pause)[0])
    time.sleep(pause)
    return False
