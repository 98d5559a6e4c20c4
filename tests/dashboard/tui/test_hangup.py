"""A terminal that goes away takes no screen with it that hangs for ever."""

import threading
from queue import Queue

import pytest

from dashboard.tui import hangup
from tests.dashboard.tui.driving import screen


class Writer:
    """A writer thread as Textual's, dead."""

    def __init__(self) -> None:
        self._queue: Queue[str | None] = Queue(3)

    def is_alive(self) -> bool:
        return False


def test_what_waits_for_a_dead_writer_goes_on_and_the_screen_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hangup, "LOOK_EVERY", 0.01)
    writer, left, ended = Writer(), threading.Event(), threading.Event()
    guard = hangup.watch(lambda: writer, left.set, ended)
    for _ in range(50):
        writer._queue.put("text", timeout=5)
    assert left.wait(5)
    ended.set()
    guard.join(5)
    assert not guard.is_alive()


async def test_events_that_come_while_the_screen_is_left_find_nothing_to_show_and_say_nothing() -> None:
    async with screen() as s:
        await s.see("web.0")
    assert not s.app.screen_stack
    s.app._show_events()
