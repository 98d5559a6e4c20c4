"""`clusterctl doctor`: what could go wrong with a cluster though nothing has yet."""

from argparse import Namespace
from typing import Any

from dashboard.answers import quoted
from dashboard.finding import place
from dashboard.pipe import Pipe
from dashboard.printing import out, out_json, result
from supervisor.model.text import clean


def doctor(args: Namespace) -> int:
    """0: nothing to say; 1: something is."""
    question = f"?pool={quoted(args.pool)}" if args.pool else ""
    answer = Pipe(place(args.config, args.socket).socket).get(f"/v1/doctor{question}")
    findings = answer.json().get("findings") or []
    if args.json:
        out_json(answer.body)
    elif not findings:
        result("nothing to say")
    else:
        for first, *same in alike(findings):
            out(clean(f"{first['subject']}: {first['text']}"), clean(f"    {first['hint']}"))
            if same:
                out(clean(f"    the same: {', '.join(one['subject'] for one in same)}"))
    return 1 if findings else 0


def alike(findings: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What is found of several workers of a pool is one finding."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in findings:
        pool, dot, number = one["subject"].rpartition(".")
        subject = pool if dot and number.isdecimal() else one["subject"]
        found.setdefault((str(one.get("check")), subject, one["hint"]), []).append(one)
    return list(found.values())
