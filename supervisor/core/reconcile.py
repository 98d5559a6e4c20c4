"""What one pool needs now: the whole picture in, deeds out, no memory.

Rule 1: look, do not remember. Work under way is visible in the picture (a starting worker is one), so that
asking twice does nothing twice.
Rule 2: one rule for every reason to replace a worker. A slot carries the generation that it wants; a worker is
outdated when its generation is another, or when it is condemned. With surge, a successor is started in the same
slot and must serve well before the old one is dismissed; without, the old one goes first, when enough serve.
Rule 3: never fewer serving than wanted less `unavailable`, by our doing.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from supervisor.core.rotation import View, serves
from supervisor.model.deeds import Deed, Dismiss, DropSlot, Spawn
from supervisor.model.phases import Phase
from supervisor.model.pools import Pool, RolloutPhase
from supervisor.model.workers import Slot, Worker

ARRIVING = (Phase.STARTING, Phase.READY)


class Picture(Struct, frozen=True):
    """One pool, whole: what is wanted, and what is seen."""

    pool: Pool
    slots: Mapping[int, Slot]
    workers: Sequence[Worker]
    """Those not gone."""
    views: Mapping[int, View]
    """By serial, what the proxy says of each worker's backend."""
    now: float
    stopping: bool = False
    """The whole cluster is going down."""
    held: frozenset[str] = frozenset()
    """Addresses of the pool's shared listening sockets that the keeper holds."""
    grouped: dict[int, list[Worker]] = {}
    """The workers by slot, once somebody has asked for it."""

    def of_slot(self, number: int) -> list[Worker]:
        return self.by_slot().get(number, [])

    def by_slot(self) -> dict[int, list[Worker]]:
        if not self.grouped:
            for worker in self.workers:
                self.grouped.setdefault(worker.slot, []).append(worker)
        return self.grouped

    def serves(self, worker: Worker) -> bool:
        spec = self.pool.spec
        if (listen := self.pool.revision(worker.generation).listen) != spec.listen:
            spec = replace(spec, listen=listen)
        return serves(worker, spec, self.views.get(worker.serial))

    def stands(self, worker: Worker) -> bool:
        """It serves, or would, but for an operator who keeps it out of rotation."""
        view = self.views.get(worker.serial)
        kept_out = worker.phase is Phase.READY and view is not None and view.asked is not None
        return kept_out or self.serves(worker)

    def lacks_socket(self, generation: int) -> bool:
        """Whether workers of that generation share a listening socket, and it is not there."""
        listen = self.pool.revision(generation).listen
        return listen is not None and listen not in self.held

    def serving(self, below: float = float("inf")) -> int:
        """How many serve, in slots below that number."""
        return sum(worker.slot < below and self.serves(worker) for worker in self.workers)

    def away(self) -> bool:
        """The proxy does not answer: nobody can be taken out of rotation, and what was seen last may be no more."""
        if self.pool.spec.traffic is None or self.pool.spec.listen is not None:
            return False
        return not any(view.fresh for view in self.views.values())

    def counted(self, below: int) -> int:
        """Workers that serve as far as the proxy can be believed just now: when it is away, none."""
        return 0 if self.away() else self.serving(below)


class Plan(Struct, frozen=True):
    deeds: tuple[Deed, ...] = ()
    wake: float | None = None
    """When to look again though nothing happens."""
    waits: dict[int, str] = {}
    """By slot, what a replacement waits for."""


def reconcile(picture: Picture) -> Plan:
    """The deeds that bring the pool nearer to what is wanted of it."""
    pool = picture.pool
    down = pool.stopped or pool.leaving or picture.stopping
    deeds, waits = ([], {}) if down else shed(picture)
    wakes: list[float] = []
    budget: Budget | None = None
    by_slot = picture.by_slot()
    for number in sorted({*picture.slots, *range(pool.desired)}):
        slot = picture.slots.get(number) or Slot(pool=pool.name, number=number, generation=pool.complete)
        workers = by_slot.get(number, [])
        if down or slot.stopped:
            why = "the cluster is going down" if picture.stopping else reason_to_leave(pool, slot)
            deeds += [Dismiss(serial=w.serial, why=why, force=True) for w in workers if w.phase in ARRIVING]
            if not workers and number >= pool.desired:
                deeds.append(DropSlot(pool=pool.name, slot=number))
            continue
        if number >= pool.desired:
            continue  # shed, or about to be
        if len(workers) == 1 and workers[0].phase in ARRIVING and not outdated(workers[0], slot):
            continue  # as it should be; nearly all are, and there may be a thousand
        if workers:
            budget = budget or Budget.of(picture)
            more, wait, wake = fill(picture, slot, workers, budget)
        else:
            more, wait, wake = vacancy(picture, slot)
        if any(isinstance(deed, Spawn) and picture.lacks_socket(deed.generation) for deed in more):
            # Without its socket a worker could only fail; it is no fault of the program's.
            more, wait = [deed for deed in more if not isinstance(deed, Spawn)], "waiting for its shared socket"
        deeds += more
        if wait:
            waits[number] = wait
        if wake is not None:
            wakes.append(wake)
    return Plan(tuple(deeds), min(wakes, default=None), waits)


