"""docs/performance.md and our figures in the README, made from what was printed: docs/performance.jsonl."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks._report import Figure, cell

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
FIGURES = PAGE.with_suffix(".jsonl")
README = PAGE.parents[1] / "README.md"
COMPARED = {
    "| CPU of the daemon, 100 workers": ("idle", "CPU, 100 workers"),
    "| a killed worker to its replacement": ("respawn", "respawn, median"),
}
"""Rows of the README's comparison, and the figure in clusterctl's column."""
_BLOCK = re.compile(r"(<!-- figures: (\w+)(?: ([^\n]+?))? -->\n).*?(<!-- end of figures -->)", re.DOTALL)


class Goal(NamedTuple):
    """What issue 6 asks for, and the figure that answers it."""

    measure: str
    benchmark: str
    what: str
    most: float
    peers: str = ""
    """The best peer that does the same job; beside the goal, as reference/peers.md has it."""
    who: str = "clusterctl"
    unit: str = ""
    """In place of the figure's."""
    error: str = ""
    """The figure that is its standard error: what is above 0 by less than twice that is not seen."""


GOALS = (
    Goal("CPU, 100 idle workers sampled at 1 Hz", "idle", "CPU, 100 workers", 0.8, "circus with stats"),
    Goal("the same, 500 workers", "idle", "CPU, 500 workers", 3.0, "circus with stats"),
    Goal("PSS of engine and keeper, no workers", "idle", "PSS, 0 workers", 40, "pm2"),
    Goal("the same, 100 workers", "idle", "PSS, 100 workers", 42, "pm2"),
    Goal("the same, 500 workers", "idle", "PSS, 500 workers", 48, "pm2"),
    Goal("a worker's SIGKILL to its replacement's exec", "respawn", "respawn, median", 2.0, "gunicorn"),
    Goal("scale 10 to 100, all running, with the command", "scale", "both", 0.35, "supervisord"),
    Goal("`status --json`, 100 workers", "status", "whole process", 75, "gunicorn", "status --json"),
    Goal("`GET /v1/snapshot`, 1,000 workers and backends", "snapshot", "changed, median", 5.0),
    Goal("the same, unchanged (ETag)", "snapshot", "304, median", 1.0),
    Goal("HAProxy with 1,000 servers, read at 1 Hz", "haproxy", "share", 1.5, who="engine"),
    Goal("200 workers crash-looping at once, CPU", "crashloop", "CPU", 10.0, "pm2"),
    Goal("the same, the API's slowest answer", "crashloop", "API, worst", 20.0),
    Goal("growth of memory over random operations", "growth", "slope", 0.0, error="standard error"),
    Goal("CPU of a sample of a worker, over C's", "sampling", "100 workers", 2.0, who="ours / C", unit="times"),
)  # fmt: skip


def figures_of(lines: Sequence[dict[str, Any]], benchmark: str) -> list[Figure]:
    mine = [line for line in lines if line["benchmark"] == benchmark and "who" in line]
    return [Figure(line["who"], line["what"], line["value"], line["unit"], line.get("note", "")) for line in mine]


def value(figures: Sequence[Figure], who: str, what: str) -> Figure | None:
    return next((figure for figure in figures if (figure.who, figure.what) == (who, what)), None)


def goals(lines: Sequence[dict[str, Any]]) -> list[str]:
    """Each goal beside the last run, and what was measured of the peer in the same run."""
    rows = ["| measure | goal | clusterctl | | a peer, in the same run |", "|---|--:|--:|---|---|"]
    for goal in GOALS:
        figures = figures_of(lines, goal.benchmark)
        mine = value(figures, goal.who, goal.what)
        if mine and goal.unit:
            mine = mine._replace(unit=goal.unit)
        peer = value(figures, goal.peers, goal.what)
        beside = f"{goal.peers} {shown(peer)}" if peer and peer.value is not None else ""
        error = value(figures, goal.who, goal.error)
        seen = 2 * error.value if error and error.value is not None else 0.0
        met = (
            "" if mine is None or mine.value is None else "met" if mine.value <= goal.most + seen else "**missed**"
        )
        unit = mine.unit if mine else ""
        sure = f" ± {cell(error)}" if error else ""
        rows.append(f"| {goal.measure} | {goal.most:g} {unit} | {shown(mine)}{sure} | {met} | {beside} |")
    return rows


