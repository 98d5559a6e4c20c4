"""The one place that wires concrete parts together: `python -m supervisor.boot`, which the keeper starts."""

import argparse
import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec.structs import replace

from supervisor.api.serving import serve
from supervisor.engine import reloading
from supervisor.engine.desk import Desk
from supervisor.engine.door import EngineDoor
from supervisor.engine.feed import Feed
from supervisor.engine.journal import Foreign, Journal
from supervisor.engine.ledger import Ledger
from supervisor.engine.loop import Engine
from supervisor.engine.restoring import journaled_spec, restore, settle_workers
from supervisor.engine.running import Running
from supervisor.host.launching import KeeperLink
from supervisor.model.errors import BadConfig, BadRequest
from supervisor.model.launch import Exited, ReloadAsked, Terminate, Told
from supervisor.model.requests import Reload, Shutdown
from supervisor.model.spec import ClusterSpec
from supervisor.settings.machine import usable_cpus
from supervisor.settings.reading import read

UNHEARD = 1.0
"""Seconds after which the end of a worker that nobody holds is taken as unknown."""


def main(arguments: list[str]) -> int:
    """0: ended as asked; 2: the configuration or the state cannot be used. Anything else restarts us."""
    parser = argparse.ArgumentParser(prog="python -m supervisor.boot")
    parser.add_argument("--config", required=True)
    parser.add_argument("--state-dir", required=True)
    options = parser.parse_args(arguments)
    # The sampler keeps a descriptor for each process; workers get theirs from the keeper, not from us.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # A Ctrl-C in the terminal is for the keeper, which tells us to go down in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return asyncio.run(run(options.config, options.state_dir))
    except (BadConfig, Foreign) as error:
        print(error, file=sys.stderr)
        return 2


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"boot at {int(time.time() - time.monotonic()) // 60}"


def own_version() -> str:
    try:
        return version("clusterctl")
    except PackageNotFoundError:
        return "unknown"


async def run(config: str, state_dir: str) -> int:
    keeper_fd, api_fd = int(os.environ["CLUSTERCTL_KEEPER_FD"]), int(os.environ["CLUSTERCTL_API_FD"])
    told: list[Told] = []
    tell = told.append
    link = await KeeperLink.open(keeper_fd, lambda fact: tell(fact))
    journal = Journal(Path(state_dir) / "journal")
    records = journal.load()

    def read_config() -> ClusterSpec:
        spec = read(config, os.environ, os.geteuid() == 0, usable_cpus())
        return replace(spec, state_dir=state_dir)

    engine, again = prepare(journal, records, link, read_config, state_dir)
    desk = engine.desk
    running = Running(engine, link, read_config)
    held = await link.held()
    tell = lambda fact: hear(running, fact)  # noqa: E731
    heard = {fact.serial for fact in told if isinstance(fact, Exited)}
    for serial in settle_workers(desk, held, heard):
        asyncio.get_running_loop().call_later(UNHEARD, bury_unheard, engine, serial)
    for fact in told:
        hear(running, fact)
    if not again:
        first_config(running, read_config())
    elif engine.ledger.workers:
        text = f"the engine is back, {len(engine.ledger.workers)} processes held as before"
        desk.say("engine-restarted", "cluster", text, level="warning")
    if journal.damaged:
        text = f"{journal.damaged} damaged lines of the journal were left out"
        desk.say("journal-damaged", "cluster", text, level="warning")
    journal.begin(desk.ledger.durable())
    await running.start()
    door = EngineDoor(engine, link.keeper_pid, own_version(), running.reload, running.dry_reload, running.shut_down)
    api = asyncio.create_task(serve(door, socket.socket(fileno=api_fd)))
    link.up()
    try:
        await engine.run()
    finally:
        # Verbs that wait for the end read it from their last answer: give them the moment to ask.
        await asyncio.sleep(0.15)
        api.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await api
        await running.close()
        engine.desk.ledger.stopping = False
        journal.write(dict(desk.ledger.durable()))
        journal.close()
        link.shutdown(running.keep_workers)
        await asyncio.sleep(0.05)
    return 0


def prepare(
    journal: Journal, records: Mapping[str, bytes], link: KeeperLink, read_config: object, state_dir: str
) -> tuple[Engine, bool]:
    """The engine with its ledger filled from the journal, and whether this keeper had an engine before."""
    spec = journaled_spec(records) or ClusterSpec(name="", state_dir=state_dir)
    ledger = Ledger(spec=replace(spec, state_dir=state_dir))
    # Revisions are ETags: they must not repeat when a later engine counts again.
    ledger.revision = int(time.time() * 1000)
    unread = restore(ledger, records, boot_id())
    reloading.apply_proxies(ledger, ledger.spec.proxies)
    again = ledger.counters.keeper == link.keeper_pid and bool(ledger.spec.name)
    ledger.counters = replace(ledger.counters, keeper=link.keeper_pid)
    feed = Feed(Path(state_dir) / "events.jsonl")
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
    operation = running.begin(Reload(actor="up"), "reload")
    for sentence in reloading.apply(ledger, spec, operation.id, time.monotonic(), time.time()):
        running.desk.say("config-changed", "cluster", sentence, operation=operation.id)


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
