"""Whether this engine could take over a cluster: it must read the configuration and everything in the journal."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from supervisor.engine.journal import Journal
from supervisor.engine.ledger import Ledger
from supervisor.engine.restoring import journaled_spec, restore
from supervisor.keeper.identity import boot_id
from supervisor.model.spec import ClusterSpec
from supervisor.model.text import reason

TRIAL = 30.0
"""Seconds that a new engine has for reading what it would take over."""


CAN = "can be taken over"


class CannotTakeOver(Exception):
    """Why another engine cannot, in its own words."""


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
    return f"{len(ledger.pools)} pools and {len(ledger.workers)} processes {CAN}"


async def trial(python: str, config: str, state_dir: str) -> str:
    """What the engine that `python` runs says of what it would take over. Raises CannotTakeOver."""
    command = (python, "-P", "-m", "supervisor.boot", "--check", "--config", config, "--state-dir", state_dir)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise CannotTakeOver(f"{python}: {reason(error)}") from None
    try:
        async with asyncio.timeout(TRIAL):
            out, errors = await process.communicate()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise CannotTakeOver(f"{python}: the installed engine did not answer within {TRIAL:g} s") from None
    if process.returncode:
        said = errors.decode("utf-8", "replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise CannotTakeOver(f"the installed engine cannot take over: {'; '.join(said[-3:])}")
    answer = out.decode("utf-8", "replace").strip()
    if CAN not in answer:
        raise CannotTakeOver(f"{python} runs no engine of clusterctl")
    return answer
