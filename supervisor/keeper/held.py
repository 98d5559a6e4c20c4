"""`python -m supervisor.keeper.held DIR`: which of DIR's workers still run, as JSON; touches nothing.

For the time when no keeper holds them: a verb asks it before it says that nothing is left.
"""

import json
import os
import sys

from supervisor.keeper import identity
from supervisor.keeper.records import Record, Register
from supervisor.keeper.straggling import Mark, leaders


def living(directory: str) -> list[Record]:
    """Name and pid of each worker whose pid, start ticks and boot match its record, or that bears its mark.

    Records may be lost: a disk was full, somebody removed the directory. Raises OSError.
    """
    register = Register(directory, identity.boot_id(), lambda text: None)
    register.load()
    found = {
        record["pid"]: record["name"]
        for record in register.live.values()
        if record["boot"] == register.boot
        and record["start_ticks"]
        and identity.start_ticks(record["pid"]) == record["start_ticks"]
    }
    mark = Mark(os.path.join(directory, "notify.sock"))
    for serial, (_, pid) in leaders(mark).items():
        name = mark.record_of(pid).get("name")
        found.setdefault(pid, name if isinstance(name, str) else f"#{serial}")
    return [{"name": name, "pid": pid} for pid, name in found.items() if not identity.is_zombie(pid)]


if __name__ == "__main__":
    print(json.dumps(living(sys.argv[1])))
