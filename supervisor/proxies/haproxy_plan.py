"""What must change so that an upstream holds what is wanted: pure, two passes, nothing remembered.

First what leaves, then, looking again, what comes: a name that `del server` freed can be taken at once, and one
that it could not free (2.8 keeps a server while clients' connections that once used it are open) is a tombstone:
a server of ours in maint at an address that nobody wants, whose name and place the next member of that name takes.
"""

from collections.abc import Iterator, Sequence
from itertools import count

from msgspec import Struct

from supervisor.model.backends import Backend, Member, Want, misplaced
from supervisor.model.phases import Rotation
from supervisor.proxies import haproxy_text as text


class Turn(Struct, frozen=True):
    """Set a server's rotation."""

    server: str
    was: Rotation
    to: Rotation
    checked: bool = False
    """Its checks must be on first: it is ours, and whoever added it may have died before they were."""


class Delete(Struct, frozen=True):
    """Take out a server of ours that is in maint."""

    server: str
    address: str


class Add(Struct, frozen=True):
    """A new server."""

    server: str
    address: str
    rotation: Rotation
    shared: bool = False


class Move(Struct, frozen=True):
    """Give a tombstone a new address."""

    server: str
    address: str
    rotation: Rotation


def leaving(current: Sequence[Backend], want: Want) -> tuple[Turn | Delete, ...]:
    """What nobody wants any more: ours to maint and out; others, when their worker is gone, to maint."""
    steps: list[Turn | Delete] = []
    wanted = {member.address for member in want.members}
    for backend in current:
        ours = backend.added and not want.guest
        if backend.address in wanted or not (ours or backend.address in want.remove):
            continue
        if backend.rotation is not Rotation.MAINT:
            steps.append(Turn(backend.name, backend.rotation, Rotation.MAINT))
        if backend.added:
            steps.append(Delete(backend.name, backend.address))
    return tuple(steps)


def coming(current: Sequence[Backend], want: Want) -> tuple[Turn | Add | Move, ...]:
    """Rotations of those that are there, and a place for those that are not. Refuses text that cannot be sent."""
    steps: list[Turn | Add | Move] = []
    here: dict[str, list[Backend]] = {}
    for backend in current:
        here.setdefault(backend.address, []).append(backend)
    wanted = {member.address for member in want.members}
    holders = {backend.name: backend for backend in current}
    taken: set[str] = set()
    for member in want.members:
        text.address(member.address)
        if backends := here.get(member.address):
            steps.extend(
                Turn(backend.name, backend.rotation, member.rotation, checked=backend.added)
                for backend in backends
                if misplaced(backend, member.rotation)
            )
            continue
        if member.listed:
            continue  # gone since it was seen
        for candidate in _names(member):
            holder = holders.get(candidate)
            if candidate in taken or (holder and not _tombstone(holder, wanted)):
                continue
            if holder:
                steps.append(Move(candidate, member.address, member.rotation))
            else:
                steps.append(Add(candidate, member.address, member.rotation, member.shared))
            taken.add(candidate)
            break
    return tuple(steps)


def said(upstream: str, step: Turn | Delete | Add | Move) -> str:
    """The step as a sentence."""
    match step:
        case Turn(server, was, to, _):
            return f"{upstream}/{server}: rotation {was.value} -> {to.value}"
        case Delete(server, address):
            return f"{upstream}/{server}: removed ({address})"
        case Add(server, address, rotation, _):
            return f"{upstream}/{server}: added ({address}, {rotation.value})"
        case Move(server, address, rotation):
            return f"{upstream}/{server}: given to {address} ({rotation.value})"


def _names(member: Member) -> Iterator[str]:
    yield text.name(member.name)
    for number in count(2):
        yield text.name(f"{member.name}:{number}")


def _tombstone(backend: Backend, wanted: set[str]) -> bool:
    return (
        backend.added
        and backend.address not in wanted
        and backend.rotation is Rotation.MAINT
        and not backend.in_flight
    )
