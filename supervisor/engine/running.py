"""A running cluster: the engine with everything around it, from the first look at the keeper to the end."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Sequence

from msgspec.structs import replace

from supervisor.core.sharing import shared_addresses, socket_name
from supervisor.engine import reloading
from supervisor.engine.desk import Desk
from supervisor.engine.embedding import install, prepare, replace_mute, runtime_dir
from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.engine.loop import DOWN, UPGRADE, Engine
from supervisor.engine.performing import Performer
from supervisor.engine.preflight import CannotTakeOver, trial
from supervisor.engine.rows import operation_row
from supervisor.engine.watching import watch_logs, watch_proxy, watch_samples
from supervisor.host.launching import KeeperLink
from supervisor.keeper.identity import is_stopped
from supervisor.model.errors import Conflict, NeedsYes, ProxyError
from supervisor.model.operations import Operation, OperationPhase
from supervisor.model.requests import Reload, Shutdown, Upgrade
from supervisor.model.snapshot import OperationRow
from supervisor.model.spec import ClusterSpec, ProxySpec
from supervisor.proxies import embedded
from supervisor.proxies.embedded_text import frame
from supervisor.proxies.registry import connect

RETRY = 2.0
"""Seconds until a listening socket or an embedded proxy that could not be had is tried again."""
RETRY_RELOAD = 15.0
"""Seconds until a reload that an embedded proxy refused is tried again: each try starts a process."""

_log = logging.getLogger(__name__)
ReadConfig = Callable[[], ClusterSpec]


class Running:
    """Owns the tasks around the engine, and carries out what concerns the cluster as a whole."""

    def __init__(self, engine: Engine, link: KeeperLink, read_config: ReadConfig) -> None:
        self.engine = engine
        self.desk: Desk = engine.desk
        self.ledger: Ledger = engine.ledger
        self.link = link
        self.keep_workers = False
        self._read_config = read_config
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.ledger.sockets = dict.fromkeys(link.listening)
        self._aligning = asyncio.Lock()
        """Two at once would write the same file of a proxy."""
        self._reload_due: dict[str, float] = {}
        """Embedded proxies that may run with another frame than their file has: when to look again."""
        self._connected: dict[str, ProxySpec] = {}
        """What each adapter was made from: a reload may say something else since."""
        engine.performer = Performer(self.ledger, link, engine.tell)

    @property
    def performer(self) -> Performer:
        assert self.engine.performer is not None
        return self.engine.performer

    async def start(self) -> None:
        """Open what workers need before any is started, then watch everything."""
        await self.open_listeners()
        await self.align_proxies()
        self.keep("samples", lambda: watch_samples(self.ledger, self.link.keeper_pid, self.engine.tell))
        self.keep("logs", lambda: watch_logs(self.ledger, self.engine.pause))
        self.keep("retry", self.try_again)

    def keep(self, name: str, make: Callable[[], Coroutine[None, None, None]]) -> None:
        """A task that must never end: what it stumbles over is told, and it begins again."""

        async def again_and_again() -> None:
            said = ""
            while True:
                try:
                    await make()
                except OSError as error:
                    text = f"{name}: {error}; trying again every {RETRY:g} s"
                except Exception as error:
                    text = f"{name}: a fault of clusterctl itself: {type(error).__name__}: {error}; going on"
                    if text != said:  # engine.log is rotated at our start alone
                        _log.exception("%s", name)
                else:
                    text = ""
                if text and text != said:
                    self.desk.say("fault", "cluster", text, level="error")
                said = text
                await asyncio.sleep(RETRY)

        self._tasks[name] = asyncio.create_task(again_and_again())

    def once(self, name: str, work: Coroutine[None, None, None]) -> None:
        """A task that ends by itself; what it stumbles over is told, for nobody waits for it."""

        async def told() -> None:
            try:
                await work
            except Exception as error:
                _log.exception("%s", name)
                text = f"{name}: a fault of clusterctl itself: {type(error).__name__}: {error}"
                self.desk.say("fault", "cluster", text, level="error")

        self.performer.start(told())

    async def open_listeners(self) -> None:
        """Have the keeper hold the shared listening sockets that pools want, and no others."""
        sockets = self.ledger.sockets
        wanted = {
            socket_name(name, address): (name, address)
            for name, pool in self.ledger.pools.items()
            for address in shared_addresses(pool, self.ledger.workers_of(name))
        }
        for name in sockets.keys() - wanted.keys():
            self.link.unlisten(name)
            del sockets[name]
        for name, (pool, address) in wanted.items():
            before = sockets.get(name, "not asked yet")
            if before is None:
                continue
            why = sockets[name] = await self.link.listen(name, address)
            if why is not None and why != before:
                text = f"its socket cannot be opened: {why}; trying again every {RETRY:g} s"
                self.desk.say("listen-failed", pool, text, level="error", pool=pool)
            self.engine.touch(pool)

    async def align_proxies(self) -> None:
        """An adapter and a watching task for each configured proxy, a hidden pool for each embedded one."""
        async with self._aligning:
            await self.align_each_proxy()

    async def align_each_proxy(self) -> None:
        for name in list(self.performer.proxies):
            state = self.ledger.proxies.get(name)
            if state is None or self._tasks.get(f"proxy {name}") is None:
                await self.let_go(name)
        for name, state in list(self.ledger.proxies.items()):
            if state.spec.embedded and not await self.embed(state.spec):
                continue
            if name in self.performer.proxies and self._connected.get(name) != state.spec:
                await self.let_go(name)
            if name not in self.performer.proxies:
                self.watch(state.spec)

    def watch(self, spec: ProxySpec) -> None:
        proxy = connect(spec, runtime_dir(self.ledger, spec.name))
        self.performer.proxies[spec.name], self._connected[spec.name] = proxy, spec
        self.keep(
            f"proxy {spec.name}",
            lambda: watch_proxy(
                self.ledger.proxies[spec.name],
                proxy,
                self.engine.tell,
                lambda: self.engine.urgent(spec.name),
                self.engine.nudge_of(spec.name),
            ),
        )

    async def let_go(self, name: str) -> None:
        task = self._tasks.pop(f"proxy {name}", None)
        if task is not None:
            task.cancel()
        proxy = self.performer.proxies.pop(name, None)
        if proxy is not None:
            await proxy.close()

    async def embed(self, spec: ProxySpec) -> bool:
        """Write, check and run an embedded proxy's configuration; reload it when it runs with another frame."""
        state = self.ledger.proxies[spec.name]
        try:
            hidden = await prepare(self.ledger, spec)
        except (ProxyError, OSError) as error:
            if state.refused != str(error):
                self.desk.say("proxy-not-started", spec.name, str(error), level="error")
            state.awaited, state.refused = None, str(error)
            if not state.reachable:
                state.why = str(error)
            # One that runs is watched and told all the same: a disk may be full.
            return bool(self.ledger.workers_of(f"{PROXY_POOL}{spec.name}"))
        install(self.ledger, spec, hidden)
        await self.bring_in_force(spec.name)
        self.engine.touch(f"{PROXY_POOL}{spec.name}")
        return True

    async def bring_in_force(self, name: str) -> None:
        """Reload an embedded proxy until it runs with the frame that its file has, whichever engine wrote that."""
        place, state = runtime_dir(self.ledger, name), self.ledger.proxies.get(name)
        self._reload_due.pop(name, None)
        if state is None:
            return  # no longer configured
        running = await embedded.frame_in_force(place)
        if running is None:
            # It is on its way, and may have read the file before it was written.
            self._reload_due[name] = 0.0
        elif running != frame(embedded.read_config(place)):
            try:
                await embedded.reload(place)
            except (ProxyError, OSError) as error:
                why = f"its new configuration is not in force: {error}; trying again every {RETRY_RELOAD:g} s"
                if state.refused != why:
                    self.desk.say("proxy-not-reloaded", name, why, level="error")
                state.awaited, state.refused = None, why
                self._reload_due[name] = time.monotonic() + RETRY_RELOAD
                return
            self.desk.say("proxy-reloaded", name, "reloaded with its new configuration")
        state.awaited = state.refused = None

    async def try_again(self) -> None:
        """Sockets and embedded proxies that could not be had: the reason may go away. And sockets of before."""
        while True:
            await self.engine.pause(RETRY)
            await self.open_listeners()
            if self.ledger.proxies.keys() - self.performer.proxies.keys() and not self.ledger.stopping:
                await self.align_proxies()
            for name, state in self.ledger.proxies.items():
                if state.spec.embedded and (mute := replace_mute(self.ledger, name, time.monotonic())):
                    text = f"pid {mute.pid}: {mute.condemned}: starting another beside it"
                    self.desk.say("proxy-mute", name, text, level="warning")
                    self.engine.touch(mute.pool)
            for name, at in list(self._reload_due.items()):
                if at <= time.monotonic() and not self.ledger.stopping:
                    async with self._aligning:
                        await self.bring_in_force(name)

    def begin(self, request: Reload | Shutdown | Upgrade, verb: str) -> Operation:
        number = self.ledger.counters.operation + 1
        self.ledger.counters = replace(self.ledger.counters, operation=number)
        operation = Operation(
            id=f"op-{number}",
            request=request,
            verb=verb,
            target="cluster",
            pool=None,
            asked=time.monotonic(),
            asked_wall=time.time(),
        )
        self.desk.begin(operation)
        return operation

    def reload(self, request: Reload) -> OperationRow:
        """Read the configuration again; the difference becomes the plan. Raises BadConfig, Conflict."""
        spec = self._read_config()
        reloading.check_reload(self.ledger, spec)
        if self.ledger.stopping:
            raise Conflict("the cluster is going down")
        operation = self.begin(request, "reload")
        changes = reloading.apply(self.ledger, spec, operation.id, time.monotonic(), time.time())
        for sentence in changes:
            self.desk.say("config-changed", "cluster", sentence, operation=operation.id)
        if not changes:
            self.desk.end(operation.id, OperationPhase.DONE, "the configuration is in force already")
        else:
            for state in self.ledger.proxies.values():
                state.awaited = "its configuration is being written" if state.spec.embedded else None
            self.once("reload", self.follow_config())
        self.ledger.revision += 1
        self.engine.touch()
        return operation_row(self.ledger.operations[operation.id])

    async def follow_config(self) -> None:
        await self.open_listeners()
        await self.align_proxies()
        self.engine.touch()

    def dry_reload(self) -> Sequence[str]:
        spec = self._read_config()
        reloading.check_reload(self.ledger, spec)
        return reloading.rehearsed(self.ledger, spec) or ["nothing: the configuration is in force already"]

    def shut_down(self, request: Shutdown) -> OperationRow:
        """Take the cluster down; with `keep_workers` end at once and leave everything running."""
        verb = "down --keep-workers" if request.keep_workers else "down"
        if self.keep_workers:
            raise Conflict("the cluster is going down already, and its workers stay")
        if self.ledger.stopping:
            running = next(o for o in self.ledger.operations.values() if o.running and o.verb.startswith("down"))
            return operation_row(running)
        failing = self.engine.journal.failing
        if request.keep_workers and failing and not request.yes:
            raise NeedsYes(
                f"{failing}; what was changed since is remembered by this keeper alone, and would be forgotten; "
                f"--yes goes down all the same"
            )
        if not request.keep_workers:
            for other in [o for o in self.ledger.operations.values() if o.running]:
                self.desk.end(other.id, OperationPhase.ABORTED, other.progress, "the cluster is going down")
        operation = self.begin(request, verb)
        self.keep_workers = request.keep_workers
        if request.keep_workers:
            self.desk.end(operation.id, OperationPhase.DONE, "the workers go on")
            # At once, and not when we have ended: it was said to be done, though we die before that.
            self.link.shutdown(keep_workers=True)
            asyncio.get_running_loop().call_later(0.1, self.engine.finish, DOWN)
        else:
            self.ledger.stopping = True
            self.engine.touch()
        self.ledger.revision += 1
        return operation_row(self.ledger.operations[operation.id])

    def upgrade(self, request: Upgrade) -> OperationRow:
        """Have the installed engine take over, if it proves that it can. Raises Conflict."""
        if self.ledger.stopping:
            raise Conflict("the cluster is going down")
        for operation in self.ledger.operations.values():
            if operation.running and isinstance(operation.request, Upgrade):
                raise Conflict(f"{operation.id} is upgrading the engine already")
        if is_stopped(keeper := self.link.keeper_pid):
            raise Conflict(f"the keeper is stopped, and would start no other engine; `kill -CONT {keeper}` first")
        operation = self.begin(request, "upgrade")
        self.once("upgrade", self.step_aside(operation.id, request.python))
        return operation_row(operation)

    async def step_aside(self, operation: str, python: str | None) -> None:
        """The end of this engine, and of this one alone: the next one ends the operation."""
        spec = self.ledger.spec
        try:
            answer = await trial(python or sys.executable, spec.source or "", spec.state_dir)
        except CannotTakeOver as error:
            why = f"{error}; nothing was changed"
            self.desk.end(operation, OperationPhase.FAILED, "the engine goes on as it was", why)
            self.engine.touch()
            return
        self.desk.say("upgrade", "cluster", f"{answer}; this engine steps aside", operation=operation)
        if python is not None:
            self.link.succeed(python)
        self.engine.finish(UPGRADE)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self.engine.probes.close()
        await self.performer.close()
