"""From a proxy's spec to its adapter: the one table of the kinds of proxy that we know."""

from collections.abc import Callable

from supervisor.model.spec import ProxySpec
from supervisor.proxies.contract import Proxy


def _haproxy(spec: ProxySpec, runtime_dir: str) -> Proxy:
    from supervisor.proxies.haproxy import HAProxy  # here, so that each kind's imports are paid by its users alone

    return HAProxy(spec, runtime_dir)


def _memory(spec: ProxySpec, runtime_dir: str) -> Proxy:
    from supervisor.proxies.memory import MemoryProxy

    return MemoryProxy(spec.name)


KINDS: dict[str, Callable[[ProxySpec, str], Proxy]] = {"haproxy": _haproxy, "memory": _memory}


def connect(spec: ProxySpec, runtime_dir: str) -> Proxy:
    """The adapter of one proxy, without side effects; `runtime_dir` is where an embedded one has its sockets.

    A directory belongs to one embedded proxy. Raises KeyError for a kind that the settings should have refused.
    """
    return KINDS[spec.kind](spec, runtime_dir)
