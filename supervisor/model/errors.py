"""The one tree of errors.

ClusterError
├── BadRequest             the asker's fault; carries a stable code and an exit code
│   ├── BadSpec            what was asked for is not valid                    exit 2
│   ├── Unknown            no such pool, worker or backend                    exit 4
│   └── Conflict           another operation holds it, or not permitted       exit 5
│       └── NeedsYes       not without `yes`                                  exit 5
├── BadConfig              a configuration with all its problems              exit 2
├── ProxyError             a proxy's fault
│   ├── ProxyUnreachable   gone, silent or busy; the next poll tries again
│   └── ProxyRefused       it answered, and said no
└── HostError              the keeper is gone

Expected trouble inside the engine is a fact and not an exception; these are for refused requests and for
adapters, whose errors the engine turns into facts.
"""

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong with a configuration."""

    path: str
    """Key path, `pools.web.stop.timeout`; empty for the file as a whole."""
    message: str
    """What was found and what was expected."""
    hint: str | None = None
    """The nearest known key, or what to do."""
    line: int | None = None

    def __str__(self) -> str:
        where = self.path or "file"
        line = f"line {self.line}: " if self.line else ""
        return f"{line}{where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ClusterError(Exception):
    """Anything that clusterctl itself raises."""


class BadRequest(ClusterError):
    code = "bad_request"
    status = 400
    exit_code = 2


class BadSpec(BadRequest):
    code = "bad_spec"
    status = 422


class Unknown(BadRequest):
    code = "unknown"
    status = 404
    exit_code = 4


class Conflict(BadRequest):
    code = "conflict"
    status = 409
    exit_code = 5


class NeedsYes(Conflict):
    """Refused unless the request says yes; a terminal asks its operator."""

    code = "needs_yes"


class BadConfig(ClusterError):
    exit_code = 2

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(f"{source}: {p}" for p in problems))
        self.source = source
        self.problems = problems


class ProxyError(ClusterError):
    pass


class ProxyUnreachable(ProxyError):
    pass


class ProxyRefused(ProxyError):
    pass


class HostError(ClusterError):
    pass
