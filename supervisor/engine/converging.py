"""When a proxy must be told something: what each upstream should hold, compared with what it was seen to hold."""

from msgspec.structs import replace

from supervisor.core.rotation import differs, lingers, want
from supervisor.engine import elsewhere
from supervisor.engine.ledger import Ledger, Memo, ProxyState
from supervisor.model.backends import Upstream, Want
from supervisor.model.deeds import Converge
from supervisor.model.pools import Pool

RETRY_CONVERGE = 1.0
"""Seconds after a refusal until it is tried again."""
RETRY_REMOVAL = 5.0
"""Seconds until a backend that could not be removed yet is tried again."""


def converge_upstreams(ledger: Ledger, changes: list[Converge], now: float, pools: set[str]) -> list[float]:
    """Add what proxies are to be told of the upstreams that these pools touch; returns when to look again."""
    wakes: list[float] = []
    for proxy, state in ledger.proxies.items():
        if ledger.stopping and state.spec.embedded and not ledger.others_live():
            continue  # it is ending too
        for upstream in state.upstreams.values():
            behind = pools_of(ledger, proxy, upstream.name)
            more = elsewhere.extra(ledger, proxy, upstream, filled=bool(behind))
            if not any(more) and pools.isdisjoint(pool.name for pool in behind):
                continue
            wanted = joint_want(ledger, upstream, behind, more)
            if wanted is not None:
                owner = behind[0].name if behind else ""
                wakes += tell(state, changes, wanted, upstream, owner, now)
    return wakes


def pools_of(ledger: Ledger, proxy: str, upstream: str) -> list[Pool]:
    return [
        pool
        for pool in ledger.pools.values()
        if pool.spec.traffic and (pool.spec.traffic.proxy, pool.spec.traffic.upstream) == (proxy, upstream)
    ]


def joint_want(
    ledger: Ledger, upstream: Upstream, pools: list[Pool], more: elsewhere.Extra = ((), frozenset())
) -> Want | None:
    """What one upstream should hold, for all the pools behind it: an embedded proxy drops what is not listed."""
    wants = [
        wanted
        for pool in pools
        if (wanted := want(pool, ledger.workers_of(pool.name), ledger.asked_in(pool), upstream)) is not None
    ]
    own = tuple(member for wanted in wants for member in wanted.members)
    held = {member.address for member in own}
    members = own + tuple(member for member in more[0] if member.address not in held)
    held |= {member.address for member in members}
    remove = more[1].union(address for wanted in wants for address in wanted.remove) - held
    if not wants and not members and not remove:
        return None
    return Want(upstream=upstream.name, members=members, remove=tuple(sorted(remove)), guest=not pools)


def tell(
    state: ProxyState, changes: list[Converge], wanted: Want, upstream: Upstream, owner: str, now: float
) -> list[float]:
    """One conversation with an upstream at a time, and none with a proxy that does not answer."""
    if not state.reachable or upstream.name in state.converging:
        return []
    memo = state.memos.get(upstream.name)
    wake = waits_until(memo, wanted, upstream, state.read[upstream.name], now)
    if wake is not None:
        return [wake] if wake > now else []
    state.converging.add(upstream.name)
    failed = memo.failed if memo else None
    state.memos[upstream.name] = (
        Memo(want=wanted, at=now, failed=failed) if memo is None else replace(memo, want=wanted, at=now)
    )
    changes.append(Converge(proxy=state.spec.name, owner=owner, want=wanted))
    return []


def waits_until(memo: Memo | None, wanted: Want, upstream: Upstream, read: float, now: float) -> float | None:
    """None: tell it now. Else when to look again; `now` or earlier: when something changes."""
    if memo is None:
        return None
    if memo.failed is not None:
        return memo.at + RETRY_CONVERGE if now < memo.at + RETRY_CONVERGE else None
    if memo.want != wanted:
        return None
    # A reading begun before we changed the upstream says nothing about what it holds now.
    if read >= memo.at and differs(upstream, wanted):
        return None
    if not lingers(upstream, wanted):
        return now
    return memo.at + RETRY_REMOVAL if now < memo.at + RETRY_REMOVAL else None
