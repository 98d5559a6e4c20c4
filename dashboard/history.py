"""The last readings of every row, in columns that pictures share: a new picture adds one and copies none.

A row has a seat from the picture in which it is first seen until it is gone; then another may get it. So what a row
has seen are the numbers at its seat, from its first picture on. A column never changes once its picture is made.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Self, TypeVar

from msgspec import Struct

LONGEST = 120
"""Pictures of which readings are kept."""
EACH = 3
"""Readings of a row in each picture."""

CPU, MEMORY, RATE = range(EACH)
"""Which reading is which of a worker's."""

Series = array  # of C floats; nan where a reading was unknown
_UNKNOWN = array("f", (float("nan"),) * EACH)


class Columns(Struct, frozen=True, gc=False):
    """Of one table, up to one picture."""

    number: int = 0
    """Of the newest picture, counted from 1."""
    kept: "tuple[Series[float], ...]" = ()
    """Oldest first; EACH numbers for every seat."""


class Track(Struct, frozen=True, gc=False):
    """What one row has seen, up to one picture."""

    columns: Columns = Columns()
    seat: int = 0
    since: int = 1
    """Number of the row's first picture."""

    def __len__(self) -> int:
        return min(len(self.columns.kept), self.columns.number - self.since + 1)

    def last(self, count: int) -> Self:
        """Its newest readings, so many at most."""
        return type(self)(self.columns, self.seat, max(self.since, self.columns.number - count + 1))

    def read(self, which: int) -> "Series[float]":
        """Oldest first."""
        count, at = len(self), self.seat * EACH + which
        return array("f", [column[at] for column in self.columns.kept[-count:]] if count else ())


class History(Track, frozen=True, gc=False):
    """Of a worker, or of all."""

    @property
    def cpu(self) -> "Series[float]":
        return self.read(CPU)

    @property
    def memory(self) -> "Series[float]":
        return self.read(MEMORY)

    @property
    def rate(self) -> "Series[float]":
        return self.read(RATE)


class Served(Track, frozen=True, gc=False):
    """Of a backend."""

    @property
    def rate(self) -> "Series[float]":
        return self.read(0)

    @property
    def errors(self) -> "Series[float]":
        return self.read(1)

    @property
    def response(self) -> "Series[float]":
        """Milliseconds."""
        return self.read(2)


Kind = TypeVar("Kind", bound=Track)


class Coming:
    """A picture that is being made; `rows` are those of the picture before."""

    def __init__(self, rows: Callable[[], Iterable[Track]]) -> None:
        before = next((track.columns for track in rows()), Columns())
        seats = len(before.kept[-1]) // EACH if before.kept else 0
        self._column = _UNKNOWN * seats
        self._rows = rows
        self._free: Iterator[int] | None = None
        self.columns = Columns(before.number + 1, (*before.kept[-(LONGEST - 1) :], self._column))

    def take(self, kind: type[Kind], before: Kind | None, *readings: float | None) -> Kind:
        """A row's track with its EACH readings of this picture; `before` is None where it was not there."""
        columns = self.columns
        if before is None:
            track = kind(columns, self._seat(), columns.number)
        else:
            track = kind(columns, before.seat, before.since)
        for at, reading in enumerate(readings, track.seat * EACH):
            if reading is not None:
                self._column[at] = reading
        return track

    def _seat(self) -> int:
        seats = len(self._column) // EACH
        if self._free is None:
            # Who goes in this picture is not known yet: those seats are given away from the next one on.
            taken = {track.seat for track in self._rows()}
            self._free = iter([seat for seat in range(seats) if seat not in taken])
        if (seat := next(self._free, None)) is None:
            seat = seats
            self._column.extend(_UNKNOWN)
        return seat


def summed(tracks: Iterable[Track], which: int) -> "Series[float]":
    """Over all rows of one picture, picture by picture; a row counts while it was there."""
    groups: dict[int, list[int]] = {}
    kept: tuple[Series[float], ...] = ()
    for track in tracks:
        kept = track.columns.kept
        groups.setdefault(len(track), []).append(track.seat * EACH + which)
    totals = [0.0] * max(groups, default=0)
    for length, places in groups.items():
        for at, column in zip(range(len(totals) - length, len(totals)), kept[len(kept) - length :], strict=True):
            totals[at] += sum(value for value in map(column.__getitem__, places) if value == value)
    return array("f", totals)


def after(past: "dict[str, Kind]", now: "dict[str, Kind]") -> "dict[str, Kind]":
    """The same tracks with a longer memory: what the `past` ones saw comes before what these have seen."""
    columns = next((track.columns for track in now.values()), Columns())
    before = next((track.columns for track in past.values()), Columns())
    room = LONGEST - len(columns.kept)
    first = columns.number - len(columns.kept) + 1
    if not room or not before.kept or not columns.kept:
        return now
    earlier = before.kept[-room:]
    seats = len(columns.kept[-1]) // EACH
    made = [_UNKNOWN * seats for _ in earlier]
    joined = Columns(columns.number, (*made, *columns.kept))
    tracks: dict[str, Kind] = {}
    for key, track in now.items():
        since = track.since
        if since == first and (then := past.get(key)) is not None:
            count = min(len(then), len(earlier))
            here, there = track.seat * EACH, then.seat * EACH
            for new, old in zip(made[-count:], earlier[-count:], strict=True):
                new[here : here + EACH] = old[there : there + EACH]
            since -= count
        tracks[key] = type(track)(joined, track.seat, since)
    return tracks
