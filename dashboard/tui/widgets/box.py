"""A line to type into: hidden until it is asked for, and gone at Enter, before the next key is looked at."""

from collections.abc import Callable

from textual import events
from textual.widgets import Input


class Box(Input):
    """There from the start: one that comes and goes would miss what is typed quickly."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, id="filter", compact=True)
        self.cursor_blink = False
        self.display = False
        self.taken: Callable[[str], None] = lambda text: None
        """Called at Enter."""

    @property
    def typing(self) -> bool:
        return bool(self.display)

    def open(self, text: str = "") -> None:
        self.value = text
        self.display = True
        # At once, and not by Widget.focus, which keys typed ahead would overtake.
        self.screen.set_focus(self)

    async def _on_key(self, event: events.Key) -> None:
        if not self.typing:
            # Pressed after Enter and sent here before that was handled: it belongs to the screen.
            event.stop()
            event.prevent_default()
            self.app.post_message(events.Key(event.key, event.character))
        elif event.key == "enter":
            event.stop()
            event.prevent_default()
            self.taken(self.value)
        else:
            await super()._on_key(event)
