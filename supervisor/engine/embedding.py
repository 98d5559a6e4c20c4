"""Embedded proxies: their configuration follows what is wanted, and each runs in a hidden pool of one."""

import os

from supervisor.core.rotation import want
from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.engine.programs import proxy_pool
from supervisor.model.backends import Want
from supervisor.model.errors import ProxyError
from supervisor.model.pools import Pool
from supervisor.model.spec import PoolSpec, ProxySpec
from supervisor.proxies import embedded, embedded_text


def runtime_dir(ledger: Ledger, proxy: str) -> str:
    return f"{ledger.spec.state_dir}/proxies/{proxy}"


def wants_of(ledger: Ledger, proxy: ProxySpec) -> list[Want]:
    """What each upstream of an embedded proxy should hold now: one upstream for each pool behind it."""
    wants: dict[str, Want] = {}
    for pool in ledger.pools.values():
        traffic = pool.spec.traffic
        if traffic is None or traffic.proxy != proxy.name or pool.leaving:
            continue
        state = ledger.proxies.get(proxy.name)
        upstream = state.upstreams.get(traffic.upstream) if state else None
        mine = want(pool, ledger.workers_of(pool.name), ledger.asked_in(pool), upstream)
        if mine is None:
            continue
        before = wants.get(mine.upstream)
        members = (*before.members, *mine.members) if before else mine.members
        wants[mine.upstream] = Want(upstream=mine.upstream, members=members)
    return list(wants.values())


async def prepare(ledger: Ledger, proxy: ProxySpec) -> PoolSpec:
    """Write and check the configuration; the hidden pool that runs it. Raises ProxyError in HAProxy's words."""
    place = runtime_dir(ledger, proxy.name)
    os.makedirs(place, mode=0o700, exist_ok=True)
    binary = embedded.find_binary()
    await embedded.write_and_check(binary, place, render(ledger, proxy))
    return proxy_pool(proxy, embedded.argv(binary, place), place)


def render(ledger: Ledger, proxy: ProxySpec) -> str:
    return embedded_text.render(proxy, wants_of(ledger, proxy), runtime_dir(ledger, proxy.name))


def install(ledger: Ledger, proxy: ProxySpec, spec: PoolSpec) -> None:
    """Have the hidden pool; one that is there already keeps its worker."""
    name = f"{PROXY_POOL}{proxy.name}"
    pool = ledger.pools.get(name)
    if pool is None:
        ledger.pools[name] = Pool(spec=spec, desired=1, revisions={1: spec})
        return
    ledger.pools[name] = Pool(
        spec=spec, desired=1, generation=pool.generation, complete=pool.complete, revisions={pool.complete: spec}
    )


def refresh(ledger: Ledger, proxy: ProxySpec) -> None:
    """Keep the file in step with the members, so that a restart of the proxy begins with them. No reload."""
    place = runtime_dir(ledger, proxy.name)
    try:
        text = render(ledger, proxy)
        if text != embedded.read_config(place):
            embedded.write_config(embedded_text.config_file(place), text)
    except (OSError, ProxyError):
        # The running proxy is told over its socket; the file is for its next start, and is tried again.
        return
