"""Deeds done as tasks: nothing here waits in the loop, and every outcome, failure too, comes back as a fact."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from supervisor.engine.ledger import Ledger
from supervisor.engine.programs import launch_of
from supervisor.host.launching import KeeperLink
from supervisor.model.deeds import Converge, Signal
from supervisor.model.errors import ProxyError
from supervisor.model.facts import Converged, ConvergeFailed
from supervisor.model.workers import Worker
from supervisor.proxies.contract import Proxy

Tell = Callable[[object], None]
CONVERGE_TIMEOUT = 10.0
_log = logging.getLogger(__name__)


class Performer:
    """Holds the way to the keeper and to the proxies, and the tasks under way."""

    def __init__(self, ledger: Ledger, link: KeeperLink, tell: Tell) -> None:
        self.ledger = ledger
        self.link = link
        self.proxies: dict[str, Proxy] = {}
        self._tell = tell
        # Once: os.environ decodes every variable each time that it is looked through.
        self._environ = dict(os.environ)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, task: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(task)
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    def spawn(self, worker: Worker) -> None:
        spec = self.ledger.pools[worker.pool].revision(worker.generation)
        self.link.spawn(launch_of(worker, spec, self._environ))

    def signal(self, deed: Signal) -> None:
        self.link.signal(deed.serial, deed.signal, group=True)

    def converge(self, deed: Converge) -> None:
        self.start(self._converge(deed))

    async def _converge(self, deed: Converge) -> None:
        proxy = self.proxies.get(deed.proxy)
        where = (deed.proxy, deed.want.upstream, deed.owner)
        try:
            if proxy is None:
                raise ProxyError("no longer configured")
            async with asyncio.timeout(CONVERGE_TIMEOUT):
                changes = await proxy.converge(deed.want)
        except ProxyError as error:
            self._tell(ConvergeFailed(proxy=where[0], upstream=where[1], owner=where[2], why=str(error)))
        except TimeoutError:
            why = f"not done within {CONVERGE_TIMEOUT:g} s"
            self._tell(ConvergeFailed(proxy=where[0], upstream=where[1], owner=where[2], why=why))
        except Exception as error:
            # An outcome must come back whatever happened: without one the upstream would be waited for, for ever.
            _log.exception("converging %s/%s", where[0], where[1])
            why = f"a fault of clusterctl itself: {type(error).__name__}: {error}"
            self._tell(ConvergeFailed(proxy=where[0], upstream=where[1], owner=where[2], why=why))
        else:
            self._tell(Converged(proxy=where[0], upstream=where[1], owner=where[2], changes=changes))

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        for proxy in self.proxies.values():
            await proxy.close()


def note_log_start(worker: Worker) -> Worker:
    """The worker with the place in its file at which its own output will begin."""
    try:
        return replace(worker, log_from=os.stat(worker.log).st_size)
    except OSError:
        return worker
