"""The recorded session of the README: a drain and a rolling restart on a real demo, as an animated SVG.

Usage: python -m tests.session [DIRECTORY]      # part of `make shots`; Linux, about two minutes

Every piece of text is drawn once, with the time from which and until which it stands; so a minute of a screen that
mostly stays as it is takes some hundred kilobytes. It asks the network for nothing and runs no script.
"""

import asyncio
import sys
import time
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import NamedTuple

from rich.segment import Segment

from dashboard.link import Link
from dashboard.tui.app import TopApp
from tests.shots import Camera, demo

WIDTH, HEIGHT = 100, 32
CELL_X, CELL_Y, MARGIN = 8.4, 18.0, 12.0
MOST = 400_000
"""Bytes: more is a burden to whoever opens the README."""
HISTORY = 45
_FONTS = "'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace"


class Run(NamedTuple):
    """Text of one style at one place."""

    y: int
    x: int
    cells: int
    text: str
    color: str
    ground: str
    bold: bool


class Frame(NamedTuple):
    runs: frozenset[Run]
    caption: str
    seconds: float


def runs_of(lines: Iterable[Iterable[Segment]]) -> frozenset[Run]:
    found = set()
    for y, line in enumerate(lines):
        x = 0
        for segment in line:
            cells, style = segment.cell_length, segment.style
            color = style.color.triplet.hex if style and style.color and style.color.triplet else "#d8dee9"
            ground = style.bgcolor.triplet.hex if style and style.bgcolor and style.bgcolor.triplet else ""
            if style and style.reverse:
                color, ground = ground, color
            found.add(Run(y, x, cells, segment.text, color, ground, bool(style and style.bold)))
            x += cells
    return frozenset(found)


