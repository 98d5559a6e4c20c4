"""An engine that kills itself at its N-th step: `python -m tests.engine.dying` in the place of supervisor.boot.

A step is a moment just before or just after something leaves the process: a line of the journal, an event, any
request to the keeper, a command to a proxy, a file of its. The file DIR/die-at holds N; it goes with the engine, so
that its successor lives. Instead of N it may name a step. `tests.engine.deeds` knows from the source whether any
step is missing.
"""

import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor import boot
from supervisor.engine.feed import Feed
from supervisor.engine.journal import Journal
from supervisor.engine.performing import Performer
from supervisor.engine.rewriting import Rewriting
from supervisor.host.launching import KeeperLink
from supervisor.proxies import embedded
from supervisor.proxies.haproxy_hands import Hands

STEPS: tuple[tuple[Any, str], ...] = (
    (Journal, "_append"),
    (Rewriting, "run"),
    (Rewriting, "finish"),
    (Feed, "save"),
    (Performer, "spawn"),
    (Performer, "signal"),
    (Performer, "converge"),
    (Hands, "_change"),
    (embedded, "write_config"),
    (embedded, "write_and_check"),
    (embedded, "_tell_master"),
    (embedded, "reload"),
    (KeeperLink, "ack"),
    (KeeperLink, "listen"),
    (KeeperLink, "unlisten"),
    (KeeperLink, "succeed"),
    (KeeperLink, "shutdown"),
    (KeeperLink, "up"),
)


class Countdown:
    """Counts the steps since the file appeared, and dies at the one that it names."""

    def __init__(self, directory: Path) -> None:
        self._armed = directory / "die-at"
        self._died = directory / "died-at"
        self._taken = 0

    def step(self, name: str) -> None:
        try:
            wanted = self._armed.read_text() or "0"
        except FileNotFoundError:
            self._taken = 0
            return
        self._taken += 1
        if name == wanted or (wanted.isdigit() and self._taken >= int(wanted)):
            # Whole at once, as others look at any moment; and two threads may come to their steps together.
            new = self._died.with_suffix(f".{threading.get_ident()}")
            new.write_text(name)
            new.rename(self._died)
            self._armed.unlink(missing_ok=True)  # another thread may have come to its step too
            os.kill(os.getpid(), signal.SIGKILL)


def armed(countdown: Countdown, method: Callable[..., Any], name: str) -> Callable[..., Any]:
    def act(*arguments: Any, **named: Any) -> Any:
        countdown.step(f"before {name}")
        answer = method(*arguments, **named)
        countdown.step(f"after {name}")
        return answer

    async def act_slowly(*arguments: Any, **named: Any) -> Any:
        countdown.step(f"before {name}")
        answer = await method(*arguments, **named)
        countdown.step(f"after {name}")
        return answer

    return act_slowly if inspect.iscoroutinefunction(method) else act


def named(owner: Any, name: str) -> str:
    return f"{owner.__name__.rpartition('.')[2]}.{name.strip('_')}"


def main() -> int:
    countdown = Countdown(Path(sys.argv[sys.argv.index("--state-dir") + 1]))
    for owner, name in STEPS:
        setattr(owner, name, armed(countdown, getattr(owner, name), named(owner, name)))
    return boot.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
