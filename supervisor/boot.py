"""The one place that wires concrete parts together: `python -m supervisor.boot`, which the keeper starts."""

import argparse
import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec.structs import replace

from supervisor.api.readonly import offer
from supervisor.api.serving import serve
from supervisor.engine import reloading
from supervisor.engine.desk import Desk
from supervisor.engine.door import EngineDoor
from supervisor.engine.embedding import expect
from supervisor.engine.feed import Feed
from supervisor.engine.history import keep
from supervisor.engine.journal import Foreign, Journal
from supervisor.engine.ledger import Ledger
from supervisor.engine.loop import DOWN, UPGRADE, Engine
from supervisor.engine.preflight import Unreadable, could_take_over
from supervisor.engine.restoring import journaled_spec, owed, restore, resume, settle_workers, take_in_unknown
from supervisor.engine.running import Running
from supervisor.engine.spare import Spare
from supervisor.host.launching import KeeperLink
from supervisor.keeper.claiming import words
from supervisor.keeper.identity import boot_id, start_ticks
from supervisor.model.errors import BadConfig, BadRequest
from supervisor.model.launch import Exited, Held, ReloadAsked, Spawned, Terminate, Told
from supervisor.model.operations import OperationPhase
from supervisor.model.requests import Reload, Shutdown
from supervisor.model.spec import ClusterSpec
from supervisor.settings.machine import usable_cpus
from supervisor.settings.reading import read

STEPS_ASIDE = 75
"""Exit code that says: start my successor at once."""
UNHEARD = 1.0
"""Seconds after which the end of a worker that nobody holds is taken as unknown."""


def main(arguments: list[str]) -> int:
    """0: ended as asked; 2: the configuration or the state cannot be used; 75: for a newer engine to take over.

    Anything else restarts us.
    """
    parser = argparse.ArgumentParser(prog="python -m supervisor.boot")
    parser.add_argument("--config", required=True)
    parser.add_argument("--state-dir", required=True)
    parser.add_argument(
        "--check", action="store_true", help="say whether this engine could take over; touch nothing"
    )
    parser.add_argument("--ending", action="store_true", help="adopt what runs, start nothing, and go down")
    options = parser.parse_args(arguments)
    # A Ctrl-C in the terminal is for the keeper, which tells us to go down in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if options.check:
            print(could_take_over(Path(options.state_dir), config_reader(options.config, options.state_dir)))
            return 0
        # The sampler keeps a descriptor for each process; workers get theirs from the keeper, not from us.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return asyncio.run(run(options.config, options.state_dir, options.ending))
    except (BadConfig, Foreign, Unreadable) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{options.state_dir}: {words(error)}", file=sys.stderr)
        return 1


def own_version() -> str:
    try:
        return version("clusterctl")
    except PackageNotFoundError:
        return "unknown"


def config_reader(config: str, state_dir: str) -> Callable[[], ClusterSpec]:
    def read_config() -> ClusterSpec:
        spec = read(config, os.environ, os.geteuid() == 0, usable_cpus())
        return replace(spec, state_dir=state_dir)

    return read_config


async def run(config: str, state_dir: str, ending: bool) -> int:
    keeper_fd, api_fd = int(os.environ["CLUSTERCTL_KEEPER_FD"]), int(os.environ["CLUSTERCTL_API_FD"])
    told: list[Told] = []
    tell = told.append
    link = await KeeperLink.open(keeper_fd, lambda fact: tell(fact))
    journal = Journal(Path(state_dir) / "journal", spare=Spare.named("CLUSTERCTL_JOURNAL_FD", os.environ))
    records = journal.load()
    read_config = config_reader(config, state_dir)
    engine, again = prepare(journal, records, link.keeper_pid, state_dir)
    held = await link.held()
    running = Running(engine, link, read_config)
    begun = settle(engine, held, told)
    resume(engine.desk, again)
    if not again:
        first_config(running, read_config())
    elif engine.ledger.workers:
        text = f"the engine is back, {len(engine.ledger.workers)} processes held as before"
        engine.desk.say("engine-restarted", "cluster", text, level="warning")
    if journal.damaged:
        text = f"{journal.damaged} damaged lines of the journal were left out"
        engine.desk.say("journal-damaged", "cluster", text, level="warning")
    expect(engine.ledger, held)
    signals = [*owed(engine.ledger, held), *take_in_unknown(engine.desk, held, time.monotonic())]
    if ending:
        running.shut_down(Shutdown(actor="down"))
    engine.save(anew=True)
    await running.start()
    for fact in (*begun, *told):
        hear(running, fact)
    tell = lambda fact: hear(running, fact)  # noqa: E731
    for owing in signals:
        running.performer.signal(owing)
    return await serve_until_ended(running, socket.socket(fileno=api_fd))


