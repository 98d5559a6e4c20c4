"""How many workers were asked for from this screen, until a picture shows it: questions count from there."""

from collections.abc import Collection
from typing import NamedTuple

from msgspec.structs import replace

from dashboard.mirror import Mirror
from dashboard.tui.intents import Ask
from supervisor.model.snapshot import Snapshot


class _Wanted(NamedTuple):
    ask: Ask
    operation: str | None = None
    """Its id; None while there is no answer."""
    shown: int = 0
    """Pictures that came after the answer."""


class Wanting:
    """Of each pool the newest number that was asked for and that no picture has been made after."""

    def __init__(self) -> None:
        self._pools: dict[str, _Wanted] = {}
        self._last: Snapshot | None = None

    def ask(self, ask: Ask) -> None:
        """It is sent; whatever it asks for."""
        if ask.scales:
            self._pools[ask.scales] = _Wanted(ask)

    def answered(self, ask: Ask, operation: str | None) -> None:
        """By an operation, or None: by a refusal, or not at all."""
        one = self._pools.get(ask.scales)
        if one is None or one.ask is not ask:
            return  # another number was asked for meanwhile
        if operation is None:
            del self._pools[ask.scales]
        else:
            self._pools[ask.scales] = one._replace(operation=operation)

    def look(self, snapshot: Snapshot) -> None:
        """A picture has come. The first after an answer may have been on its way before; the second was not."""
        if snapshot is self._last or not self._pools:
            return
        self._last = snapshot
        known = {row.id for row in snapshot.operations}
        self._pools = {pool: one for pool, old in self._pools.items() if (one := _older(old, known)) is not None}

    def newest(self, mirror: Mirror) -> Mirror:
        """The mirror with the numbers that are asked for as if it showed them."""
        snapshot, pools = mirror.snapshot, self._pools
        if snapshot is None or not pools:
            return mirror
        rows = tuple(
            replace(row, desired=pools[row.name].ask.body["desired"]) if row.name in pools else row
            for row in snapshot.pools
        )
        return replace(mirror, snapshot=replace(snapshot, pools=rows))


def _older(one: _Wanted, known: Collection[str]) -> _Wanted | None:
    if one.operation is None:
        return one
    return None if one.operation in known or one.shown else one._replace(shown=1)
