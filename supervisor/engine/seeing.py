"""What readings of proxies make of the ledger: upstreams, rates, and who may have to be looked at again."""

import time

from msgspec.structs import replace

from supervisor.engine import elsewhere
from supervisor.engine.desk import Desk
from supervisor.engine.intake import count_quiet
from supervisor.engine.ledger import PROXY_POOL, Memo, ProxyState
from supervisor.engine.rates import WHOLE, Reading
from supervisor.model.backends import Backend, Upstream
from supervisor.model.deeds import Signal
from supervisor.model.events import Level
from supervisor.model.facts import Converged, ConvergeFailed, ProxyLost, ProxySeen, UpstreamSeen
from supervisor.model.phases import Health, Phase

Seen = tuple[list[Signal], set[str]]


def proxy_seen(desk: Desk, fact: ProxySeen, now: float) -> Seen:
    """A complete reading of one proxy."""
    state = desk.ledger.proxies.get(fact.proxy)
    if state is None:
        return [], set()
    seen = fact.observation
    if not state.reachable:
        desk.say("proxy-reachable", fact.proxy, f"answers: {state.spec.kind} {seen.version}")
        state.memos.clear()
    elif state.epoch is not None and state.epoch != seen.epoch:
        desk.say("proxy-restarted", fact.proxy, "restarted or reloaded: counters begin again", level="warning")
        state.memos.clear()
    if state.epoch != seen.epoch:
        state.rates.restart()
        state.inherited.clear()
    if not state.reachable:
        state.answers_since = seen.answered
    was_reachable, state.reachable, state.why = state.reachable, True, None
    state.version, state.epoch = seen.version, seen.epoch
    state.capabilities, state.limited, state.settle = fact.capabilities, seen.limited, fact.settle
    state.seen, state.seen_wall = seen.answered, time.time()
    gone = state.upstreams.keys() - {upstream.name for upstream in seen.upstreams}
    for name in gone:
        del state.upstreams[name], state.read[name]
        state.inherited.pop(name, None)
    sections = {(upstream.name, WHOLE) for upstream in seen.upstreams}
    state.rates.retain(sections | {(u.name, b.name) for u in seen.upstreams for b in u.backends})
    signals: list[Signal] = []
    touched: set[str] = set()
    for upstream in seen.upstreams:
        state.rates.add((upstream.name, WHOLE), reading_of(upstream, seen.answered))
        for backend in upstream.backends:
            state.rates.add((upstream.name, backend.name), reading_of(backend, seen.answered))
        more, pools = upstream_taken(desk, state, upstream, seen.asked, now)
        signals += more
        touched |= pools
    return signals, touched if was_reachable else touched | pools_behind(desk, fact.proxy)


def reading_of(counted: Backend | Upstream, at: float) -> Reading:
    return Reading(at=at, requests=counted.requests_total, errors=counted.errors_total)


def upstream_seen(desk: Desk, fact: UpstreamSeen, now: float) -> Seen:
    """A cheap look at one upstream while something there is waited for."""
    state = desk.ledger.proxies.get(fact.proxy)
    if state is None:
        return [], set()
    return upstream_taken(desk, state, fact.upstream, fact.asked, now)


def upstream_taken(desk: Desk, state: ProxyState, upstream: Upstream, asked: float, now: float) -> Seen:
    before = state.upstreams.get(upstream.name)
    earlier = state.read.get(upstream.name, 0.0)
    if asked < earlier:
        return [], set()
    state.upstreams[upstream.name], state.read[upstream.name] = upstream, asked
    state.inherited[upstream.name] = inherited(before, upstream, state.inherited.get(upstream.name, {}))
    tell_health(desk, state.spec.name, before, upstream)
    signals, touched = count_quiet(desk, state.spec.name, upstream.name, asked, now)
    behind = pools_behind(desk, state.spec.name, upstream.name)
    if signature(before) != signature(upstream):
        touched |= behind | {pool.name for pool in elsewhere.guests(desk.ledger, state.spec.name, upstream)}
    # A rollout judges its new workers by counters, which change with every request.
    touched |= {name for name in behind if desk.ledger.pools[name].rollout is not None}
    # The first reading that can say anything of a worker, though it may say what the one before said.
    touched |= {
        worker.pool
        for worker in desk.ledger.workers.values()
        if worker.phase is Phase.READY and earlier < worker.since <= asked and worker.pool in behind
    }
    return signals, touched