class Garbage:
    """Objects in circles are looked for by time too, which takes 1 ms with a thousand workers: asyncio leaves one
    at each connection's end, and by the number of objects alone thousands of them wait for hours.
    """

    EVERY = 15.0
    """Seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._looked = now()

    def look(self) -> None:
        if self._now() - self._looked >= self.EVERY:
            self._looked = self._now()
            gc.collect()


async def serve_until_ended(running: Running, listener: socket.socket) -> int:
    """The engine's life; the exit code. Only an end that was asked for ends the keeper and its workers too."""
    engine, link = running.engine, running.link
    door = EngineDoor(engine, link.keeper_pid, own_version(), running)
    api = asyncio.create_task(serve(door, listener))
    api.add_done_callback(lambda task: engine.finish("the API ended"))
    if (path := engine.ledger.spec.read_only_socket) is not None:
        running.keep("read-only socket", lambda: offer(door, path, engine.ledger.spec.read_only_group))
    running.keep("history", lambda: keep(door.kept, door.picture, engine.pause))
    # What is here stays; and rows of a thousand workers are no reason to look for garbage again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    garbage = Garbage()

    def come() -> None:
        door.prepare()
        garbage.look()

    engine.on_readings = come
    link.up()
    why = "a fault"
    try:
        why = await engine.run()
    finally:
        if why == DOWN:
            # Verbs that wait for the end read it from their last answer: give them the moment to ask.
            await asyncio.sleep(0.15)
        api.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await api
        await running.close()
        engine.journal.close(engine.ledger.durable())
        engine.desk.feed.close()
    if why == DOWN:
        link.shutdown(running.keep_workers)
        await asyncio.sleep(0.05)
        return 0
    print(f"the engine ends: {why}", file=sys.stderr)
    return STEPS_ASIDE if why == UPGRADE else 1


def settle(engine: Engine, held: Iterable[Held], told: Iterable[Told]) -> list[Spawned]:
    """What the journal says of workers, held against what the keeper says; the starts to be heard of."""
    exits = {fact.serial for fact in told if isinstance(fact, Exited)}
    begun, ended = settle_workers(engine.ledger, held, exits, time.monotonic())
    for serial in ended:
        asyncio.get_running_loop().call_later(UNHEARD, bury_unheard, engine, serial)
    return begun


def prepare(journal: Journal, records: Mapping[str, bytes], keeper_pid: int, state_dir: str) -> tuple[Engine, bool]:
    """The engine with its ledger filled from the journal, and whether this keeper had an engine before."""
    spec = journaled_spec(records) or ClusterSpec(name="", state_dir=state_dir)
    ledger = Ledger(spec=replace(spec, state_dir=state_dir))
    # Revisions are ETags: they must not repeat when a later engine counts again.
    ledger.revision = int(time.time() * 1000)
    unread = restore(ledger, records, boot_id() or "unknown")
    reloading.apply_proxies(ledger, ledger.spec.proxies)
    keeper = (keeper_pid, start_ticks(keeper_pid))
    again = (ledger.counters.keeper, ledger.counters.keeper_ticks) == keeper and bool(ledger.spec.name)
    ledger.counters = replace(ledger.counters, keeper=keeper[0], keeper_ticks=keeper[1])
    feed = Feed(Path(state_dir) / "events.jsonl", Spare.named("CLUSTERCTL_EVENTS_FD", os.environ))
    feed.load()
    desk = Desk(ledger, feed)
    for key in unread:
        desk.say(
            "journal-damaged", "cluster", f"the record {key} could not be read and is left out", level="warning"
        )
    return Engine(desk, journal), again


def first_config(running: Running, spec: ClusterSpec) -> None:
    """The configuration at `up`: what differs from what was wanted before becomes the plan, as at a reload."""
    ledger = running.ledger
    operation = running.begin(Reload(actor="up"), "up")
    rolling = {pool.rollout.operation for pool in ledger.pools.values() if pool.rollout}
    for sentence in reloading.apply(ledger, spec, operation.id, time.monotonic(), time.time()):
        running.desk.say("config-changed", "cluster", sentence, operation=operation.id)
    for name in rolling - {pool.rollout.operation for pool in ledger.pools.values() if pool.rollout}:
        why = f"superseded by {operation.id}: the configuration has changed since"
        running.desk.end(name, OperationPhase.ABORTED, "another generation is rolled out instead", why)


def hear(running: Running, fact: Told) -> None:
    """From the keeper: its own requests are the cluster's, everything else is the engine's."""
    try:
        match fact:
            case Terminate():
                running.shut_down(Shutdown(actor="a signal to the keeper"))
            case ReloadAsked():
                running.reload(Reload(actor="SIGHUP to the keeper"))
            case _:
                running.engine.tell(fact)
    except (BadRequest, BadConfig) as error:
        running.desk.say("refused", "cluster", str(error), level="error")


def bury_unheard(engine: Engine, serial: int) -> None:
    """A worker that the journal knows and the keeper does not, and of whose end nobody told."""
    worker = engine.ledger.workers.get(serial)
    if worker is not None:
        at = time.monotonic()
        gone = Exited(number=0, serial=serial, pid=worker.pid or 0, code=None, signal=None, at=at, known=False)
        engine.tell(gone)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
