"""Embedded proxies: their configuration follows what is wanted, and each runs in a hidden pool of one."""

import asyncio
import contextlib
import os
from collections.abc import Iterable

from msgspec.structs import replace

from supervisor.engine.converging import joint_want, pools_of
from supervisor.engine.ledger import PROXY_POOL, Ledger
from supervisor.engine.programs import proxy_pool
from supervisor.keeper.sockets import taken
from supervisor.model.backends import Upstream, Want
from supervisor.model.errors import ProxyError, ProxyUnreachable
from supervisor.model.launch import Held
from supervisor.model.phases import Phase
from supervisor.model.pools import Pool
from supervisor.model.spec import PoolSpec, ProxySpec
from supervisor.model.workers import Worker
from supervisor.proxies import embedded, embedded_text

MUTE = 5.0
"""Seconds that an embedded proxy may take to make its socket."""


def runtime_dir(ledger: Ledger, proxy: str) -> str:
    return f"{ledger.spec.state_dir}/proxies/{proxy}"


def wants_of(ledger: Ledger, proxy: ProxySpec) -> list[Want]:
    """What each upstream of an embedded proxy should hold now; one that no pool is behind is not there."""
    state = ledger.proxies.get(proxy.name)
    names = dict.fromkeys(
        pool.spec.traffic.upstream
        for pool in ledger.pools.values()
        if pool.spec.traffic is not None and pool.spec.traffic.proxy == proxy.name and not pool.leaving
    )
    wants: list[Want] = []
    for name in names:
        seen = (state.upstreams.get(name) if state else None) or Upstream(name=name)
        wanted = joint_want(ledger, seen, pools_of(ledger, proxy.name, name))
        wants.append(wanted or Want(upstream=name))
    return wants


async def prepare(ledger: Ledger, proxy: ProxySpec) -> PoolSpec:
    """Write and check the configuration; the hidden pool that runs it.

    Raises ProxyError in HAProxy's words, or where another listens on its address.
    """
    place = runtime_dir(ledger, proxy.name)
    os.makedirs(place, mode=0o700, exist_ok=True)
    binary = embedded.find_binary()
    await embedded.write_and_check(binary, place, render(ledger, proxy))
    # HAProxy shares a port with any other HAProxy there (SO_REUSEPORT), which would get half of the requests.
    ours = bool(ledger.workers_of(f"{PROXY_POOL}{proxy.name}"))
    if proxy.bind and not ours and (why := await asyncio.to_thread(taken, proxy.bind)):
        raise ProxyUnreachable(why)
    return proxy_pool(proxy, embedded.argv(binary, place), place)


def expect(ledger: Ledger, held: Iterable[Held]) -> None:
    """Have the hidden pool of each embedded proxy that runs, though the journal lost it: it serves, and is kept."""
    for one in held:
        name = one.note.get("pool", "")
        state = ledger.proxies.get(name.removeprefix(PROXY_POOL))
        if state is None or not state.spec.embedded or name in ledger.pools or not name.startswith(PROXY_POOL):
            continue
        place = runtime_dir(ledger, state.spec.name)
        with contextlib.suppress(ProxyError):
            install(ledger, state.spec, proxy_pool(state.spec, embedded.argv(embedded.find_binary(), place), place))


def replace_mute(ledger: Ledger, name: str, now: float) -> Worker | None:
    """Have a successor beside an embedded proxy whose socket somebody removed, for nobody can operate it any more.

    It serves until the successor does. Returns the process that is to be replaced.
    """
    if os.path.exists(embedded_text.stats_socket(runtime_dir(ledger, name))):
        return None
    for worker in ledger.workers_of(f"{PROXY_POOL}{name}"):
        if worker.phase is Phase.READY and worker.condemned is None and now - worker.since > MUTE:
            condemned = replace(worker, condemned="its socket was removed, and it cannot be operated without")
            ledger.workers[worker.serial] = condemned
            return condemned
    return None


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
