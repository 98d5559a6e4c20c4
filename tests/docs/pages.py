"""The pages of the documentation as tests read them: headings, links, blocks and tables."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]))
_LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    page: Path
    language: str
    text: str


@cache
def text(page: Path) -> str:
    return page.read_text()


def named(name: str) -> str:
    return text(ROOT / name)


def links(page: Path) -> list[str]:
    return _LINK.findall(text(page))


def anchors(page: Path) -> set[str]:
    """As the forges make them of headings."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(*languages: str) -> list[Block]:
    """Fenced blocks of all pages in these languages."""
    return [
        Block(page, found[1], found[2])
        for page in PAGES
        for found in _FENCE.finditer(text(page))
        if found[1] in languages
    ]


def commands() -> Iterator[tuple[Path, str]]:
    """Every command line that a page shows: in blocks, after `$ ` or alone, and in `backticks` within the prose."""
    for page in PAGES:
        fenced = False
        for line in text(page).splitlines():
            fenced ^= line.startswith("```")
            shown = line.strip().removeprefix("$ ")
            if (fenced or line.startswith("    ")) and re.match(r"(clusterctl|make) [a-z-]", shown):
                yield page, shown
            for quoted in re.findall(r"`((?:clusterctl|make) [^`]+)`", line):
                yield page, quoted


def sections(page: str, level: int = 2) -> dict[str, str]:
    """Heading -> what stands below it."""
    parts = re.split(rf"^{'#' * level} (.+)$", named(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
