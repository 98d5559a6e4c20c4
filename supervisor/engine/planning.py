"""What a request would lead to, in sentences, for `--dry-run` and for the screen's confirmations."""

from typing import assert_never

from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.engine.refusing import check, find_backend, in_rotation, target_pool, wanted_count
from supervisor.model.phases import Phase, Rotation
from supervisor.model.pools import Pool
from supervisor.model.requests import (
    AnyRequest,
    Reload,
    Restart,
    Rotate,
    Scale,
    Shutdown,
    Start,
    Steer,
    Stop,
    Upgrade,
)
from supervisor.model.text import plural
from supervisor.model.workers import Worker


def plan(ledger: Ledger, request: AnyRequest) -> tuple[str, ...]:
    """The steps, or why nothing would happen. Raises BadRequest as the request itself would."""
    check(ledger, request)
    match request:
        case Scale():
            return scale_steps(
                ledger, ledger.pools[request.pool], wanted_count(ledger.pools[request.pool], request)
            )
        case Restart():
            pool, number = target_pool(ledger, request.target)
            if number is None:
                return rollout_steps(ledger, pool, pool.generation + 1)
            return replace_steps(ledger, pool, number)
        case Stop():
            pool, number = target_pool(ledger, request.target)
            return tuple(leave_steps(ledger, pool, chosen(ledger, pool, number))) or (
                f"{request.target} is down already; it would be kept down",
            )
        case Start():
            return start_steps(ledger, request.target)
        case Rotate():
            return rotate_steps(ledger, request)
        case Steer():
            pool = ledger.pools[request.pool]
            if request.action == "undo":
                # What served before needs no canary.
                return rollout_steps(ledger, pool, pool.previous or 0, canary=False)
            return (f"{request.action} the rollout of {request.pool}",)
        case Upgrade():
            return (
                "the installed engine proves that it can read the configuration and the state",
                "this engine ends, the keeper starts the installed one; workers and proxies go on",
            )
        case Shutdown():
            if request.keep_workers:
                return (
                    "end engine and keeper; the workers and embedded proxies go on, for the next `up` to adopt",
                )
            names = [name for name in ledger.pools if not name.startswith(PROXY_POOL)]
            steps = [s for n in names for s in leave_steps(ledger, ledger.pools[n], ledger.workers_of(n))]
            return (*steps, "end the embedded proxies, the engine and the keeper")
        case Reload():
            return ()
        case _:
            assert_never(request)


def chosen(ledger: Ledger, pool: Pool, number: int | None) -> list[Worker]:
    return [w for w in ledger.workers_of(pool.name) if number in (None, w.slot)]


def leave_steps(ledger: Ledger, pool: Pool, workers: list[Worker]) -> list[str]:
    """How workers leave: out of rotation, in flight to zero, stop signal."""
    steps: list[str] = []
    for worker in sorted(workers, key=lambda w: -w.slot):
        spec = pool.revision(worker.generation)
        backend = ledger.backend_of(worker)
        if spec.traffic is not None and spec.listen is None:
            flight = "unknown" if backend is None or backend.in_flight is None else str(backend.in_flight)
            steps.append(
                f"drain {worker.slot_name} at {spec.traffic.proxy} ({flight} in flight now), "
                f"for at most {spec.traffic.drain_timeout:g} s"
            )
        pid = f" (pid {worker.pid})" if worker.pid else ""
        stop = f"stop {worker.slot_name}{pid} with {spec.stop.signal}, KILL after {spec.stop.timeout:g} s"
        steps.append(stop)
    return steps


def scale_steps(ledger: Ledger, pool: Pool, count: int) -> tuple[str, ...]:
    if count == pool.desired:
        return (f"{pool.name} has {plural(count, 'worker')} already",)
    if count > pool.desired:
        names = ", ".join(f"{pool.name}.{n}" for n in range(pool.desired, count))
        steps = [f"start {names}, generation {pool.complete}"]
        if pool.spec.traffic:
            steps.append(f"add each to {pool.spec.traffic.proxy}/{pool.spec.traffic.upstream} when it is ready")
        return tuple(steps)
    leaving = [w for w in ledger.workers_of(pool.name) if w.slot >= count]
    return tuple(leave_steps(ledger, pool, leaving)) or (f"{pool.name} would want {plural(count, 'worker')}",)


def rollout_steps(ledger: Ledger, pool: Pool, generation: int, canary: bool = True) -> tuple[str, ...]:
    policy = pool.spec.rollout
    head = (
        f"roll {pool.name} from generation {pool.complete} to {generation}: {plural(pool.desired, 'worker')}, "
        f"surge {policy.surge}, unavailable {policy.unavailable}"
    )
    each = [step for n in range(pool.desired) for step in replace_steps(ledger, pool, n)]
    hold = [f"hold after {policy.canary} until `clusterctl rollout resume {pool.name}`"]
    hold = hold if policy.canary and canary else []
    return (head, *hold, *each, "at the first failure: turn back, the old workers stay")


def replace_steps(ledger: Ledger, pool: Pool, number: int) -> tuple[str, ...]:
    name = f"{pool.name}.{number}"
    start = f"start a new {name}, wait until it is ready"
    if pool.spec.traffic:
        start += f" and up at {pool.spec.traffic.proxy}"
    leave = leave_steps(ledger, pool, chosen(ledger, pool, number))
    return (start, *leave) if pool.spec.rollout.surge else (*leave, start)


def start_steps(ledger: Ledger, target: str) -> tuple[str, ...]:
    pool, number = target_pool(ledger, target)
    filled = {w.slot for w in ledger.workers_of(pool.name) if w.phase in (Phase.STARTING, Phase.READY)}
    missing = [n for n in range(pool.desired) if n not in filled and number in (None, n)]
    if not missing:
        return (f"{target} is running already",)
    return tuple(f"start {pool.name}.{n}" for n in missing)


def rotate_steps(ledger: Ledger, request: Rotate) -> tuple[str, ...]:
    proxy, upstream, backend = find_backend(ledger, request.target)
    name = f"{proxy}/{upstream.name}/{backend.name}"
    if backend.rotation is request.rotation:
        return (f"{name} is in {request.rotation} already",)
    serving = in_rotation(upstream)
    after = len(serving) + (1 if request.rotation is Rotation.READY else -(backend in serving))
    flight = "unknown" if backend.in_flight is None else str(backend.in_flight)
    return (
        f"set {name} to {request.rotation} ({flight} in flight now)",
        f"{after} of {len(upstream.backends)} backends of {upstream.name} serve after that",
    )
