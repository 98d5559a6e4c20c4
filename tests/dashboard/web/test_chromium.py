"""`top --web` in a real browser: it shows the cluster, takes keys, and wants nothing from outside."""

from pathlib import Path

import pytest

from tests.api.served import until
from tests.dashboard.web.chromium import Tab, chromium
from tests.dashboard.web.served import screens_of, site

pytestmark = pytest.mark.real

# xterm.js paints into a canvas: what stands there is counted, in colours that differ from the ground.
INK = """(() => {
  let most = 0;
  for (const canvas of document.querySelectorAll("canvas")) {
    if (!canvas.width || !canvas.height) continue;
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const pen = copy.getContext("2d");
    pen.drawImage(canvas, 0, 0);
    const pixels = new Uint32Array(pen.getImageData(0, 0, copy.width, copy.height).data.buffer);
    most = Math.max(most, new Set(pixels).size);
  }
  return most;
})()"""


async def shown(tab: Tab) -> None:
    await tab.until("document.body.classList.contains('-first-byte')")
    await tab.until(f"{INK} > 20")


async def test_a_browser_shows_the_screen_takes_keys_and_loads_nothing_from_outside(tmp_path: Path) -> None:
    async with site(tmp_path) as there, chromium(tmp_path / "profile") as tab:
        await tab.do("Page.navigate", url=there.address)
        await shown(tab)
        assert await tab.value("location.href") == f"{there.origin}/"
        assert await tab.value("document.cookie") == ""
        await tab.do("Input.dispatchMouseEvent", type="mousePressed", x=300, y=300, button="left", clickCount=1)
        await tab.do("Input.dispatchMouseEvent", type="mouseReleased", x=300, y=300, button="left", clickCount=1)
        await tab.type("q")
        await tab.until("document.body.classList.contains('-closed')")
        await until(lambda: not screens_of(there.socket), 15)
        outside = [url for url in tab.asked if not url.startswith((there.origin, "data:", "about:"))]
        assert tab.asked
        assert outside == []


async def test_a_second_browser_with_the_same_address_is_sent_away(tmp_path: Path) -> None:
    async with site(tmp_path) as there:
        async with chromium(tmp_path / "one") as tab:
            await tab.do("Page.navigate", url=there.address)
            await shown(tab)
        async with chromium(tmp_path / "two") as tab:
            await tab.do("Page.navigate", url=there.address)
            await tab.until("document.body.innerText.includes('good once')")
