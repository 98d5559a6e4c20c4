"""`top --web` as clients see it: who is let in, what is sent, and that every screen ends with its tab."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from dashboard.web.serving import is_loopback
from tests.api.served import until
from tests.dashboard.web.served import Site, screens_of, site

pytestmark = pytest.mark.real


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as one:
        yield one


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as one:
        yield one


async def status(browser: aiohttp.ClientSession, url: str, **headers: str) -> int:
    async with browser.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status


async def test_without_the_token_nothing_is_served(there: Site, browser: aiohttp.ClientSession) -> None:
    for path in ("/", "/?token=", "/?token=guess", "/ws", "/static/js/textual.js", "/own/page.css", "/nothing"):
        assert await status(browser, there.origin + path) == 403, path


async def test_the_token_is_good_once_and_then_the_browser_is_known(
    there: Site, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(there.address) as answer:
        assert (answer.status, str(answer.url)) == (200, there.origin + "/")
    assert await status(browser, there.origin + "/") == 200
    async with aiohttp.ClientSession() as stranger:
        assert await status(stranger, there.address) == 403
        assert await status(stranger, there.origin + "/ws") == 403


async def test_the_cookie_is_for_this_browser_alone_and_out_of_reach_of_scripts(there: Site) -> None:
    async with aiohttp.ClientSession() as stranger, stranger.get(there.address, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


async def test_a_name_bound_to_loopback_and_another_pages_request_are_refused(
    there: Site, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(there.address):
        pass
    assert await status(browser, there.origin, Host="evil.example") == 403
    assert await status(browser, there.origin, Origin="http://evil.example") == 403
    assert await status(browser, there.origin, Origin=there.origin) == 200


@pytest.mark.parametrize(
    ("host", "good"),
    [("localhost:8000", True), ("127.0.0.1", True), ("[::1]:80", True), ("127.0.0.1.evil.example", False),
     ("", False), (None, False), ("10.0.0.1", False), ("[::1", False)],
)  # fmt: skip
def test_only_names_of_this_machine_are_loopback(host: str | None, good: bool) -> None:
    assert is_loopback(host) is good


async def test_the_page_and_all_that_it_loads_come_from_here(there: Site, browser: aiohttp.ClientSession) -> None:
    async with browser.get(there.address) as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?://", page)
    assert "clusterctl &lt;shop&gt;" in page
    for path in re.findall(r'(?:href|src)="(/[^"]+)"', page):
        async with browser.get(there.origin + path) as answer:
            assert answer.status == 200, path
            text = await answer.text()
        assert not re.search(r"(@import|url\(|src=)\s*[\"']?(https?:)?//", text), path


async def test_a_tab_is_a_screen_of_its_own_and_ends_with_it(there: Site, browser: aiohttp.ClientSession) -> None:
    async with browser.get(there.address):
        pass
    async with browser.ws_connect(there.origin + "/ws?width=100&height=30") as tab:
        shown = b""
        async with asyncio.timeout(20):
            while b"web.0" not in shown:
                message = await tab.receive()
                assert message.type is aiohttp.WSMsgType.BINARY
                shown += message.data
        assert len(screens_of(there.socket)) == 1
    await until(lambda: not screens_of(there.socket), 15)


async def test_a_client_that_talks_nonsense_loses_its_screen_and_nothing_else(
    there: Site, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(there.address):
        pass
    for words in ("{", "[]", '["stdin"]', '["resize",{}]', '{"a":1}', '["stdin",5]'):
        async with browser.ws_connect(there.origin + "/ws?width=-5&height=x") as tab:
            await tab.send_str(words)
            async with asyncio.timeout(20):
                while (await tab.receive()).type is aiohttp.WSMsgType.BINARY:
                    pass
    await until(lambda: not screens_of(there.socket), 15)
    assert await status(browser, there.origin) == 200
