"""When a proxy must be told something: what each upstream should hold, compared with what it was seen to hold."""

from msgspec.structs import replace

from supervisor.core.rotation import differs, lingers, want
from supervisor.engine.ledger import Ledger, Memo, ProxyState
from supervisor.model.backends import Member, Upstream, Want
from supervisor.model.deeds import Converge
from supervisor.model.phases import Rotation
from supervisor.model.pools import Pool
from supervisor.model.requests import Rotate

RETRY_CONVERGE = 1.0
"""Seconds after a refusal until it is tried again."""
RETRY_REMOVAL = 5.0
"""Seconds until a backend that could not be removed yet is tried again."""


def converge_pool(ledger: Ledger, changes: list[Converge], pool: Pool, now: float) -> list[float]:
    """Add what the pool's proxy is to be told, if anything; returns when to look again."""
    traffic = pool.spec.traffic
    state = ledger.proxies.get(traffic.proxy) if traffic else None
    upstream = state.upstreams.get(traffic.upstream) if state and traffic else None
    if traffic is None or state is None or upstream is None:
        return []
    wanted = want(pool, ledger.workers_of(pool.name), ledger.asked_in(pool), upstream)
    return tell(state, changes, wanted, upstream, pool.name, now) if wanted else []


def converge_others(ledger: Ledger, changes: list[Converge], now: float) -> list[float]:
    """Rotations that operators asked for backends that no worker of ours fills."""
    wakes: list[float] = []
    for proxy, state in ledger.proxies.items():
        for upstream in state.upstreams.values():
            members = other_members(ledger, proxy, upstream)
            if members:
                wanted = Want(upstream=upstream.name, members=members)
                wakes += tell(state, changes, wanted, upstream, "", now)
    return wakes


def other_members(ledger: Ledger, proxy: str, upstream: Upstream) -> tuple[Member, ...]:
    readied = {
        operation.request.target
        for operation in ledger.operations.values()
        if operation.running
        and isinstance(operation.request, Rotate)
        and operation.request.rotation is Rotation.READY
    }
    if not readied and not ledger.asked:
        return ()
    members: list[Member] = []
    for backend in upstream.backends:
        rotation = ledger.asked.get((proxy, upstream.name, backend.address))
        if rotation is None and f"{proxy}/{upstream.name}/{backend.name}" in readied:
            rotation = Rotation.READY
        if rotation is not None and ledger.worker_at(backend.address) is None:
            members.append(Member(address=backend.address, name=backend.name, rotation=rotation))
    return tuple(members)


def tell(
    state: ProxyState, changes: list[Converge], wanted: Want, upstream: Upstream, owner: str, now: float
) -> list[float]:
    """One conversation with an upstream at a time, and none with a proxy that does not answer."""
    if not state.reachable or upstream.name in state.converging:
        return []
    memo = state.memos.get((upstream.name, owner))
    wake = waits_until(memo, wanted, upstream, state.read[upstream.name], now)
    if wake is not None:
        return [wake] if wake > now else []
    state.converging.add(upstream.name)
    failed = memo.failed if memo else None
    state.memos[upstream.name, owner] = (
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
