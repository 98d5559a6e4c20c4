"""The verbs that only look: status, logs, events, operations, a rollout."""

import json
import sys
import time
from argparse import Namespace
from typing import Any

from dashboard.answers import NoAnswer, NobodyThere, Refused, quoted
from dashboard.finding import place
from dashboard.pipe import Pipe
from dashboard.printing import out, out_json, paper_for, result, tell
from supervisor.model.text import clean_bytes

_LONGEST_LINE = 100_000
_SILENCE = 45.0
"""Event streams carry a heartbeat each 15 s: after three missing ones nobody is there."""
_ABSENT = 5.0
"""Seconds without anybody there after which nothing is followed any more."""
_EVENTS_SHOWN = 50
_LINES_SHOWN = 20


def status(args: Namespace) -> int:
    answer = _pipe(args).get("/v1/snapshot")
    if args.json:
        out_json(answer.body)
        return 0
    from dashboard.frames import frame

    out(*frame(answer.json(), paper_for(sys.stdout)))
    return 0


def rollout_status(args: Namespace) -> int:
    snapshot = _pipe(args).get("/v1/snapshot").json()
    pool = next((one for one in snapshot.get("pools") or [] if one.get("name") == args.target), None)
    if pool is None:
        raise Refused(404, "unknown", f"no such pool: {args.target}")
    if args.json:
        out_json(json.dumps(pool.get("rollout")).encode())
    elif pool.get("rollout"):
        from dashboard.rollout_frame import rollout_frame

        out(*rollout_frame(snapshot, pool, paper_for(sys.stdout)))
    else:
        from dashboard.say import local

        last = f"; the last one: {local(pool['last_rollout'])}" if pool.get("last_rollout") else ""
        result(f"{args.target}: no rollout is going on; generation {pool.get('generation')}{last}")
    return 0


def logs(args: Namespace) -> int:
    from dashboard.log_places import TOO_MANY, Places, log_question

    pipe, places = _pipe(args), Places() if args.follow else None
    lines: int = _LINES_SHOWN if args.lines is None else args.lines
    absence = _Absence()
    while True:
        # What was shown is not shown again, and what was written meanwhile is.
        path = log_question(args.target, lines, args.follow, places)
        try:
            for line in pipe.lines(path):
                if places is None or not places.take(line.decode("utf-8", "replace")):
                    out(clean_bytes(line.removesuffix(b"\r"), _LONGEST_LINE))
            absence.over()
        except NobodyThere as error:
            absence.bear(error)
        except NoAnswer as error:
            if not args.follow:
                raise
            absence.over()
            tell(f"{error}; following again")
        if places is None:
            return 0
        if places.too_many:
            tell(TOO_MANY)
        time.sleep(0.5)


def events(args: Namespace) -> int:
    pipe = _pipe(args)
    after: int = args.after or 0
    # Without a start, only the newest are shown of those there are.
    kept = args.lines if args.lines is not None else None if args.after is not None else _EVENTS_SHOWN
    answer = pipe.get(f"/v1/events?after={after}")
    rows = event_rows(answer.body)
    first = 0 if kept is None else max(0, len(rows) - kept)
    if first:
        after = rows[first - 1].get("number") or 0
    for row in rows[first:]:
        after = _print_event(row, after, args.json)
    absence = _Absence()
    absence.over()
    while args.follow:
        try:
            # One line at a time: a stream may never end.
            for line in pipe.lines(f"/v1/events?after={after}&follow=1", _SILENCE):
                for row in event_rows(line):
                    after = _print_event(row, after, args.json)
            absence.over()
        except NobodyThere as error:
            absence.bear(error)
        except NoAnswer as error:
            absence.over()
            tell(f"{error}; following again")
        time.sleep(0.5)
    return 0


class _Absence:
    """Nobody is there for a moment while a keeper is replaced too, by a restart of its unit for one."""

    def __init__(self) -> None:
        self._met = False
        self._since: float | None = None

    def over(self) -> None:
        self._met, self._since = True, None

    def bear(self, error: NobodyThere) -> None:
        """Raises it where nobody ever was there, or nobody has been for too long."""
        now = time.monotonic()
        if not self._met or (self._since is not None and now - self._since > _ABSENT):
            raise error
        if self._since is None:
            self._since = now
            tell(f"nobody listens on {error}; waiting for who comes next")


def event_rows(body: bytes) -> list[dict[str, Any]]:
    """Heartbeats are empty lines, and a reader too far behind is given a snapshot first: neither is an event."""
    found = []
    for line in body.split(b"\n"):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise NoAnswer(f"the engine's answer makes no sense: {error}") from error
            if isinstance(row, dict) and "snapshot" not in row:
                found.append(row)
    return found


def with_gaps(rows: list[dict[str, Any]], after: int) -> list[dict[str, Any]]:
    """The same, with a row that says so where a number is left out; `after`: the last one seen before, or 0."""
    from dashboard.say import MISSING

    found = []
    for row in rows:
        if _left_out(row, after):
            found.append({"time": row.get("time"), "level": "warning", "subject": "cluster", "text": MISSING})
        found.append(row)
        after = row.get("number") or 0
    return found


def _left_out(row: dict[str, Any], after: int) -> bool:
    """Whether events are missing between the last one that was seen and this; 0: none was."""
    return after != 0 and (row.get("number") or 0) != after + 1


def _print_event(row: dict[str, Any], after: int, as_json: bool) -> int:
    """The number of the last event that was seen: now this one's."""
    if _left_out(row, after):
        from dashboard.say import MISSING

        tell(MISSING)
    if as_json:
        out_json(json.dumps(row).encode())
    else:
        from dashboard.frames import event_line

        out(event_line(row, paper_for(sys.stdout)))
    return row.get("number") or 0


def operations(args: Namespace) -> int:
    from dashboard.following import follow, said
    from dashboard.say import clock, took

    pipe = _pipe(args)
    if args.id:
        return follow(pipe, pipe.get(f"/v1/operations/{quoted(args.id)}").json(), args.timeout, args.json)
    answer = pipe.get("/v1/operations")
    if args.json:
        out_json(answer.body)
        return 0
    found = answer.json()
    rows = found.get("operations") or [] if isinstance(found, dict) else found
    for row in rows:
        lasted = took(row.get("asked"), row.get("ended"))
        result(f"{clock(row.get('asked'))} {lasted:>6} {row.get('id')}: {said(row)} ({row.get('actor')})")
    if not rows:
        result("nothing was asked for yet")
    return 0


def _pipe(args: Namespace) -> Pipe:
    return Pipe(place(args.config, args.socket).socket)
