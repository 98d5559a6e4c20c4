"""The pictures in docs/images, taken from a real `clusterctl demo`: `make shots`; Linux, about a minute.

Usage: python -m tests.shots [DIRECTORY]
"""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from textual.pilot import Pilot

from dashboard.link import Link
from dashboard.tui.app import TopApp
from dashboard.tui.screens.confirm import SEEN
from supervisor.model.snapshot import Snapshot

HISTORY = 80
"""Pictures of the cluster before the first shot, so that graphs have something to show."""
LONGEST = 60.0
_FONTS = '"JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace'


@contextmanager
def demo() -> Iterator[str]:
    """The socket of a demo of our own, which ends with us."""
    command = [sys.executable, "-m", "dashboard", "demo", "--no-top"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.match("socket: (.+)", process.stdout.readline())
            if found is None:
                raise SystemExit("the demo did not start; see above")
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LONGEST)


class Camera:
    """The screen on the demo, driven by its keys."""

    def __init__(self, app: TopApp, pilot: Pilot[int], directory: Path) -> None:
        self.app = app
        self.pilot = pilot
        self.directory = directory

    @property
    def snapshot(self) -> Snapshot:
        assert self.app.mirror.snapshot is not None
        return self.app.mirror.snapshot

    def seen(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LONGEST
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"waited {LONGEST:g} s for this: {what}; the screen shows:\n{self.seen()}")
            await self.pilot.pause(0.05)

    async def see(self, *words: str) -> None:
        await self.until(lambda: all(word in self.seen() for word in words), " and ".join(words))

    async def pictures(self, number: int) -> None:
        """Wait for so many new pictures of the cluster."""
        goal = self.snapshot.revision + number
        await self.until(lambda: self.snapshot.revision >= goal, f"revision {goal}")

    async def size(self, width: int, height: int) -> None:
        await self.pilot.resize_terminal(width, height)
        await self.pictures(1)

    async def shoot(self, name: str) -> None:
        self.app.clear_notifications()
        await self.pilot.pause(0.2)
        (self.directory / f"{name}.svg").write_text(without_strangers(self.app.export_screenshot()))
        print(f"{name}.svg", file=sys.stderr)


def without_strangers(svg: str) -> str:
    """No font from elsewhere, and names of styles that do not change from run to run."""
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", _FONTS).replace("font-family: Fira Code", f"font-family: {_FONTS}")
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    assert not re.search(r"@import|href=|url\((?!#)", svg), "the picture would ask the network for something"
    return svg


async def session(camera: Camera) -> None:
    press = camera.pilot.press
    await camera.until(lambda: camera.app.mirror.snapshot is not None, "the first picture")
    await camera.pictures(HISTORY)
    await camera.shoot("top-120x40")
    await camera.size(80, 24)
    await camera.shoot("top-80x24")
    await camera.size(200, 60)
    await camera.shoot("top-200x60")
    await camera.size(120, 40)
    await press("d")
    await camera.see("Drain lb/web/web.0?", "in flight")
    await camera.shoot("drain-asks")
    await press("y")
    await camera.see("◐ drain", "drain lb/web/web.0: done")
    await camera.shoot("drain")
    await press("u")
    await camera.see("y: yes")
    await camera.pilot.pause(2 * SEEN)  # a key that comes with the question is not taken for its answer
    await press("y")
    await camera.until(lambda: "◐ drain" not in camera.seen(), "back in rotation")
    await press("R")
    await camera.see("Rolling restart of web?")
    await camera.shoot("rollout-asks")
    await press("y")
    await camera.see("1/3")
    await camera.pictures(2)
    await camera.shoot("rollout")
    await press("escape")
    await camera.see("Workers")
    await camera.pictures(2)
    await camera.shoot("top-rollout")
    await camera.until(lambda: all(pool.rollout is None for pool in camera.snapshot.pools), "the rollout's end")


async def take(directory: Path) -> None:
    with demo() as socket:
        app = TopApp(Link(socket))
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await session(Camera(app, pilot, directory))
        app.ended.set()


if __name__ == "__main__":
    wanted = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    wanted.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(wanted))
