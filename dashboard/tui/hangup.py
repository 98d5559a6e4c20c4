"""When the terminal is gone: Textual's writer thread dies with it, and the next thirty writes block for ever.

Its queue is bounded and nobody reads it any more, so neither a signal nor the loop gets its turn. This watches
the thread, reads the queue in its place, and has the application leave in good order (a demo cleans up after it).
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Queue
from typing import Any

LOOK_EVERY = 1.0
"""Seconds between two looks."""


def watch(find_writer: Callable[[], Any], leave: Callable[[], None], ended: threading.Event) -> threading.Thread:
    """Watch the writer thread that `find_writer` finds (None while none is to live), until `ended`."""
    guard = threading.Thread(target=_watch, args=(find_writer, leave, ended), daemon=True, name="hangup")
    guard.start()
    return guard


def _watch(find_writer: Callable[[], Any], leave: Callable[[], None], ended: threading.Event) -> None:
    while not ended.wait(LOOK_EVERY):
        writer = find_writer()
        if writer is None or writer.is_alive() or find_writer() is not writer:
            continue  # in the last case the terminal has just been lent to another program
        leave()
        queue: Queue[str | None] = writer._queue
        while not ended.is_set():
            with suppress(Empty):
                queue.get(timeout=0.2)
        return