def shed(picture: Picture) -> tuple[list[Deed], dict[int, str]]:
    """Slots above the wanted number go, but for those that serve in the place of wanted ones that do not."""
    pool = picture.pool
    above = [number for number in picture.slots if number >= pool.desired and not picture.slots[number].stopped]
    over = sorted((w for n in above for w in picture.of_slot(n) if w.phase in ARRIVING), key=lambda w: w.slot)
    deeds: list[Deed] = [DropSlot(pool=pool.name, slot=n) for n in above if not picture.of_slot(n)]
    if not over:
        return deeds, {}
    lacking = [name_of(picture, n) for n in range(pool.desired) if lacks(picture, n)][
        pool.spec.rollout.unavailable :
    ]
    serving = [worker for worker in over if picture.serves(worker) and not turned_back(picture, worker)]
    kept = serving if picture.away() else serving[: len(lacking)]
    why = f"scaled to {pool.desired}"
    deeds += [Dismiss(serial=w.serial, why=why, force=True) for w in over if w not in kept]
    what = "the proxy to answer again" if picture.away() else f"{', '.join(lacking)} to serve in its place"
    return deeds, {worker.slot: what for worker in kept}


def lacks(picture: Picture, number: int) -> bool:
    """Whether a wanted slot has nobody who serves, though it should."""
    slot = picture.slots.get(number)
    if slot is not None and (slot.stopped or slot.finished):
        return False
    return not any(picture.stands(worker) for worker in picture.of_slot(number))


def name_of(picture: Picture, number: int) -> str:
    return f"{picture.pool.name}.{number}"


def reason_to_leave(pool: Pool, slot: Slot) -> str:
    return "no longer in the configuration" if pool.leaving else "stopped by an operator"


class Budget:
    """What may still be spent in this turn: workers above the wanted number, and workers out of service."""

    def __init__(self, surge: int, spare: int) -> None:
        self.surge = surge
        self.spare = spare

    @classmethod
    def of(cls, picture: Picture) -> "Budget":
        pool = picture.pool
        stopped = {number for number, slot in picture.slots.items() if slot.stopped}
        numbers = [number for number in range(pool.desired) if number not in stopped]
        wanted = len(numbers)
        filled = {worker.slot for worker in picture.workers}
        inside = sum(worker.slot < pool.desired for worker in picture.workers)
        # A vacant slot will be filled whatever happens: its worker counts already.
        vacant = sum(number not in filled for number in numbers)
        floor = wanted - pool.spec.rollout.unavailable
        return cls(
            surge=wanted + pool.spec.rollout.surge - inside - vacant,
            # One above the wanted number may be leaving in this very turn.
            spare=picture.counted(pool.desired) - floor,
        )


def fill(
    picture: Picture, slot: Slot, workers: Sequence[Worker], budget: Budget
) -> tuple[list[Deed], str | None, float | None]:
    """What a wanted slot with workers needs: deeds, what its replacement waits for, and when to look again."""
    arriving = [worker for worker in workers if worker.phase in ARRIVING]
    fresh = [worker for worker in arriving if not outdated(worker, slot)]
    stale = [worker for worker in arriving if outdated(worker, slot)]
    if len(fresh) > 1:
        # Two of the right kind, after a rollout or a restart was called off: the one that still carries requests,
        # else the one that served longest stays.
        keep = min(fresh, key=lambda worker: (worker.reprieved is None, not picture.serves(worker), worker.serial))
        why = "its slot has a worker already"
        return [Dismiss(serial=w.serial, why=why, force=True) for w in fresh if w is not keep], None, None
    if fresh and stale:
        return succeed(picture, fresh[0], stale)
    if stale:
        return replace_stale(picture, slot, stale, workers, budget)
    if any(worker.failed and worker.ready_at is None for worker in workers):
        return [], None, None  # its end will count as a death: the back-off comes first
    if not fresh and picture.pool.spec.rollout.surge and budget.surge > 0 and may_fill(slot, picture.now):
        # Its only worker is on its way out, unasked: with surge nobody needs to wait for its end.
        budget.surge -= 1
        return [spawn(slot)], None, None
    return [], None, None


def outdated(worker: Worker, slot: Slot) -> bool:
    return worker.generation != slot.generation or worker.condemned is not None


def spawn(slot: Slot) -> Spawn:
    return Spawn(pool=slot.pool, slot=slot.number, generation=slot.generation)


