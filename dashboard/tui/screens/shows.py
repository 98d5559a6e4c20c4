"""What the application asks of a screen that shows the mirror, and how such a screen shows it again by itself."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.screen import Screen

from dashboard.mirror import Mirror

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


@runtime_checkable
class Shows(Protocol):
    def show_mirror(self, mirror: Mirror) -> None: ...


class Showing(Screen[None]):
    top: "TopApp"

    def show_mirror(self, mirror: Mirror) -> None:
        raise NotImplementedError

    def show_again(self) -> None:
        """The newest picture. What is done later calls this: a picture handed over now would then be an old one."""
        self.show_mirror(self.top.mirror)