def shown(figure: Figure | None) -> str:
    return "–" if figure is None or figure.value is None else f"{cell(figure)} {figure.unit}"


def table(lines: Sequence[dict[str, Any]], benchmark: str, only: str) -> list[str]:
    """A row for each program, a column for each figure whose name begins with `only`; below it, how it was made."""
    every = figures_of(lines, benchmark)
    if not every:
        return ["Not measured yet."]
    figures = [figure for figure in every if figure.what.startswith(only)]
    columns = list(dict.fromkeys((figure.what, figure.unit) for figure in figures))
    if len({unit for _, unit in columns}) == 1 and only:
        heads = [what.removeprefix(only).lstrip(", ") for what, _ in columns]
        first = f"{only}, {columns[0][1]}"
    else:
        heads, first = [f"{what}, {unit}" for what, unit in columns], ""
    rows = [f"| {first} | {' | '.join(heads)} | |", f"|---|{'--:|' * len(columns)}---|"]
    for who in dict.fromkeys(figure.who for figure in figures):
        mine = {(f.what, f.unit): f for f in figures if f.who == who}
        notes = "; ".join(dict.fromkeys(f.note for f in mine.values() if f.note))
        rows.append(f"| {who} | {' | '.join(cell(mine.get(column)) for column in columns)} | {notes} |")
    head = next(line for line in lines if line["benchmark"] == benchmark and "command" in line)
    how = "ahead of all other work" if head["realtime"] else f"load before it {head['load'][0]:.1f}"
    made = f"`{head['command']}`, {head['date']}, {head['seconds']} s; {how}."
    return [*rows, "", made]


def with_tables(page: str, lines: Sequence[dict[str, Any]]) -> str:
    """The page with each of its blocks filled: `<!-- figures: BENCHMARK [ONLY] -->`, or `goals`, or `machine`."""

    def filled(found: re.Match[str]) -> str:
        match found[2]:
            case "goals":
                rows = goals(lines)
            case "machine":
                rows = machine(lines)
            case name:
                rows = table(lines, name, found[3] or "")
        return f"{found[1]}\n" + "\n".join(rows) + f"\n\n{found[4]}"

    return _BLOCK.sub(filled, page)


def compared(readme: str, lines: Sequence[dict[str, Any]]) -> str:
    """The README with our figures of the last run in its comparison."""
    rows = readme.split("\n")
    for begins, (benchmark, what) in COMPARED.items():
        at = next(number for number, row in enumerate(rows) if row.startswith(begins))
        cells = rows[at].split("|")
        cells[2] = f" {cell(value(figures_of(lines, benchmark), 'clusterctl', what))} ³ "
        rows[at] = "|".join(cells)
    return "\n".join(rows)


def write(lines: Sequence[dict[str, Any]]) -> None:
    PAGE.write_text(with_tables(PAGE.read_text(), lines))
    README.write_text(compared(README.read_text(), lines))


def machine(lines: Sequence[dict[str, Any]]) -> list[str]:
    heads = [line for line in lines if "command" in line]
    last = max(heads, key=lambda line: str(line["date"]))
    programs = ", ".join(f"{name} {version}" for name, version in last["programs"].items())
    cores = f"{last['cpus']} cores of {last['model']}, {last['memory_mib'] // 1024} GiB"
    return [f"{cores}, Linux {last['kernel']}; {programs}."]


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FIGURES.read_text().splitlines()]


if __name__ == "__main__":
    write(recorded())