class Film:
    """Frames as they are taken, each with the seconds for which it is to be seen."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.frames: list[Frame] = []
        self.caption = ""

    async def take(self, seconds: float) -> None:
        self.camera.app.clear_notifications()
        await self.camera.pilot.pause(0.1)
        runs = runs_of(self.camera.app.screen._compositor.render_strips())
        self.frames.append(Frame(runs, self.caption, seconds))

    async def roll(self, pictures: int, seconds: float = 0.7) -> None:
        """So many pictures of the cluster, one after the other."""
        for _ in range(pictures):
            await self.camera.pictures(1)
            await self.take(seconds)

    async def press(self, key: str, caption: str) -> None:
        self.caption = caption
        await self.take(1.2)
        await self.camera.pilot.press(key)


async def play(film: Film) -> None:
    camera = film.camera
    await camera.until(lambda: camera.app.mirror.snapshot is not None, "the first picture")
    await camera.pictures(HISTORY)
    film.caption = "three web workers behind HAProxy, two jobs, some traffic"
    await film.roll(3)
    await film.press("d", "d: drain the backend of web.0; first it says what that means")
    await camera.see("Drain lb/web/web.0?", "in flight")
    await film.take(3.0)
    await film.press("y", "y: yes")
    await camera.see("◐ drain")
    await film.roll(4)
    await film.press("u", "u: back into rotation")
    await camera.see("y: yes")
    await film.take(1.5)
    await film.press("y", "y: yes")
    await film.roll(3)
    await film.press("R", "R: a rolling restart of the pool")
    await camera.see("Rolling restart of web?")
    await film.take(3.0)
    await film.press("y", "y: yes; one worker after the other, and no request is lost")
    await camera.see("rollout of web")
    begun = time.monotonic()
    while any(pool.rollout for pool in camera.snapshot.pools) or time.monotonic() - begun < 3:
        await film.roll(1, 0.5)
    await film.take(2.0)
    await film.press("escape", "esc: back")
    await camera.see("Workers")
    await film.roll(3, 1.0)


def drawn(frames: list[Frame]) -> str:
    """The animation: each run of text stands from its first frame to its last."""
    whole = sum(frame.seconds for frame in frames)
    starts = [sum(frame.seconds for frame in frames[:at]) for at in range(len(frames) + 1)]
    stands: list[tuple[Run | str, int, int]] = []
    since: dict[Run | str, int] = {}
    for at in range(len(frames) + 1):
        now: set[Run | str] = {*frames[at].runs, frames[at].caption} if at < len(frames) else set()
        for run in [run for run in since if run not in now]:
            stands.append((run, since.pop(run), at))
        for run in now - since.keys():
            since[run] = at
    spans = sorted({(first, last) for _, first, last in stands if last - first < len(frames)})
    names = {span: f"k{number}" for number, span in enumerate(spans)}
    rules = []
    for (first, last), name in names.items():
        begin, end = 100 * starts[first] / whole, 100 * starts[last] / whole
        off = f"{end:.3f}%{{visibility:hidden}}" if last < len(frames) else ""
        on = f"{begin:.3f}%{{visibility:visible}}"
        rules.append(f"@keyframes {name}{{{'0%{visibility:hidden}' if first else ''}{on}{off}}}")
        rules.append(f".{name}{{animation:{name} {whole:.1f}s step-end infinite}}")
    colors = sorted({run.color for run, _, _ in stands if isinstance(run, Run)})
    paints = {color: f"c{number}" for number, color in enumerate(colors)}
    rules += [f".{name}{{fill:{color}}}" for color, name in paints.items()]
    body = [_element(run, names.get((first, last), ""), paints) for run, first, last in sorted(stands, key=_layer)]
    width = WIDTH * CELL_X + 2 * MARGIN
    height = (HEIGHT + 2) * CELL_Y + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">'
        f"<style>text{{font:14px {_FONTS};white-space:pre}}.b{{font-weight:bold}}.s{{fill:#8b95a1}}{''.join(rules)}"
        f'</style><rect width="100%" height="100%" rx="8" fill="#10151a"/>{"".join(body)}</svg>\n'
    )


def _layer(stand: tuple[Run | str, int, int]) -> tuple[int, int, int]:
    run, first, _ = stand
    return (run.y, run.x, first) if isinstance(run, Run) else (HEIGHT, 0, first)


def _element(run: Run | str, name: str, paints: dict[str, str]) -> str:
    if isinstance(run, str):
        y = MARGIN + (HEIGHT + 1.2) * CELL_Y
        return f'<text class="s {name}" x="{MARGIN:g}" y="{y:.0f}">{escape(run)}</text>'
    x, y = MARGIN + run.x * CELL_X, MARGIN + run.y * CELL_Y
    parts = []
    if run.ground and run.ground != "#10151a":
        size = f'width="{run.cells * CELL_X:.1f}" height="{CELL_Y:g}"'
        parts.append(f'<rect class="{name}" x="{x:.1f}" y="{y:g}" {size} fill="{run.ground}"/>')
    text = run.text.rstrip()
    lead = len(text) - len(text.lstrip())
    if text := text.lstrip():
        at, wide = x + lead * CELL_X, (run.cells - lead - len(run.text) + len(run.text.rstrip())) * CELL_X
        look = " ".join(filter(None, (paints[run.color], "b" if run.bold else "", name)))
        parts.append(
            f'<text class="{look}" x="{at:.1f}" y="{y + 13:g}" textLength="{wide:.1f}">{escape(text)}</text>'
        )
    return "".join(parts)


async def record(directory: Path) -> None:
    with demo() as socket:
        app = TopApp(Link(socket))
        async with app.run_test(size=(WIDTH, HEIGHT), notifications=True) as pilot:
            film = Film(Camera(app, pilot, directory))
            await play(film)
        app.ended.set()
    picture = drawn(film.frames)
    size = len(picture.encode())
    if size > MOST:
        raise SystemExit(f"the session takes {size} bytes, more than {MOST}")
    (directory / "session.svg").write_text(picture)
    print(f"session.svg: {len(film.frames)} frames, {size // 1000} kB", file=sys.stderr)


if __name__ == "__main__":
    wanted = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    wanted.mkdir(parents=True, exist_ok=True)
    asyncio.run(record(wanted))
