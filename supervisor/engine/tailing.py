"""What workers wrote: whose lines stand in which file now, and the lines themselves as an operator reads them."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping

from supervisor.core.operations import number_of
from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.engine.refusing import target_pool
from supervisor.host.following import Log, Place, follow
from supervisor.host.logs import tail
from supervisor.model.errors import BadSpec, Unknown
from supervisor.model.pools import Pool
from supervisor.model.text import clean_bytes

PLACE = re.compile(r"([^/~,]+)\.([0-9]{1,9})(?:\+[0-9]{1,2})?(?:~[0-9]{1,18}){3}", re.ASCII)
"""As `told_place` writes it: what a follower goes on from."""
OTHER_LOG = re.compile(r"([^/]+\.[0-9]+)\+([0-9]{1,2})")


def logs_of(ledger: Ledger, target: str) -> dict[str, Log]:
    """The logs of a pool or a slot, by slot. Raises Unknown.

    While a slot is replaced, the newer worker's is told apart by its serial; one that nobody fills has that of its
    last worker. `web.0+0` and `web.0+1` are the slot's files, whoever wrote them.
    """
    pool, number = logged(ledger, target)
    if other := OTHER_LOG.fullmatch(target):
        path = f"{ledger.spec.state_dir}/logs/{other[1] if other[2] == '0' else target}.log"
        if changed(path) is None:
            raise Unknown(f"no such log: {target} ({other[1]} has written none beside its own)")
        return {target: Log(path)}
    found: dict[str, Log] = {}
    for worker in sorted(ledger.workers_of(pool.name), key=lambda w: (w.slot, w.serial)):
        if number in (None, worker.slot) and worker.log:
            name = worker.slot_name
            found[f"{name}#{worker.serial}" if name in found else name] = Log(worker.log, worker.log_from)
    for slot in ledger.slots.get(pool.name, {}).values():
        if number in (None, slot.number) and slot.name not in found:
            found[slot.name] = Log(written_last(f"{ledger.spec.state_dir}/logs/{slot.name}"))
    return found


def logged(ledger: Ledger, target: str) -> tuple[Pool, int | None]:
    """The pool, and the slot's number if one worker is meant; `lb`, `@lb` and `@lb.0` are the embedded proxy lb."""
    if other := OTHER_LOG.fullmatch(target):
        target = other[1]
    hidden = target.partition(".")[0] if target.startswith(PROXY_POOL) else f"{PROXY_POOL}{target}"
    if hidden not in ledger.pools or target in ledger.pools.keys() - {hidden}:
        return target_pool(ledger, target)
    return ledger.pools[hidden], number_of(target)


def written_last(base: str) -> str:
    """Of a slot's files, the one that was written last: while it was replaced it had two workers."""
    newest, path, number = -1.0, f"{base}.log", 0
    written = path
    while (when := changed(path)) is not None:
        if when > newest:
            newest, written = when, path
        number += 1
        path = f"{base}+{number}.log"
    return written


def changed(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


async def lines_of(logs: Mapping[str, Log], lines: int) -> AsyncIterator[tuple[str, str]]:
    """Slot and line, made harmless: the last ones."""
    for name, log in logs.items():
        for line in await asyncio.to_thread(tail, log.path, lines):
            yield name, clean_bytes(line)


async def lines_to_come(
    ledger: Ledger, target: str, lines: int, places: Mapping[str, tuple[str, Place]]
) -> AsyncIterator[tuple[str, str] | Place]:
    """The last ones, or those after `places`, and then those to come while there is such a target."""
    try:
        async for item in follow(lambda: logs_of(ledger, target), lines, places):
            yield item if isinstance(item, Place) else (item[0], clean_bytes(item[1]))
    except Unknown:
        return  # scaled away, or no longer configured: who asks again is told so


def told_place(place: Place) -> str:
    """As one word; see `places_of`."""
    return f"{place.log}~{place.at}~{place.rotated}~{place.lines}"


def places_of(ledger: Ledger, target: str, text: str) -> dict[str, tuple[str, Place]]:
    """Where a follower was in the logs of a target, by path and with the slot's name. Raises BadRequest.

    Of workers that are gone meanwhile too: their last lines are still to be read.
    """
    pool, slot = logged(ledger, target)
    found: dict[str, tuple[str, Place]] = {}
    for word in text.split(",") if text else ():
        if (parts := PLACE.fullmatch(word)) is None or parts[1] != pool.name:
            raise BadSpec(f"{word[:100]!r} is no place in a log of {target}")
        log, at, rotated, lines = word.split("~")
        if slot in (None, int(parts[2])):
            place = Place(log, int(at), int(rotated), int(lines))
            found[f"{ledger.spec.state_dir}/logs/{log}.log"] = (f"{parts[1]}.{parts[2]}", place)
    return found
