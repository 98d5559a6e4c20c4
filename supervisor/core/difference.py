"""What changed between two configurations of a pool, and what that asks for."""

from msgspec import Struct
from msgspec.structs import fields, replace

from supervisor.model.spec import PoolSpec

# A worker is what these make it: a change needs new workers. Everything else only steers us, from now on.
MADE_OF = ("command", "ports", "listen", "host", "cwd", "env", "limits")


class Difference(Struct, frozen=True):
    rollout: tuple[str, ...] = ()
    """Keys whose change needs new workers."""
    live: tuple[str, ...] = ()
    """Keys that apply at once."""
    scale: tuple[int, int] | None = None

    @property
    def nothing(self) -> bool:
        return not (self.rollout or self.live or self.scale)


def difference(old: PoolSpec, new: PoolSpec) -> Difference:
    changed = [f.name for f in fields(PoolSpec) if getattr(old, f.name) != getattr(new, f.name)]
    rollout = [name for name in changed if name in MADE_OF]
    if "limits" in rollout and replace(old.limits, memory=new.limits.memory) == new.limits:
        # A memory limit is watched by us, not set on the worker.
        rollout.remove("limits")
    live = [name for name in changed if name not in rollout and name != "workers"]
    scale = (old.workers, new.workers) if "workers" in changed else None
    return Difference(tuple(rollout), tuple(live), scale)
