"""docs/scenarios.md: every test that it names exists, and every row names one or says why there is none."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scenarios.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PLACED = re.compile(r"`([A-Z_]+)`(?:, `([A-Z_]+)`)?, (supervisor/[\w/]+\.py)")


def rows() -> list[str]:
    """The rows of all tables, without their heads."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.startswith(("| what happens", "| what |"))]


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for file, name in NAMED.findall(PAGE):
        path = ROOT / file
        if not path.exists() or (
            name and not re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE)
        ):
            missing.append(f"{file}::{name}")
    assert not missing, "\n" + "\n".join(missing)


def test_every_row_has_a_test_or_says_why_not() -> None:
    bare = [row for row in rows() if not NAMED.search(row) and "| – " not in row]
    assert not bare, "\n" + "\n".join(bare)


def test_every_bound_is_where_it_is_said_to_be() -> None:
    for first, second, file in PLACED.findall(PAGE):
        for name in filter(None, (first, second)):
            assert re.search(rf"^{name} = ", (ROOT / file).read_text(), re.MULTILINE), f"{file}: {name}"
