"""`python -m supervisor.keeper.held DIR`: who of DIR's records still runs, as JSON; touches nothing.

For the time when no keeper holds them: a verb asks it before it says that nothing is left.
"""

import json
import sys

from supervisor.keeper import identity
from supervisor.keeper.records import Record, Register


def living(directory: str) -> list[Record]:
    """Name and pid of each recorded worker whose pid, start ticks and boot all match. Raises OSError."""
    register = Register(directory, identity.boot_id(), lambda text: None)
    register.load()
    return [
        {"name": record["name"], "pid": record["pid"]}
        for record in register.live.values()
        if record["boot"] == register.boot
        and record["start_ticks"]
        and identity.start_ticks(record["pid"]) == record["start_ticks"]
        and not identity.is_zombie(record["pid"])
    ]


if __name__ == "__main__":
    print(json.dumps(living(sys.argv[1])))