def may_fill(slot: Slot, now: float) -> bool:
    return not slot.failed and not slot.finished and (slot.retry_at is None or slot.retry_at <= now)


def vacancy(picture: Picture, slot: Slot) -> tuple[list[Deed], str | None, float | None]:
    if slot.failed or slot.finished:
        return [], None, None
    if slot.retry_at is not None and slot.retry_at > picture.now:
        return [], None, slot.retry_at
    return [spawn(slot)], None, None


def succeed(
    picture: Picture, successor: Worker, stale: Sequence[Worker]
) -> tuple[list[Deed], str | None, float | None]:
    """The successor must serve, and for a while, before the old one goes."""
    if picture.away():
        return [], "the proxy to answer again", None
    if not picture.stands(successor) and not given_its_time(picture, successor):
        what = "to get ready" if successor.phase is Phase.STARTING else "to be up at the proxy"
        return [], f"its new worker {what}", None
    since = successor.serving_since if successor.serving_since is not None else picture.now
    if not picture.serves(successor):
        since = successor.since
    settled = since + watch_seconds(picture, successor)
    if picture.now < settled:
        return [], "its new worker to prove itself", settled
    why = "replaced by a new worker"
    return [Dismiss(serial=w.serial, why=why, force=forced(picture, w)) for w in stale], None, None


def given_its_time(picture: Picture, back: Worker) -> bool:
    """A worker that was put back by an abort, ready and not up at the proxy: it is waited for no longer."""
    rollout = picture.pool.rollout
    if rollout is None or rollout.phase is not RolloutPhase.ABORTING or back.phase is not Phase.READY:
        return False
    return (
        picture.now
        >= max(back.since, rollout.settled_at or 0.0) + picture.pool.revision(back.generation).ready.timeout
    )


def watch_seconds(picture: Picture, successor: Worker) -> float:
    """A new generation is watched before it is believed; one more worker of a known generation is not."""
    rollout = picture.pool.rollout
    if rollout is None or successor.generation != rollout.to_generation:
        return 0.0
    return picture.pool.spec.rollout.watch


def replace_stale(
    picture: Picture, slot: Slot, stale: Sequence[Worker], workers: Sequence[Worker], budget: Budget
) -> tuple[list[Deed], str | None, float | None]:
    """Bring in a successor where surge allows it; else let the old one go where enough others serve."""
    policy = picture.pool.spec.rollout
    # One that was found, and is asked anew, may serve: where a successor can be had first, it has one.
    unready = [w for w in stale if w.phase is Phase.STARTING and not (w.exposed and policy.surge)]
    if unready:
        why = "outdated before it was ready"
        return [Dismiss(serial=w.serial, why=why, force=True) for w in unready], None, None
    if slot.finished:
        why = "its successor has ended as it should"
        return [Dismiss(serial=w.serial, why=why, force=forced(picture, w)) for w in stale], None, None
    if policy.surge and slot.failed:
        return [], f"its new worker failed: {slot.failed}", None
    if slot.retry_at is not None and slot.retry_at > picture.now:
        return [], "backing off before the next one", slot.retry_at
    if budget.surge > 0 and len(workers) == len(stale):
        budget.surge -= 1
        return [spawn(slot)], None, None
    if len(stale) > 1:
        return spare_one(picture, stale, budget)
    if not policy.unavailable:
        return [], "room for one more worker", None
    loss = sum(picture.serves(worker) for worker in stale)
    if budget.spare < loss:
        return [], f"{loss - budget.spare} more to serve", None
    budget.spare -= loss
    why = "to be replaced by a new worker"
    return [Dismiss(serial=w.serial, why=why, force=forced(picture, w)) for w in stale], None, None


def spare_one(
    picture: Picture, stale: Sequence[Worker], budget: Budget
) -> tuple[list[Deed], str | None, float | None]:
    """Several outdated ones in a slot, after one rollout superseded another: the room of all but one is needed."""
    keep = min(stale, key=lambda worker: (not picture.serves(worker), worker.serial))
    more = [worker for worker in stale if worker is not keep]
    loss = sum(picture.serves(worker) for worker in more)
    if budget.spare < loss:
        return [], f"{loss - budget.spare} more to serve", None
    budget.spare -= loss
    why = "its slot has a worker already"
    return [Dismiss(serial=w.serial, why=why, force=forced(picture, w)) for w in more], None, None


def forced(picture: Picture, worker: Worker) -> bool:
    """Whether it goes though its drain runs out of time. What was turned back is never put back into rotation."""
    return turned_back(picture, worker) or picture.pool.spec.rollout.on_drain_timeout == "force"


def turned_back(picture: Picture, worker: Worker) -> bool:
    """Of a generation that is not to be trusted."""
    rollout = picture.pool.rollout
    return (
        rollout is not None
        and rollout.phase is RolloutPhase.ABORTING
        and worker.generation == rollout.to_generation
    )
