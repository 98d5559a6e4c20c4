"""The page of one worker or backend as the API gives it: JSON, for copying into a ticket."""

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from dashboard.answers import NoAnswer, Refused
from dashboard.mirror import Mirror
from dashboard.tui.ink import Line
from dashboard.tui.screens.page import Page

if TYPE_CHECKING:
    from dashboard.tui.app import TopApp


class InspectScreen(Page):
    """`subject` is a slot, or PROXY/UPSTREAM/BACKEND."""

    def __init__(self, top: "TopApp", subject: str) -> None:
        super().__init__(top)
        self.subject = subject
        self._said: Sequence[Line] = [(("asking the engine …", "dim"),)]
        self._asking: asyncio.Task[None] | None = None

    def on_mount(self) -> None:
        super().on_mount()
        backend = self.top.mirror.backends.get(self.subject)
        if backend is not None:
            self._said = json_lines(msgspec.to_builtins(backend.backend))
        else:
            self._asking = asyncio.create_task(self._ask())

    def on_unmount(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        try:
            self._said = json_lines(await self.top.source.worker(self.subject))
        except (NoAnswer, Refused) as lost:
            self._said = [((str(lost), "warn"),)]
        self.show_again()

    def title_line(self, mirror: Mirror) -> Line:
        return (" JSON ", "dim"), (self.subject, "title"), ("   as it was when asked for", "dim")

    def text(self, mirror: Mirror, width: int) -> Sequence[Line]:
        return self._said


def json_lines(value: object) -> list[Line]:
    lines: list[Line] = []
    for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"):
        name, found, rest = line.partition('": ')
        lines.append(((f"{name}{found}", "dim"), (rest, "text")) if found else ((line, "text"),))
    return lines
