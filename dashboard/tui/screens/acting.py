"""The base of pages from which one acts on what they show, and how they ask the engine for more of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from dashboard.answers import NoAnswer, Refused
from dashboard.tui.commands import Local
from dashboard.tui.keys import Key, applying
from dashboard.tui.offering import able, offered
from dashboard.tui.screens.operating import Operating
from dashboard.tui.screens.page import Page
from dashboard.tui.worker_page import Detail

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp

ASK_EVERY = 3.0
"""Seconds between two questions for what a snapshot does not hold."""

ACTING_KEYS: tuple[Key, ...] = (
    Key("r", "change('restart')", "Restart", "replace it gracefully", "Page", changes=True, rank=7),
    Key("x", "change('stop')", "Stop", "take it down and keep it down", "Page", changes=True, rank=11),
    Key("S", "change('start')", "Start", "bring it back", "Page", changes=True, rank=12),
)
ROTATING_KEYS: tuple[Key, ...] = (
    Key("d", "change('drain')", "Drain", "no new requests; what is in flight finishes", "Page", changes=True,
        needs="drain", rank=8),
    Key("u", "change('ready')", "Undrain", "back into rotation", "Page", changes=True, rank=9),
    Key("m", "change('maint')", "Maint", "out of rotation, checks off", "Page", changes=True, needs="maint",
        rank=10),
)  # fmt: skip


class ActingPage(Page, Operating):
    """A page whose subject is what its keys change."""

    def keys_now(self) -> list[Key]:
        backends = self.chosen_backends()
        keys = applying(tuple(super().keys_now()), "any", able(backends), True, every=True)
        return offered(keys, self.chosen_workers(), backends, self.chosen_pool())

    def clear_marks(self) -> None:
        """There are none on a page."""

    def do_locally(self, local: Local) -> None:
        """No verb is typed on a page."""

    def action_pool(self) -> None:
        from dashboard.tui.screens.pools import PoolScreen

        if (pool := self.chosen_pool()) is not None:
            self.app.push_screen(PoolScreen(self.top, pool.name))


async def asked(top: "TopApp", slot: Callable[[], str]) -> AsyncIterator[Detail]:
    """What the engine tells of a slot, again every few seconds; what was told stays when it is away.

    `slot` is asked each time, for it may be another one by then; empty: there is none to ask for.
    """
    while True:
        with suppress(NoAnswer, Refused):
            if name := slot():
                yield await top.source.worker(name)
        await asyncio.sleep(ASK_EVERY)
