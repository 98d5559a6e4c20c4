"""docs/cli.md and docs/api.md against the source: every verb, flag, route, event, error and key."""

import re

from starlette.routing import Route

from dashboard.verbs import CHANGE, COMMON, VERBS
from supervisor.api import problems
from supervisor.api.routes import application
from supervisor.model import errors, snapshot
from tests.api.fake_door import FakeDoor
from tests.docs import pages

API = "docs/api.md"


def test_every_verb_has_its_section_and_no_other_is_there() -> None:
    found = list(pages.sections("docs/cli.md"))[2:]
    assert found == [verb.name for verb in VERBS]


def test_every_flag_and_example_of_a_verb_is_in_its_section() -> None:
    shared = {name for flag in (*COMMON, *CHANGE) for name in flag.names}
    missing = []
    for verb in VERBS:
        section = pages.sections("docs/cli.md")[verb.name]
        names = {name for flag in verb.flags for name in flag.names if name.startswith("-")}
        own = names if not verb.changes and verb.name != "down" else names - shared
        missing += [f"{verb.name}: {name}" for name in sorted(own) if f"`{name}" not in section]
        if f"    {verb.example}" not in section:
            missing.append(f"{verb.name}: {verb.example}")
    assert missing == []


def test_the_flags_of_every_change_are_listed() -> None:
    section = pages.sections("docs/cli.md")["Flags of every change"]
    assert [flag.names for flag in CHANGE if f"`{flag.names[-1]}" not in section] == []


def test_every_route_is_listed_and_no_other() -> None:
    there = {
        f"{method} {_plain(route.path)}"
        for route in application(FakeDoor()).routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    listed = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", pages.named(API), re.MULTILINE)
    assert sorted(listed) == sorted(there)


def _plain(path: str) -> str:
    kind = "pool" if "/pools/" in path else "worker"
    return path.replace("{target}", f"{{{kind}}}").replace(":path", "")


def test_every_kind_of_event_is_listed_and_no_other() -> None:
    sources = "".join(path.read_text() for path in (pages.ROOT / "supervisor" / "engine").glob("*.py"))
    published = set(re.findall(r"\bsay\(\s*\"([a-z-]+)\"", sources))
    published |= set(re.findall(r"\bkind = \"([a-z-]+)\" if [^\n]* else \"([a-z-]+)\"", sources)[0])
    rows = re.findall(r"^\| (`[^|]*`) \| [^|]* \|$", pages.sections(API)["Events"], re.MULTILINE)
    listed = {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row)}
    assert listed == published


def test_every_code_of_an_error_is_listed() -> None:
    listed = set(re.findall(r"^\| \d+ \| `(\w+)` \|", pages.named(API), re.MULTILINE))
    kinds = [errors.BadRequest, errors.BadSpec, errors.Unknown, errors.Conflict, errors.NeedsYes]
    assert listed == {kind.code for kind in kinds} | set(problems._CODES.values()) | {"bad_config"}


def test_every_key_of_the_snapshot_is_listed() -> None:
    section = pages.sections(API)["The snapshot"]
    rows = [
        snapshot.HostRow, snapshot.EngineRow, snapshot.WorkerRow, snapshot.PoolRow, snapshot.BackendRow,
        snapshot.UpstreamRow, snapshot.ProxyRow, snapshot.Snapshot,
    ]  # fmt: skip
    missing = [
        f"{row.__name__}.{key}" for row in rows for key in row.__struct_fields__
        if f"`{key}`" not in section and f"`{key}[]`" not in section
    ]  # fmt: skip
    assert missing == []
