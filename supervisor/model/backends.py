"""What a proxy was asked and what it answered: members wanted, backends seen, capabilities, one observation."""

from typing import Literal

from msgspec import Struct

from supervisor.model.phases import Health, Rotation

Capability = Literal["drain", "maint", "weight", "add", "remove", "in_flight"]


class Backend(Struct, frozen=True, kw_only=True):
    """One server as the proxy knows it. What the proxy cannot tell is None, never 0."""

    name: str
    address: str
    """HOST:PORT, or a unix socket's path."""
    health: Health = Health.UNKNOWN
    health_reason: str | None = None
    rotation: Rotation = Rotation.READY
    weight: int | None = None
    in_flight: int | None = None
    queued: int | None = None
    requests_total: int | None = None
    errors_total: int | None = None
    """Connection and response errors plus 5xx answers."""
    response_ms: float | None = None
    """Average response time in milliseconds as the proxy gives it."""
    sticky: bool = False
    """Clients may be bound to it, by a cookie or a table."""
    added: bool = False
    """clusterctl added it and takes it out again; may linger in maint while clients' connections hold it."""
    held: bool = False
    """In maint for a reason of the proxy's own, whoever asks: what it tracks is, or its name is not known."""
    counters: dict[str, str] = {}
    """Every further figure that the proxy gives, by the proxy's own name."""


def misplaced(backend: Backend, wanted: Rotation) -> bool:
    """Whether the proxy is to be told to put it elsewhere."""
    return backend.rotation is not wanted and not (backend.held and wanted is Rotation.READY)


class Upstream(Struct, frozen=True, kw_only=True):
    name: str
    balance: str | None = None
    backends: tuple[Backend, ...] = ()
    queued: int | None = None
    """Requests waiting for any backend."""
    requests_total: int | None = None
    """All that came, those too that no backend was given."""
    errors_total: int | None = None
    """Those that the clients saw fail: also what the proxy answered itself, having nobody to give it to."""


class Observation(Struct, frozen=True, kw_only=True):
    """One reading of one proxy, complete or not at all."""

    version: str
    epoch: str
    """Changes when the proxy's counters start again (its pid and start): rates skip that interval."""
    upstreams: tuple[Upstream, ...]
    asked: float
    """Monotonic seconds before the first question was sent: the reading is at least this fresh."""
    answered: float
    limited: str | None = None
    """Why less than everything can be asked of it."""


class Member(Struct, frozen=True, kw_only=True):
    """One backend as it should be: the address is its identity, the name a wish."""

    address: str
    name: str
    """Preferred name; the adapter may append `:2` and so on while the name is taken by another address."""
    rotation: Rotation = Rotation.READY
    check_http: str | None = None
    """Path for the proxy's own check of a backend that we add; None: TCP."""
    check_host: str | None = None
    """What that check says in `Host`."""
    shared: bool = False
    """Several workers accept at this address: one may close its connections while the backend stays."""
    listed: bool = False
    """Somebody else listed it: it is turned where it is, and never added."""


class Want(Struct, frozen=True, kw_only=True):
    """What one upstream should hold. Backends at other addresses are left alone, unless we added them."""

    upstream: str
    members: tuple[Member, ...] = ()
    remove: tuple[str, ...] = ()
    """Addresses whose worker is gone: taken out if we added them, else left in maint."""
    guest: bool = False
    """No pool of ours fills it: what was added there is another's, but for what is at `remove`."""
