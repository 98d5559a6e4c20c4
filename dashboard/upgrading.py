"""`clusterctl upgrade`: the engine that is installed now takes over; workers and proxies do not notice."""

import sys
from argparse import Namespace

from dashboard.changes import Change, ask


def upgrade(args: Namespace) -> int:
    """The engine tries the new one first; if that cannot read configuration and state, nothing changes."""
    return ask(args, Change("POST", "/v1/upgrade", {"python": sys.executable}))
