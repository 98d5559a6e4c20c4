"""What the screen remembers of its operator: theme, order, columns, filters; no marks, and nothing of a cluster."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct, field

FILTERS = 20
"""Filters kept, newest last."""
LONGEST = 200


class Order(Struct, frozen=True):
    column: str
    falling: bool = False


class Kept(Struct):
    theme: str | None = None
    order: dict[str, Order] = field(default_factory=dict)
    """Table -> what it is sorted by."""
    hidden: dict[str, list[str]] = field(default_factory=dict)
    """Table -> columns that are not shown."""
    filters: list[str] = field(default_factory=list)


def place() -> Path:
    """$XDG_STATE_HOME/clusterctl/top.json; a relative value counts as none, as the specification has it."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return base / "clusterctl" / "top.json"


class Keeping:
    """Reads the file once, and writes it whole at each change; without a path it only remembers."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.kept = Kept()
        if path is not None:
            # A file that is damaged, or of another version, is no reason to show no screen.
            with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                self.kept = msgspec.json.decode(path.read_bytes(), type=Kept)

    def remember_filter(self, text: str) -> None:
        text = text[:LONGEST]
        if text:
            filters = [one for one in self.kept.filters if one != text]
            self.kept.filters = [*filters, text][-FILTERS:]
            self.write()

    def write(self) -> None:
        """Whole or not at all: two screens may leave at the same time."""
        if self.path is None:
            return
        # Nothing that an operator needs is lost where it cannot be written (a read-only home).
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".top-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(msgspec.json.format(msgspec.json.encode(self.kept)))
                os.replace(name, self.path)
            except OSError:
                os.unlink(name)
                raise
