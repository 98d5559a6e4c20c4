"""What the application asks of a screen that shows the mirror."""

from typing import Protocol, runtime_checkable

from dashboard.mirror import Mirror


@runtime_checkable
class Shows(Protocol):
    def show_mirror(self, mirror: Mirror) -> None: ...
