"""A world for the engine's own logic: its ledger and turns are real; processes and the proxy take so many ticks.

A tick is 100 ms of a clock that is a number. One line of a transcript is one tick, one column a slot: for each
worker its generation and the first letter of its phase, in capitals once it serves (`1R` serves, `1r` is ready
but not yet up at the proxy).
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import replace

from supervisor.engine import judging, seeing
from supervisor.engine.asking import ask
from supervisor.engine.converging import converge_upstreams
from supervisor.engine.desk import Desk
from supervisor.engine.feed import Feed
from supervisor.engine.intake import take
from supervisor.engine.ledger import Ledger, ProxyState
from supervisor.engine.turning import Turn, take_turn
from supervisor.model.backends import Backend, Observation, Upstream, Want
from supervisor.model.deeds import Signal
from supervisor.model.facts import Converged, ProbePassed, ProxyLost, ProxySeen
from supervisor.model.launch import Exited, Spawned
from supervisor.model.operations import Operation
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.pools import Pool
from supervisor.model.requests import AnyRequest
from supervisor.model.spec import ClusterSpec, PoolSpec, ProxySpec
from supervisor.model.workers import Worker

TICK = 0.1
Behaviour = Callable[[Worker], str]
"""How the program of a worker behaves: `well`, `crash`, `hang` (never ready), `errs` (answers 500), `sickens`."""


class World:
    def __init__(self, folder: Path, spec: PoolSpec, behaves: Behaviour = lambda worker: "well") -> None:
        proxy = ProxySpec(name="lb", kind="memory", socket="memory")
        ledger = Ledger(spec=ClusterSpec(name="test", state_dir=str(folder), pools=(spec,), proxies=(proxy,)))
        ledger.pools[spec.name] = Pool(spec=spec, desired=spec.workers, revisions={1: spec})
        ledger.proxies["lb"] = ProxyState(spec=proxy)
        self.ledger = ledger
        self.desk = Desk(ledger, Feed(folder / "events.jsonl"))
        self.name = spec.name
        self.behaves = behaves
        self.now = 1000.0
        self.slept = 0.0
        """Seconds by which wall time is ahead."""
        self.backends: dict[str, Backend] = {}
        self.flight: dict[str, int] = {}
        """Ticks for which an address still has a request in flight after it left rotation."""
        self.down_until: dict[str, float] = {}
        """By address, until when the proxy's checks have not found out that somebody is there."""
        self.reachable = True
        self.begun: dict[int, float] = {}
        self.engine_began = 0.0
        """A new engine asks anew who is ready."""
        self.ending: dict[int, float] = {}
        self.cut: list[str] = []
        """Workers that were told to stop while the proxy sent them requests."""
        self.exits = 0

    def ask(self, request: AnyRequest) -> Operation:
        return ask(self.desk, request, self.now, self.now + self.slept)

    def tick(self) -> None:
        """Everything that happened in 100 ms, then one turn."""
        self.now += TICK
        self.let_live()
        self.let_proxy_answer()
        turn = Turn(now=self.now, wall=self.now + self.slept, free=lambda port: True)
        take_turn(self.desk, turn, self.name)
        converge_upstreams(self.ledger, turn.changes, self.now, {self.name})
        judging.judge_all(self.desk, self.now)
        for worker in turn.births:
            self.begun[worker.serial] = self.now
            spawned = Spawned(serial=worker.serial, pid=1000 + worker.serial, started=self.now, started_wall=0.0)
            turn.signals += take(self.desk, worker.serial, spawned, self.now)
        self.signal(turn.signals)
        for change in turn.changes:
            self.converge(change.want)
            fact = Converged(proxy="lb", upstream=change.want.upstream, owner=change.owner, changes=())
            seeing.converged(self.desk, fact, self.now)

    def let_live(self) -> None:
        for worker in self.ledger.workers_of(self.name):
            age, asked = self.now - self.begun[worker.serial], self.now - self.engine_began
            behaviour = self.behaves(worker)
            if worker.serial in self.ending and self.now - self.ending[worker.serial] >= TICK / 2:
                self.exit(worker, None, "TERM")
            elif behaviour == "crash" and age >= 2 * TICK:
                self.exit(worker, 1, None)
            elif worker.phase is Phase.STARTING and behaviour != "hang" and min(age, asked) >= 2 * TICK:
                take(self.desk, worker.serial, ProbePassed(serial=worker.serial, why="HTTP 200"), self.now)

    def exit(self, worker: Worker, code: int | None, signal: str | None) -> None:
        self.exits += 1
        fact = Exited(
            number=self.exits, serial=worker.serial, pid=worker.pid or 0, code=code, signal=signal, at=self.now
        )
        take(self.desk, worker.serial, fact, self.now)

    def kill(self, slot: int) -> None:
        """The slot's oldest worker dies by itself."""
        worker = min((w for w in self.ledger.workers_of(self.name) if w.slot == slot), key=lambda w: w.serial)
        self.exit(worker, None, "SEGV")

    def let_proxy_answer(self) -> None:
        if not self.reachable:
            seeing.proxy_lost(self.desk, ProxyLost(proxy="lb", why="connection refused"))
            return
        for address, left in list(self.flight.items()):
            out = self.backends.get(address)
            if out is not None and out.rotation is not Rotation.READY:
                self.flight[address] = left - 1
        by_address = {w.address: w for w in self.ledger.workers_of(self.name)}
        for address, backend in self.backends.items():
            errs = (worker := by_address.get(address)) is not None and self.behaves(worker) == "errs"
            requests = (backend.requests_total or 0) + (5 if backend.rotation is Rotation.READY else 0)
            self.backends[address] = replace(
                backend,
                health=Health.DOWN if sick(self.behaves, worker, self.now) or unseen(self, address) else Health.UP,
                in_flight=max(0, self.flight.get(address, 0)),
                requests_total=requests,
                errors_total=requests if errs else 0,
                response_ms=10.0,
            )
        upstream = Upstream(name="web", backends=tuple(self.backends.values()))
        seen = Observation(version="1", epoch="1", upstreams=(upstream,), asked=self.now, answered=self.now)
        fact = ProxySeen(proxy="lb", observation=seen, capabilities=("drain", "maint"), settle=0.05)
        signals, _ = seeing.proxy_seen(self.desk, fact, self.now)
        self.signal(signals)

    def signal(self, signals: Iterable[Signal]) -> None:
        for signal in signals:
            worker = self.ledger.workers.get(signal.serial)
            backend = self.backends.get(worker.address or "") if worker else None
            if worker and backend and (backend.rotation, backend.health) == (Rotation.READY, Health.UP):
                self.cut.append(f"{worker.slot_name}@{worker.generation}, {worker.phase}: {worker.stop_why}")
            self.ending.setdefault(signal.serial, self.now)

    def converge(self, want: Want) -> None:
        for member in want.members:
            have = self.backends.get(member.address)
            if have is None:
                have = Backend(name=member.name, address=member.address, health=Health.CHECKING)
            self.backends[member.address] = replace(have, rotation=member.rotation)
        for address in want.remove:
            self.backends.pop(address, None)

    def line(self) -> str:
        picture = self.ledger.picture(self.name, self.now)
        slots = sorted({*picture.slots, *range(picture.pool.desired)})
        columns = []
        for number in slots:
            workers = sorted(picture.of_slot(number), key=lambda w: w.serial)
            words = [f"{w.generation}{letter(picture.serves(w), w)}" for w in workers]
            slot = picture.slots.get(number)
            columns.append("+".join(words) or ("failed" if slot and slot.failed else "-"))
        return " ".join(f"{column:6}" for column in columns).rstrip()

    def serving(self) -> int:
        return self.ledger.picture(self.name, self.now).serving()

    def run(self, until: Callable[[], bool], most: int = 2000) -> list[str]:
        """Tick until something is so; the lines on the way, without repetitions."""
        lines: list[str] = []
        for _ in range(most):
            self.tick()
            if not lines or lines[-1] != self.line():
                lines.append(self.line())
            if until():
                return lines
        raise AssertionError("never so:\n" + "\n".join(lines[-20:]))


def sick(behaves: Behaviour, worker: Worker | None, now: float) -> bool:
    """Well at first, and no longer so a second after it was ready."""
    if worker is None or behaves(worker) != "sickens" or worker.ready_at is None:
        return False
    return now >= worker.ready_at + 2 * TICK


def unseen(world: World, address: str) -> bool:
    return world.now < world.down_until.get(address, 0.0)


def letter(serves: bool, worker: Worker) -> str:
    return {
        Phase.STARTING: "s",
        Phase.READY: "R" if serves else "r",
        Phase.DRAINING: "d",
        Phase.STOPPING: "x",
        Phase.GONE: "-",
    }[worker.phase]