def inherited(
    before: Upstream | None, after: Upstream, known: dict[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """What servers had counted when they were given another address: they go on counting from there."""
    held = {backend.address for backend in after.backends}
    left = {b.name: b for b in before.backends if b.address not in held} if before else {}
    found: dict[str, tuple[int, int]] = {}
    for backend in after.backends:
        if backend.address in known:
            found[backend.address] = known[backend.address]
        elif (old := left.get(backend.name)) is not None:
            requests, errors = old.requests_total or 0, old.errors_total or 0
            # Counters that begin again tell of another server under the same name.
            again = requests > (backend.requests_total or 0)
            found[backend.address] = (0, 0) if again else (requests, errors)
    return found


def signature(upstream: Upstream | None) -> object:
    """What of an upstream decides anything."""
    if upstream is None:
        return None
    return [(b.name, b.address, b.health, b.rotation, b.weight == 0) for b in upstream.backends]


def pools_behind(desk: Desk, proxy: str, upstream: str | None = None) -> set[str]:
    return {
        pool.name
        for pool in desk.ledger.pools.values()
        if (traffic := pool.spec.traffic) is not None
        and traffic.proxy == proxy
        and upstream in (None, traffic.upstream)
    }


def tell_health(desk: Desk, proxy: str, before: Upstream | None, after: Upstream) -> None:
    """Say it when a backend's health changed; what was never seen before is no change."""
    if before is None:
        return
    known = {backend.name: backend for backend in before.backends}
    for backend in after.backends:
        old = known.get(backend.name)
        if old is None or old.health is backend.health:
            continue
        if Health.DOWN not in (old.health, backend.health):
            continue
        reason = f" ({backend.health_reason})" if backend.health_reason else ""
        level: Level = "warning" if backend.health is Health.DOWN else "info"
        subject = f"{proxy}/{after.name}/{backend.name}"
        desk.say("health", subject, f"health {backend.health}{reason}, was {old.health}", level=level)


def proxy_lost(desk: Desk, fact: ProxyLost) -> set[str]:
    state = desk.ledger.proxies.get(fact.proxy)
    if state is None:
        return set()
    expected = coming_up(desk, fact.proxy) or ended_by_us(desk, fact.proxy)
    if (state.reachable or state.why != fact.why) and not expected:
        text = f"cannot be reached: {fact.why}; trying again every {state.spec.every:g} s"
        desk.say("proxy-unreachable", fact.proxy, text, level="error")
    state.reachable, state.why = False, fact.why
    # What was read before says nothing of now, nor may the time in between be part of a later rate.
    state.rates.restart()
    return pools_behind(desk, fact.proxy)


def coming_up(desk: Desk, proxy: str) -> bool:
    """An embedded proxy that is being started for the first time: that it does not answer yet is no trouble."""
    state, slot = desk.ledger.proxies[proxy], desk.ledger.slots.get(f"{PROXY_POOL}{proxy}", {}).get(0)
    return state.spec.embedded and state.seen is None and not (slot and slot.ends)


def ended_by_us(desk: Desk, proxy: str) -> bool:
    """An embedded proxy that goes down with its cluster: that it does not answer any more is no trouble."""
    hidden = desk.ledger.workers_of(f"{PROXY_POOL}{proxy}")
    going = all(worker.phase in (Phase.DRAINING, Phase.STOPPING) for worker in hidden)
    return desk.ledger.stopping and desk.ledger.proxies[proxy].spec.embedded and going


def converged(desk: Desk, fact: Converged | ConvergeFailed, now: float) -> set[str]:
    state = desk.ledger.proxies.get(fact.proxy)
    if state is None:
        return set()
    state.converging.discard(fact.upstream)
    key = fact.upstream
    memo = state.memos.get(key)
    subject = f"{fact.proxy}/{fact.upstream}"
    pools = pools_behind(desk, fact.proxy, fact.upstream)
    pool = fact.owner or None
    if isinstance(fact, ConvergeFailed):
        if memo is not None:
            if memo.failed != fact.why and not ended_by_us(desk, fact.proxy):
                text = f"cannot be changed: {fact.why}; trying again"
                desk.say("rotation-refused", subject, text, level="error", pool=pool)
            state.memos[key] = replace(memo, failed=fact.why, at=now)
        return pools
    if memo is not None:
        state.memos[key] = Memo(want=memo.want, at=now)
    for sentence in fact.changes:
        desk.say("rotation", subject, sentence, pool=pool)
    return pools
