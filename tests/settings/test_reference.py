"""docs/config.md against the reader: the same keys, and the defaults of the records."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from supervisor.model import spec
from supervisor.settings import keys

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "config.md"
_HEADING = re.compile(r"#+ `\[(.+)\]`")
_ROW = re.compile(r"\| `(\w+)` \| (.+?) \| (.+?) \| (.+) \|")

POOL = spec.PoolSpec(name="x", command=("x",))
PROXY = spec.ProxySpec(name="x")
TRAFFIC = spec.TrafficSpec(proxy="x", upstream="x")
RECORDS: Mapping[str, Any] = {
    "cluster": spec.ClusterSpec(name="x", state_dir="x"),
    "pools.NAME": POOL,
    **{f"pools.NAME.{part}": getattr(POOL, part) for part in keys.POOL_TABLES if part != "traffic"},
    "pools.NAME.traffic": TRAFFIC,
    "proxies.NAME": PROXY,
    "proxies.NAME.check": PROXY.check,
}


def documented() -> dict[str, dict[str, str]]:
    """Table -> key -> default as written."""
    found: dict[str, dict[str, str]] = {}
    table = ""
    for line in REFERENCE.read_text().splitlines():
        if heading := _HEADING.fullmatch(line):
            table = heading[1]
            found[table] = {}
        elif row := _ROW.fullmatch(line):
            found[table][row[1]] = row[3]
    return found


def test_the_reference_has_every_key_and_no_other() -> None:
    within = {*keys.POOL_TABLES, "check"}
    read = {table: set(known) - within for table, known in keys.TABLES.items()}
    read["pools.NAME.ready"] |= {"log"}
    assert {table: set(rows) for table, rows in documented().items()} == read


@pytest.mark.parametrize(
    ("table", "key", "written"),
    [(table, key, written) for table, rows in documented().items() for key, written in rows.items()],
)
def test_a_default_in_the_reference_is_the_record_s(table: str, key: str, written: str) -> None:
    if written == "required" or (table, key) == ("cluster", "state_dir"):
        return
    field = {"max_size": "max_bytes"}.get(key, key)
    default = getattr(RECORDS[table], field)
    if key == "give_up":
        default = (default, RECORDS[table].give_up_window)
    if written == "–":
        assert default is None
        return
    value = tomllib.loads(f"value = {written.strip('`')}")["value"]
    assert keys.TABLES[table][key](value) == default
