"""What the proxies should hold, derived from workers; and what they say about each worker."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from supervisor.core.sharing import shared_addresses
from supervisor.model.backends import Backend, Member, Upstream, Want, misplaced
from supervisor.model.phases import Health, Phase, Rotation
from supervisor.model.pools import Pool
from supervisor.model.spec import PoolSpec
from supervisor.model.workers import Worker


class View(Struct, frozen=True):
    """What is known of one worker's backend. `fresh` says that the proxy answers at present."""

    fresh: bool
    backend: Backend | None
    since: float = 0.0
    """Since when the proxy has answered without a break, and no operator kept it out; in monotonic seconds."""
    asked: Rotation | None = None
    """What an operator asked for, while that holds: drain or maint."""
    read: float = 0.0
    """When the reading that this is from was begun, in monotonic seconds."""


def serves(worker: Worker, spec: PoolSpec, view: View | None) -> bool:
    """Whether requests can reach it: ready by our probe and, behind a proxy, in rotation and not down."""
    if worker.phase is not Phase.READY:
        return False
    if spec.traffic is None or spec.listen is not None or worker.address is None:
        return True
    # A reading begun before this worker was ready is about the one that had the address before it.
    if view is None or view.backend is None or view.read < worker.since:
        return False
    # A proxy without checks says `unknown`: then our own probe is all that anyone knows.
    healthy = view.backend.health in (Health.UP, Health.UNKNOWN)
    return healthy and view.backend.rotation is Rotation.READY and view.backend.weight != 0


def quiet(backend: Backend | None) -> bool:
    """Nothing in flight, as one reading says: out of rotation with zero, or not known to the proxy at all."""
    if backend is None:
        return True
    return backend.rotation is not Rotation.READY and backend.in_flight == 0 and not backend.queued


def want(
    pool: Pool, workers: Iterable[Worker], asked: Mapping[str, Rotation], upstream: Upstream | None
) -> Want | None:
    """What the pool's upstream should hold; None without traffic. `asked` is by address: operators' rotations."""
    traffic = pool.spec.traffic
    if traffic is None:
        return None
    known = {backend.address: backend.rotation for backend in upstream.backends} if upstream else {}
    members: list[Member] = []
    # Each worker is reached as its own generation says: while a pool changes its ports or its shared socket, both
    # ways lead to those that serve.
    workers = list(workers)
    sharing: dict[str, list[Worker]] = {address: [] for address in shared_addresses(pool, workers)}
    held: set[str] = set(sharing)
    for worker in workers:
        if worker.address is None or not worker.live:
            continue
        held.add(worker.address)
        if pool.revision(worker.generation).listen is not None:
            sharing.setdefault(worker.address, []).append(worker)
            continue
        rotation = wanted_rotation(worker, asked, known.get(worker.address))
        # A starting worker is no member yet; where the proxy knows its address anyway it must not get traffic.
        if worker.phase is Phase.STARTING and worker.address not in known:
            continue
        members.append(
            Member(
                address=worker.address,
                name=worker.slot_name,
                rotation=rotation,
                check_http=pool.revision(worker.generation).ready.http,
                check_host=pool.revision(worker.generation).probe_host,
            )
        )
    members += [shared(pool, address, some, asked, known.get(address)) for address, some in sharing.items()]
    members.sort(key=lambda member: member.address)
    specs = (pool.spec, *pool.revisions.values())
    remove = sorted(address for address in known.keys() - held if any(ours(address, spec) for spec in specs))
    return Want(upstream=traffic.upstream, members=tuple(members), remove=tuple(remove))


def shared(
    pool: Pool, address: str, workers: Iterable[Worker], asked: Mapping[str, Rotation], seen: Rotation | None
) -> Member:
    """One backend for all the workers on one listening socket, in rotation while any of them is ready."""
    any_ready = any(worker.phase is Phase.READY or goes_on(worker, seen) for worker in workers)
    rotation = asked.get(address, Rotation.READY) if any_ready else Rotation.MAINT
    spec = pool.revision(pool.complete)
    return Member(
        address=address,
        name=pool.name,
        rotation=rotation,
        check_http=spec.ready.http,
        check_host=spec.probe_host,
        shared=True,
    )


def goes_on(worker: Worker, seen: Rotation | None) -> bool:
    """It was found by an engine that asks anew whether it is ready, and has requests: so it was, and keeps them."""
    return worker.phase is Phase.STARTING and worker.exposed and seen is Rotation.READY


def wanted_rotation(worker: Worker, asked: Mapping[str, Rotation], seen: Rotation | None) -> Rotation:
    """`seen`: what the proxy has for its address."""
    if worker.address is None or not (worker.phase is Phase.READY or goes_on(worker, seen)):
        return Rotation.MAINT
    return asked.get(worker.address, Rotation.READY)


def ours(address: str, spec: PoolSpec) -> bool:
    """Whether an address is one that this pool hands out to its workers."""
    if spec.listen is not None:
        return address == spec.listen
    host, _, port = address.rpartition(":")
    if spec.ports is None or not port.isdigit():
        return False
    first, last = spec.ports
    return host.strip("[]") == spec.host.strip("[]") and first <= int(port) <= last


def differs(upstream: Upstream | None, wanted: Want) -> bool:
    """Whether the proxy holds something else than what is wanted, as far as it matters to requests."""
    backends = upstream.backends if upstream else ()
    rotations = dict.fromkeys(wanted.remove, Rotation.MAINT)
    rotations |= {member.address: member.rotation for member in wanted.members}
    here = {backend.address for backend in backends}
    return any(member.address not in here for member in wanted.members) or any(
        backend.address in rotations and misplaced(backend, rotations[backend.address]) for backend in backends
    )


def lingers(upstream: Upstream | None, wanted: Want) -> bool:
    """Whether a backend of ours whose worker is gone is still there, out of rotation: a later try may remove it."""
    have = {backend.address for backend in upstream.backends if backend.added} if upstream else set()
    return not have.isdisjoint(wanted.remove)
