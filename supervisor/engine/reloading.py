"""A configuration becomes what is wanted: at the first start, and at every reload."""

from msgspec.structs import replace

from supervisor.core.difference import Difference, difference
from supervisor.engine.asking import begin_rollout
from supervisor.engine.ledger import PROXY_POOL, Ledger, ProxyState
from supervisor.engine.planning import rollout_steps, scale_steps
from supervisor.engine.refusing import held
from supervisor.model.pools import Pool, RolloutPhase
from supervisor.model.spec import ClusterSpec, PoolSpec, ProxySpec
from supervisor.model.text import plural


def check_reload(ledger: Ledger, spec: ClusterSpec) -> None:
    """Refuse a configuration that changes a pool which an operation holds. Raises Conflict."""
    wanted = {pool.name: pool for pool in spec.pools}
    for name, pool in ledger.pools.items():
        if name.startswith(PROXY_POOL):
            continue
        new = wanted.get(name)
        if new is None or not change_of(pool, new).nothing:
            held(ledger, pool)


def change_of(pool: Pool, new: PoolSpec) -> Difference:
    """What a configuration asks of a pool: new workers where it differs from those that serve, not from the file
    before, so that a version which was turned back is tried again, and one that serves already is left alone.

    A rollout under way counts as what serves: `up` with the file that it rolls out must not begin it again.
    """
    return replace(difference(pool.spec, new), rollout=difference(serving(pool), new).rollout)


def serving(pool: Pool) -> PoolSpec:
    rolling = pool.rollout is not None and pool.rollout.phase is not RolloutPhase.ABORTING
    return pool.revision(pool.rollout.to_generation if pool.rollout and rolling else pool.complete)


def sentences(ledger: Ledger, spec: ClusterSpec) -> list[str]:
    """What this configuration would change, in words."""
    found: list[str] = []
    wanted = {pool.name: pool for pool in spec.pools}
    for pool in spec.pools:
        have = ledger.pools.get(pool.name)
        if have is None:
            found.append(f"add pool {pool.name} with {plural(pool.workers, 'worker')}")
            continue
        found += pool_sentences(have, pool, change_of(have, pool))
    for name in ledger.pools.keys() - wanted.keys():
        if not name.startswith(PROXY_POOL):
            found.append(f"take down pool {name}, which is no longer configured")
    old = {proxy.name: proxy for proxy in ledger.spec.proxies}
    new = {proxy.name: proxy for proxy in spec.proxies}
    for name in sorted(new.keys() | old.keys()):
        if old.get(name) != new.get(name):
            verb = "add" if name not in old else "let go of" if name not in new else "change"
            found.append(f"{verb} proxy {name}")
    return found


def rehearsed(ledger: Ledger, spec: ClusterSpec) -> list[str]:
    """What it would change, and the steps of it, for `--dry-run`."""
    found = sentences(ledger, spec)
    for new in spec.pools:
        pool = ledger.pools.get(new.name)
        if pool is None or pool.stopped or not ledger.workers_of(pool.name):
            continue
        change = change_of(pool, new)
        desired = change.scale[1] if change.scale else pool.desired
        if change.rollout:
            found += rollout_steps(ledger, replace(pool, spec=new, desired=desired), pool.generation + 1)
        elif change.scale:
            found += scale_steps(ledger, pool, desired)
    return found


def pool_sentences(pool: Pool, new: PoolSpec, change: Difference) -> list[str]:
    found: list[str] = []
    if change.rollout:
        keys = ", ".join(f"env ({variables(pool, new)})" if key == "env" else key for key in change.rollout)
        found.append(f"roll {pool.name} out to generation {pool.generation + 1}: {keys} changed")
    if change.live:
        found.append(f"apply at once to {pool.name}: {', '.join(change.live)}")
    if change.scale:
        found.append(f"scale {pool.name} from {pool.desired} to {change.scale[1]}")
    return found


def variables(pool: Pool, new: PoolSpec) -> str:
    """Names of the variables that differ from what serves; their values are nobody's business."""
    old = serving(pool).env
    return ", ".join(name for name in sorted({*old, *new.env}) if old.get(name) != new.env.get(name))


def apply(ledger: Ledger, spec: ClusterSpec, operation: str, now: float, wall: float) -> list[str]:
    """Make this configuration what is wanted; returns what changed, in words."""
    changes = sentences(ledger, spec)
    wanted = {pool.name: pool for pool in spec.pools}
    for pool in spec.pools:
        have = ledger.pools.get(pool.name)
        if have is None:
            ledger.pools[pool.name] = Pool(spec=pool, desired=pool.workers, revisions={1: pool})
        else:
            change_pool(ledger, have, pool, operation, now, wall)
    for name, have in list(ledger.pools.items()):
        if name not in wanted and not name.startswith(PROXY_POOL):
            ledger.pools[name] = replace(have, leaving=True)
    apply_proxies(ledger, spec.proxies)
    ledger.spec = spec
    return changes


def change_pool(ledger: Ledger, pool: Pool, new: PoolSpec, operation: str, now: float, wall: float) -> None:
    change = change_of(pool, new)
    desired = change.scale[1] if change.scale else pool.desired
    if new.limits.memory != pool.spec.limits.memory:
        # Whom the old limit condemned is measured against the new one.
        for worker in ledger.workers_of(pool.name):
            if worker.condemned and worker.condemned.startswith("memory "):
                ledger.workers[worker.serial] = replace(worker, condemned=None)
    pool = replace(pool, spec=new, desired=desired, leaving=False)
    if not change.rollout:
        # The running generation is the same program: what steers it follows the configuration from now on.
        revisions = {**pool.revisions, pool.complete: new} if pool.rollout is None else pool.revisions
        ledger.pools[pool.name] = replace(pool, revisions=revisions)
        return
    ledger.pools[pool.name] = pool
    nobody = pool.stopped or not ledger.workers_of(pool.name)
    if not nobody:
        begin_rollout(ledger, pool, operation, new, now, wall)
        return
    generation = pool.generation + 1
    revisions = {pool.complete: pool.revision(pool.complete), generation: new}
    ledger.pools[pool.name] = replace(
        pool, generation=generation, complete=generation, previous=pool.complete, revisions=revisions
    )
    for number, slot in ledger.slots.get(pool.name, {}).items():
        fresh = replace(
            slot, generation=generation, failed=None, finished=False, deaths=(), delay=0.0, retry_at=None
        )
        ledger.slots[pool.name][number] = fresh


def apply_proxies(ledger: Ledger, proxies: tuple[ProxySpec, ...]) -> None:
    wanted = {proxy.name: proxy for proxy in proxies}
    for name, proxy in wanted.items():
        state = ledger.proxies.get(name)
        if state is None or (state.spec.socket, state.spec.kind) != (proxy.socket, proxy.kind):
            ledger.proxies[name] = ProxyState(spec=proxy)
        else:
            state.spec = proxy
    gone = ledger.proxies.keys() - wanted.keys()
    for name in gone:
        del ledger.proxies[name]
    for name in gone | {name for name, proxy in wanted.items() if not proxy.embedded}:
        hidden = ledger.pools.get(f"{PROXY_POOL}{name}")
        if hidden is not None:
            ledger.pools[hidden.name] = replace(hidden, leaving=True)
