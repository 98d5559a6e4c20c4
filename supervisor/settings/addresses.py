"""Whether two parts of a cluster want the same port or socket path."""

import ipaddress
from typing import NamedTuple

from supervisor.model.spec import ClusterSpec
from supervisor.settings.table import Problems


class Place(NamedTuple):
    """What one key claims: a range of ports on a host, or a path."""

    key: str
    owner: str
    host: str
    first: int
    last: int


def check(spec: ClusterSpec, problems: Problems) -> None:
    """Reports the later of two claims that overlap."""
    claims = _claims(spec)
    for position, claim in enumerate(claims):
        for earlier in claims[:position]:
            if earlier.owner != claim.owner and _overlap(earlier, claim):
                problems.report(claim.key, f"{_words(claim)} collides with {_words(earlier)} of {earlier.owner}")


def _claims(spec: ClusterSpec) -> list[Place]:
    claims = []
    for pool in spec.pools:
        owner = f"pools.{pool.name}"
        if pool.ports:
            claims.append(Place(f"{owner}.ports", owner, pool.host, *pool.ports))
        if pool.listen:
            claims.append(_place(f"{owner}.listen", owner, pool.listen))
    for proxy in spec.proxies:
        owner = f"proxies.{proxy.name}"
        if proxy.bind:
            claims.append(_place(f"{owner}.bind", owner, proxy.bind))
    return claims


def _place(key: str, owner: str, address: str) -> Place:
    if "/" in address:
        return Place(key, owner, address, 0, 0)
    host, _, port = address.rpartition(":")
    return Place(key, owner, host.strip("[]"), int(port), int(port))


def _overlap(one: Place, other: Place) -> bool:
    if one.last < other.first or other.last < one.first:
        return False
    if "/" in one.host or "/" in other.host:
        return one.host == other.host
    return one.host == other.host or _everywhere(one.host) or _everywhere(other.host)


def _everywhere(host: str) -> bool:
    return ipaddress.ip_address(host).is_unspecified


def _words(place: Place) -> str:
    if "/" in place.host:
        return place.host
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{host}:{place.first}" + (f"-{place.last}" if place.last > place.first else "")
