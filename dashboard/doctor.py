"""`clusterctl doctor`: what could go wrong with a cluster though nothing has yet."""

from argparse import Namespace

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
    for finding in () if args.json else findings:
        out(clean(f"{finding['subject']}: {finding['text']}"), clean(f"    {finding['hint']}"))
    return 1 if findings else 0
