"""What the pages say is there: links, pictures, commands, configurations and scripts."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from dashboard.cli import _parser
from dashboard.tui import commands
from dashboard.tui.keys import LOG_KEYS, MAIN_KEYS
from dashboard.verbs import COMMON, find
from supervisor.settings.reading import read
from tests import pages as made
from tests.benchmarks import _page as bench
from tests.docs import pages

OPEN = {"VERB", "FILE", "POOL", "ID", "NAME", "…", "..."}
"""Words that stand for something in a command that is a pattern."""


def test_every_link_leads_somewhere() -> None:
    lost = []
    for page in pages.PAGES:
        for link in pages.links(page):
            target, _, anchor = link.partition("#")
            if re.match(r"https?:", target):
                continue
            path = (page.parent / target).resolve() if target else page
            if not path.exists() or (anchor and anchor not in pages.anchors(path)):
                lost.append(f"{page.name}: {link}")
    assert lost == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, new = set[Path](), {pages.ROOT / "README.md"}
    while new:
        page = new.pop()
        reached.add(page)
        for link in pages.links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in reached:
                new.add(target)
    assert {page.name for page in pages.PAGES} - {page.name for page in reached} == set()


def test_every_command_shown_is_one_that_there_is() -> None:
    wrong = []
    for page, command in pages.commands():
        if problem := trouble(command):
            wrong.append(f"{page.name}: {command}: {problem}")
    assert wrong == []


def trouble(command: str) -> str | None:
    """What is wrong with a command line; placeholders and what follows a shell's operator are let be."""
    words = shlex.split(re.split(r" (?:#|&&|\||>|·) ?|   ", command)[0])
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (pages.ROOT / "Makefile").read_text(), re.MULTILINE)
        return None if "=" in words[1] or words[1] in targets else "no such target"
    if words[1].startswith("--") or words[1] in ("VERB", "help", "version"):
        return None
    verb = find(words[1])
    if verb is None:
        return "no such verb"
    if OPEN & set(words) or len(words) == 2:
        return None
    try:
        _parser(verb).parse_args(words[2:])
    except SystemExit:
        return "the verb does not take this"
    return None


@pytest.mark.parametrize("block", pages.blocks("toml"), ids=lambda block: block.page.name)
def test_every_configuration_shown_is_valid(block: pages.Block, tmp_path: Path) -> None:
    whole = block.text
    if "[cluster]" not in whole:
        whole = (
            '[cluster]\nname = "shop"\n'
            + ("" if "[pools.web]" in whole else '[pools.web]\ncommand = "true"\n')
            + whole
        )
    file = tmp_path / "clusterctl.toml"
    file.write_text(whole)
    read(str(file), dict(os.environ), root=False, cpus=2)


@pytest.mark.parametrize("block", pages.blocks("sh"), ids=lambda block: block.text[:40])
def test_every_script_is_one_that_a_shell_can_read(block: pages.Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_pictures_ask_the_network_for_nothing() -> None:
    pictures = list((pages.ROOT / "docs" / "images").glob("*.svg"))
    assert pictures
    for picture in pictures:
        assert not re.search(r"@import|@font-face|href=|url\((?!#)", picture.read_text()), picture.name


def test_the_table_of_keys_is_the_screens_own() -> None:
    page = made.SCREEN.read_text()
    assert page == made.with_keys(page), "docs/screen.md is behind: python -m tests.pages"


def test_the_tables_of_performance_are_what_the_benchmarks_printed() -> None:
    page, lines = bench.PAGE.read_text(), bench.recorded()
    assert page == bench.with_tables(page, lines), "docs/performance.md is behind: python -m tests.benchmarks._page"


def test_the_readme_compares_with_what_was_measured() -> None:
    page = bench.README.read_text()
    assert page == bench.compared(page, bench.recorded()), "README.md is behind: python -m tests.benchmarks._page"


def test_the_keys_flags_and_verbs_that_stand_beside_what_others_have_are_there() -> None:
    shown = {name for key in (*MAIN_KEYS, *LOG_KEYS) for name in key.name.split()}
    pressed = {name.upper() for key in MAIN_KEYS for name in key.keys.split(",") if re.fullmatch(r"f\d+", name)}
    top = find("top")
    flags = {name for flag in (*COMMON, *(top.flags if top else ())) for name in flag.names}
    verbs = {f":{verb.name}" for verb in commands.VERBS}
    rows = pages.sections("docs/screen.md")["What you know from elsewhere"].strip().splitlines()[4:]
    named = [word for row in rows for word in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])]
    assert len(named) > 60
    assert [word for word in named if word not in shown | pressed | flags | verbs] == []
