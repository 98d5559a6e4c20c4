"""Pages of docs/ whose tables are made from the source: `python -m tests.pages` writes them, a test compares."""

from pathlib import Path

from dashboard.tui.keys import GROUPS, LOG_KEYS, MAIN_KEYS

SCREEN = Path(__file__).parents[1] / "docs" / "screen.md"
BEGIN, END = "<!-- keys: made by python -m tests.pages -->", "<!-- end of keys -->"


def keys() -> str:
    """A table a group, as the help of the screen has them."""
    lines: list[str] = []
    for group in GROUPS:
        lines += ["", f"**{group}**", "", "| key | does |", "|---|---|"]
        lines += [
            f"| {_code(key.name)} | {_cell(key.help)} |" for key in (*MAIN_KEYS, *LOG_KEYS) if key.group == group
        ]
    return "\n".join(lines)


def with_keys(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{keys()}\n\n{END}{rest.partition(END)[2]}"


def _code(name: str) -> str:
    return "`` ` ``" if name == "`" else f"`{_cell(name)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    SCREEN.write_text(with_keys(SCREEN.read_text()))
