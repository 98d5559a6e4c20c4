"""`python -m supervisor.settings FILE [--json]`: whether a configuration is valid, and what it comes to."""

import json
import os
import sys

import msgspec

from supervisor.model.errors import BadConfig, Problem
from supervisor.model.spec import ClusterSpec
from supervisor.model.text import clean
from supervisor.settings.machine import usable_cpus
from supervisor.settings.reading import read


def main(arguments: list[str]) -> int:
    files = [word for word in arguments if not word.startswith("-")]
    if len(files) != 1 or set(arguments) - {*files, "--json"}:
        print("usage: python -m supervisor.settings FILE [--json]", file=sys.stderr)
        return 2
    as_json = "--json" in arguments
    try:
        spec = read(files[0], os.environ, os.geteuid() == 0, usable_cpus())
    except BadConfig as error:
        _refused(files[0], error.problems, as_json)
        return error.exit_code
    if as_json:
        # Defaults are left out of records on the wire, but a reader of this wants the whole.
        print(json.dumps({"ok": True, "problems": [], "spec": _whole(spec), "state_dir": spec.state_dir}))
    else:
        print(f"{clean(files[0])}: fine: {summary(spec)}")
    return 0


def summary(spec: ClusterSpec) -> str:
    """`2 pools, 5 workers, 1 proxy`."""
    workers = sum(pool.workers for pool in spec.pools)
    return ", ".join(
        (
            _count(len(spec.pools), "pool", "pools"),
            _count(workers, "worker", "workers"),
            _count(len(spec.proxies), "proxy", "proxies"),
        )
    )


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _refused(file: str, problems: tuple[Problem, ...], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ok": False, "problems": msgspec.to_builtins(problems)}))
        return
    for problem in problems:
        print(f"{clean(file)}: {problem}", file=sys.stderr)


def _whole(record: object) -> object:
    """A record with all its fields, those at their defaults included."""
    if isinstance(record, msgspec.Struct):
        return {name: _whole(getattr(record, name)) for name in record.__struct_fields__}
    if isinstance(record, tuple | list):
        return [_whole(item) for item in record]
    return record


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
