"""An engine that kills itself at its N-th step: `python -m tests.engine.dying` in the place of supervisor.boot.

A step is a moment just before or just after something leaves the process: a line of the journal, an event, a
request to the keeper, a change of a proxy. The file DIR/die-at holds N; it goes with the engine, so that its
successor lives.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor import boot
from supervisor.engine.feed import Feed
from supervisor.engine.journal import Journal
from supervisor.engine.performing import Performer
from supervisor.host.launching import KeeperLink

STEPS: tuple[tuple[type, str], ...] = (
    (Journal, "_append"),
    (Journal, "_rewrite"),
    (Feed, "save"),
    (Performer, "spawn"),
    (Performer, "signal"),
    (Performer, "converge"),
    (KeeperLink, "ack"),
)


class Countdown:
    """Counts the steps since the file appeared, and dies at the one that it names."""

    def __init__(self, directory: Path) -> None:
        self._armed = directory / "die-at"
        self._died = directory / "died-at"
        self._taken = 0

    def step(self, name: str) -> None:
        try:
            last = int(self._armed.read_text() or "0")
        except FileNotFoundError:
            self._taken = 0
            return
        self._taken += 1
        if self._taken >= last:
            self._died.write_text(name)
            self._armed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def armed(countdown: Countdown, method: Callable[..., Any], name: str) -> Callable[..., Any]:
    def act(*arguments: Any, **named: Any) -> Any:
        countdown.step(f"before {name}")
        answer = method(*arguments, **named)
        countdown.step(f"after {name}")
        return answer

    return act


def main() -> int:
    countdown = Countdown(Path(sys.argv[sys.argv.index("--state-dir") + 1]))
    for owner, name in STEPS:
        setattr(owner, name, armed(countdown, getattr(owner, name), f"{owner.__name__}.{name.strip('_')}"))
    return boot.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
