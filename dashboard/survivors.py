"""What of a cluster still runs though no keeper and no engine does."""

import json
import subprocess
import sys

from supervisor.model.text import plural


def survivors(state: str) -> list[str]:
    """Names of the workers, embedded proxies too, that the state directory's records or their marks find alive."""
    command = [sys.executable, "-P", "-m", "supervisor.keeper.held", state]
    try:
        told = subprocess.run(command, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
        return [str(row["name"]) for row in json.loads(told.stdout)]
    except (OSError, ValueError, LookupError, TypeError, subprocess.SubprocessError):
        return []


def unsupervised(names: list[str]) -> str:
    """`6 workers still run, unsupervised (jobs.0, web.0, …)`."""
    few = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
    return f"{plural(len(names), 'worker')} still {'runs' if len(names) == 1 else 'run'}, unsupervised ({few})"
