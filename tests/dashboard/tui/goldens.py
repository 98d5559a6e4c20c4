"""Golden pictures: each scene as text at three sizes, and a digest of its colours in two themes.

Usage: python -m tests.dashboard.tui.goldens [--svg DIRECTORY] [SCENE …]

Without --svg the goldens of these scenes (all, if none is named) are written again: look at `git diff` then.
With it, nothing is written but SVG pictures, to be looked at in a browser.
"""

import argparse
import asyncio
import hashlib
import os
import time
from pathlib import Path

from msgspec.structs import replace
from textual.screen import ModalScreen

from dashboard.tui.say import clock
from tests.dashboard.tui.driving import Driver, screen
from tests.dashboard.tui.scenes import SCENES, SIZES, THEMES, Scene
from tests.shots import without_strangers

GOLDEN = Path(__file__).with_name("golden")
BEFORE = 40
"""Seconds that the engine remembers, for the graphs."""


async def set_up(s: Driver, scene: Scene) -> None:
    if scene.do is not None:
        await scene.do(s)
    await s.press(*scene.keys)
    await s.see(*scene.see)


async def still(s: Driver) -> None:
    """No word of the screen to the operator, no age that depends on how quick this machine is."""
    if (away := s.app.live.away) is not None:
        s.app.live = replace(s.app.live, away=replace(away, since=time.monotonic() - 4.2))
    s.app.clear_notifications()
    s.app.show_all()
    await s.pilot.pause()
    main = s.main
    seen = s.app.screen is main or isinstance(s.app.screen, ModalScreen)
    if seen and main.has_class("-details") and not main.has_class("-zoom") and main.worker_table.current:
        # The end of the log comes when the cursor has rested.
        await s.until(lambda: bool(main.tail.lines) or main.where != "workers" or main.details.size.height <= 5)
        main.show_details()
        await s.pilot.pause()


def digest(s: Driver) -> str:
    """Of every style on the screen and where it stands."""
    found = hashlib.sha1(usedforsecurity=False)
    for strip in s.app.screen._compositor.render_strips():
        for segment in strip:
            style = segment.style
            look = f"{style.color},{style.bgcolor},{style.bold},{style.reverse},{style.dim}" if style else ""
            found.update(f"{len(segment.text)}:{look};".encode())
        found.update(b"\n")
    return found.hexdigest()[:12]


async def picture(name: str, svg: Path | None = None) -> str:
    """All of one scene; with `svg` also as pictures in that directory."""
    scene = SCENES[name]
    source = scene.make()
    for _ in range(BEFORE):
        source.second += 1
        source.kept.append(source.picture())
    source.second += 1
    texts: dict[tuple[int, int], list[str]] = {}
    digests: dict[tuple[int, int], list[str]] = {}
    async with screen(source, SIZES[-1], rows=bool(sum(source.counts.values()))) as s:
        await set_up(s, scene)
        for theme in THEMES:
            if s.app.theme != theme:
                s.app.theme = theme  # costs more than a resize: so it is the outer loop
            for size in SIZES:
                await s.pilot.resize_terminal(*size)
                await still(s)
                digests.setdefault(size, []).append(f"{theme} {digest(s)}")
                texts[size] = [line.rstrip() for line in s.lines()]
                if svg is not None:
                    path = svg / f"{name}-{size[0]}x{size[1]}-{theme}.svg"
                    path.write_text(without_strangers(s.app.export_screenshot()))
    found: list[str] = []
    for size, text in texts.items():
        found += [f"== {size[0]}x{size[1]}  {'  '.join(digests[size])}", *text]
    return "\n".join(found) + "\n"


def in_utc() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    clock.cache_clear()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scene", nargs="*", choices=[[], *SCENES], default=[])
    parser.add_argument("--svg", type=Path)
    args = parser.parse_args()
    in_utc()
    GOLDEN.mkdir(exist_ok=True)
    for name in args.scene or SCENES:
        text = await picture(name, args.svg)
        if args.svg is None:
            (GOLDEN / f"{name}.txt").write_text(text)
        print(name)


if __name__ == "__main__":
    asyncio.run(main())
