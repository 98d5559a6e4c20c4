"""How every benchmark speaks: one table for people, then one JSON line a figure for programs."""

import argparse
import json
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Figure(NamedTuple):
    """One number of one program under one condition; `value` None means that it is missing here, and `note` why."""

    who: str
    what: str
    value: float | None
    unit: str
    note: str = ""


def parser(doc: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    made.add_argument("--json", action="store_true", help="JSON lines alone")
    made.add_argument("--only", help="one program instead of all, by its name")
    return made


def show(benchmark: str, figures: Sequence[Figure], goals: str, as_json: bool) -> None:
    """The table has a line for each program and a column for each condition."""
    if not as_json:
        columns = list(dict.fromkeys(f"{figure.what} [{figure.unit}]" for figure in figures if figure.what))
        width = max([len(figure.who) for figure in figures] + [8])
        print(f"\n{benchmark}: {goals}\n")
        print(" " * width + "".join(f"{column:>{len(column) + 3}}" for column in columns))
        for who in dict.fromkeys(figure.who for figure in figures):
            mine = {f"{f.what} [{f.unit}]": f for f in figures if f.who == who}
            cells = "".join(f"{cell(mine.get(column)):>{len(column) + 3}}" for column in columns)
            notes = "; ".join(dict.fromkeys(f.note for f in mine.values() if f.note))
            print(f"{who:{width}}{cells}" + (f"   {notes}" if notes else ""))
        print()
    lines(benchmark, figures)


def lines(benchmark: str, figures: Sequence[Figure]) -> None:
    for figure in figures:
        print(json.dumps({"benchmark": benchmark, **figure._asdict()}), flush=True)


def cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return "-" if figure.value is None else f"{figure.value:.3g}" if figure.value < 100 else f"{figure.value:.0f}"


def spread(who: str, what: str, values: Sequence[float], unit: str) -> list[Figure]:
    """Median and worst of several readings."""
    return [
        Figure(who, f"{what}, median", median(values), unit),
        Figure(who, f"{what}, worst", max(values), unit),
    ]
