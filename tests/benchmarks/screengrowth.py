"""Memory of the screen over an hour of pictures, told ten a second: a line through its last two thirds.

    .venv/bin/python -m tests.benchmarks.screengrowth [--workers 100] [--pictures 3600]      # about 6 min

`clusterctl top` in a pty of 120×40 on the simulated cluster: each picture has other numbers everywhere and an
event, and an operator moves about, opens pages and leaves them. `full` is the memory when every history has its 120
readings; an hour is 3,600 pictures, one a second. The slope is told with its standard error, as in `growth`.
"""

import re
import time
from itertools import cycle

from tests.benchmarks._report import Figure, parser, show
from tests.benchmarks._terminal import Terminal, terminal
from tests.benchmarks.growth import slope
from tests.benchmarks.screen import CLUSTERCTL, cluster

FULL = 150
"""Pictures after which the histories are."""
EVERY = 0.1
"""Seconds between two pictures."""
KEYS = tuple(bytes((key,)) for key in b"jk\tj\r\x1b\t\rj\x1bv\x1be\x1b><")
"""Moves in both tables; the pages of a backend, a worker, a pool and the events, and back; sorts."""


def shown(there: Terminal) -> int:
    """The number of the newest picture whose event has been painted."""
    return max((int(number) for number in re.findall(rb"second (\d+)", there.tail)), default=0)


def readings(there: Terminal, pictures: int) -> list[tuple[float, float]]:
    """Pictures shown, and MB then; raises RuntimeError where no picture comes any more."""
    points: list[tuple[float, float]] = []
    keys, until = cycle(KEYS), time.monotonic() + pictures * EVERY * 3
    while (number := shown(there)) < pictures:
        if time.monotonic() > until:
            raise RuntimeError(f"picture {number} of {pictures} is the last one")
        there.press(next(keys))
        there.pump_for(9 * EVERY)
        if number >= FULL:
            points.append((float(number), there.rss_mb()))
    return points


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--workers", type=int, default=100)
    made.add_argument("--pictures", type=int, default=3_600)
    options = made.parse_args()
    command = (CLUSTERCTL, "top", "--interval", f"{EVERY:g}", "--socket")
    with cluster(options.workers, EVERY) as socket, terminal((*command, socket)) as there:
        there.until(b"web.0")
        points = readings(there, options.pictures)
    grown, error = slope([point for point in points if point[0] >= options.pictures / 3])
    who = f"clusterctl top, {options.workers} workers"
    figures = [
        Figure(who, "full", points[0][1], "MB"),
        Figure(who, "ends with", points[-1][1], "MB"),
        Figure(who, "slope", grown, "MB/h"),
        Figure(who, "standard error", error, "MB/h"),
    ]
    show("screengrowth", figures, f"none in the last two thirds of {options.pictures} pictures", options.json)


if __name__ == "__main__":
    main()
