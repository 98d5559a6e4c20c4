"""Whether more workers want processor time than there are cores."""

from collections.abc import Iterable

FULL = 0.8
"""Of what the cores can give: above it the workers take it from each other."""


def crowded(percents: Iterable[float | None], cpus: int) -> int | None:
    """How many workers share the cores that they keep busy, where they are more than the cores; else None.

    `percents` is of one core for each worker. Who must share has less than a core: a worker counts from half of an
    equal share on.
    """
    known = [percent for percent in percents if percent is not None]
    busy = [percent for percent in known if percent > 50.0 * min(1.0, cpus / len(known))]
    return len(busy) if len(busy) > cpus and sum(busy) > FULL * 100.0 * cpus else None
