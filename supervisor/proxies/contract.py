"""What every proxy adapter offers: one reading, one cheap question for the drain loop, one way to change things."""

from typing import Protocol

from supervisor.model.backends import Capability, Observation, Upstream, Want


class Proxy(Protocol):
    """One proxy that is watched and operated; ProxyUnreachable and ProxyRefused are all that is raised."""

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """What can be asked of it; may shrink after the first reading, when the proxy turns out to permit less."""
        ...

    @property
    def settle(self) -> float:
        """Seconds that must lie between two readings of nothing in flight before both are believed."""
        ...

    async def observe(self) -> Observation:
        """All upstreams, complete or not at all."""
        ...

    async def look(self, upstream: str) -> Upstream:
        """One upstream, as cheaply as the proxy can tell it."""
        ...

    async def converge(self, want: Want) -> tuple[str, ...]:
        """Make one upstream hold what is wanted; a sentence for each change, none when it was so already."""
        ...

    async def close(self) -> None: ...
