"""A proxy that lives in this process: it keeps the contract, serves no traffic, and can be told what to show."""

import time

from msgspec.structs import replace

from supervisor.model.backends import Backend, Capability, Member, Observation, Upstream, Want
from supervisor.model.errors import ProxyError, ProxyRefused
from supervisor.model.phases import Health, Rotation


class MemoryProxy:
    """For tests of our own logic and for trying things out; `fault`, when set, is raised by every question."""

    capabilities: tuple[Capability, ...] = ("drain", "maint", "weight", "add", "remove", "in_flight")
    settle = 0.0

    def __init__(self, name: str, upstreams: tuple[Upstream, ...] = ()) -> None:
        self.name = name
        self.fault: ProxyError | None = None
        self.starts = 1
        self._upstreams = {u.name: u for u in upstreams}

    async def observe(self) -> Observation:
        self._raise_fault()
        now = time.monotonic()
        return Observation(
            version="memory",
            epoch=f"memory:{self.starts}",
            upstreams=tuple(self._upstreams.values()),
            asked=now,
            answered=now,
        )

    async def look(self, upstream: str) -> Upstream:
        self._raise_fault()
        return self._upstream(upstream)

    async def converge(self, want: Want) -> tuple[str, ...]:
        """As HAProxy would; an upstream that is unknown comes into being."""
        self._raise_fault()
        upstream = self._upstreams.get(want.upstream) or Upstream(name=want.upstream, balance="roundrobin")
        said: list[str] = []
        addresses = {m.address for m in want.members}
        kept: list[Backend] = []
        for backend in upstream.backends:
            if backend.address in addresses:
                kept.append(backend)
            elif backend.added and (not want.guest or backend.address in want.remove):
                said.append(f"{want.upstream}/{backend.name}: removed ({backend.address})")
            elif backend.address in want.remove and backend.rotation is not Rotation.MAINT:
                kept.append(replace(backend, rotation=Rotation.MAINT))
                said.append(f"{want.upstream}/{backend.name}: rotation {backend.rotation} -> maint")
            else:
                kept.append(backend)
        for member in want.members:
            self._settle_member(want.upstream, member, kept, said)
        self._upstreams[want.upstream] = replace(upstream, backends=tuple(kept))
        return tuple(said)

    async def close(self) -> None:
        pass

    def show(
        self,
        upstream: str,
        address: str,
        *,
        health: Health | None = None,
        in_flight: int | None = None,
        requests_total: int | None = None,
    ) -> None:
        """Change what will be observed of one backend."""
        found = self._upstream(upstream)
        self._upstreams[upstream] = replace(
            found,
            backends=tuple(
                replace(
                    b,
                    health=b.health if health is None else health,
                    in_flight=b.in_flight if in_flight is None else in_flight,
                    requests_total=b.requests_total if requests_total is None else requests_total,
                )
                if b.address == address
                else b
                for b in found.backends
            ),
        )

    def restart(self) -> None:
        """As if reloaded: what was added and every rotation is forgotten, counters start again."""
        self.starts += 1
        for upstream in self._upstreams.values():
            self._upstreams[upstream.name] = replace(
                upstream,
                backends=tuple(
                    replace(b, rotation=Rotation.READY, requests_total=0, in_flight=0)
                    for b in upstream.backends
                    if not b.added
                ),
            )

    def _settle_member(self, upstream: str, member: Member, kept: list[Backend], said: list[str]) -> None:
        for at, backend in enumerate(kept):
            if backend.address != member.address:
                continue
            if backend.rotation is not member.rotation:
                said.append(f"{upstream}/{backend.name}: rotation {backend.rotation} -> {member.rotation}")
                kept[at] = replace(backend, rotation=member.rotation)
            return
        if member.listed:
            return
        taken = {b.name for b in kept}
        name, number = member.name, 1
        while name in taken:
            number += 1
            name = f"{member.name}:{number}"
        kept.append(
            Backend(
                name=name,
                address=member.address,
                health=Health.UP,
                rotation=member.rotation,
                weight=1,
                in_flight=0,
                queued=0,
                requests_total=0,
                errors_total=0,
                added=True,
            )
        )
        said.append(f"{upstream}/{name}: added ({member.address}, {member.rotation})")

    def _upstream(self, name: str) -> Upstream:
        try:
            return self._upstreams[name]
        except KeyError:
            raise ProxyRefused(f"no upstream {name!r}; it has {sorted(self._upstreams)}") from None

    def _raise_fault(self) -> None:
        if self.fault is not None:
            raise self.fault
