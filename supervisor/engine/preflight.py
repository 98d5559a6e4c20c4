"""Whether this engine could take over a cluster: it must read the configuration and everything in the journal."""

from collections.abc import Callable
from pathlib import Path

from supervisor.engine.journal import Journal
from supervisor.engine.ledger import Ledger
from supervisor.engine.restoring import journaled_spec, restore
from supervisor.keeper.identity import boot_id
from supervisor.model.spec import ClusterSpec


class Unreadable(Exception):
    """The state holds records that this engine does not understand; carries which."""


def could_take_over(state_dir: Path, read_config: Callable[[], ClusterSpec]) -> str:
    """One sentence of what it would take over. Raises BadConfig, Foreign, Unreadable, OSError. Touches nothing."""
    spec = read_config()
    records = Journal(state_dir / "journal").load()
    ledger = Ledger(spec=journaled_spec(records) or spec)
    unread = restore(ledger, records, boot_id() or "unknown")
    if "spec" in records and journaled_spec(records) is None:
        unread.append("spec")
    if unread:
        names = ", ".join(sorted(unread)[:5]) + (", …" if len(unread) > 5 else "")
        raise Unreadable(f"{state_dir}/journal: this engine cannot read {len(unread)} records ({names})")
    return f"{len(ledger.pools)} pools and {len(ledger.workers)} workers can be taken over"
