"""textual-serve with what it lacks: a token, one browser, loopback alone, no shell, and nothing from outside."""

import asyncio
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp_jinja2
import jinja2
from aiohttp import web
from textual_serve import server as textual_server
from textual_serve.app_service import AppService
from textual_serve.server import Server

HERE = Path(__file__).parent
MOST_SCREENS = 8
"""Tabs at a time: each is a process of 50 MB."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # xterm.js writes the sizes of its cells into the page.
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self' ws://127.0.0.1:* ws://localhost:* ws://[::1]:*",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Lets in whoever brings the token first, and from then on the browser that has the cookie."""

    def __init__(self) -> None:
        self.token: str | None = secrets.token_urlsafe(24)
        self._secret = secrets.token_urlsafe(24)
        # Cookies know no ports: two screens on one machine must not take each other's.
        self._cookie = f"clusterctl-{secrets.token_hex(4)}"

    def enter(self, given: str) -> bool:
        """Whether this is the token; it is good once."""
        good = self.token is not None and secrets.compare_digest(given.encode(), self.token.encode())
        if good:
            self.token = None
        return good

    def welcome(self, response: web.StreamResponse) -> None:
        response.set_cookie(self._cookie, self._secret, httponly=True, samesite="Strict", path="/")

    def knows(self, request: web.Request) -> bool:
        given = request.cookies.get(self._cookie, "")
        return secrets.compare_digest(given.encode(), self._secret.encode())


def is_loopback(address: str | None) -> bool:
    """Whether `localhost:8000` or `127.0.0.1` names this machine: a name that somebody rebound to it does not."""
    try:
        name = urlsplit(f"//{address or ''}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def refused(why: str) -> web.Response:
    return web.Response(status=403, text=f"{why}\n", headers={"Cache-Control": "no-store"})


class Service(AppService):
    """One process of the screen, run as it is; textual-serve would give the words to a shell."""

    argv: tuple[str, ...] = ()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        environment = self._build_environment(width=width, height=height) | {"PYTHONUTF8": "1"}
        environment.pop("NO_COLOR", None)
        process = await asyncio.create_subprocess_exec(
            *self.argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
        )
        self._process, self._stdin = process, process.stdin
        return process


class Web(Server):
    """The screen, given as an argv, for one browser. `address` is what the operator opens."""

    def __init__(self, argv: tuple[str, ...], port: int, name: str) -> None:
        super().__init__("clusterctl top", host="127.0.0.1", port=port, title=name)
        self.door = Door()
        self.argv = argv
        self._screens = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={self.door.token}"

    async def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        loader = jinja2.FileSystemLoader(HERE / "templates")
        aiohttp_jinja2.setup(app, loader=loader, autoescape=True)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/ws", self.handle_websocket),
                web.static("/own", HERE / "static"),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_response_prepare.append(self._harden)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_loopback(request.headers.get("Host")):
            return refused("this is served to 127.0.0.1 and localhost alone")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
            return refused("another page may not ask for this")
        if self.door.knows(request):
            return await handler(request)
        if request.path == "/" and self.door.enter(request.query.get("token", "")):
            # Sent on, so that the token is in no history and no Referer.
            response = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
            self.door.welcome(response)
            return response
        return refused("open the address that `clusterctl top --web` printed; it is good once, for one browser")

    async def _harden(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"

    async def _index(self, request: web.Request) -> web.Response:
        size = textual_server.to_int(request.query.get("fontsize", "14"), 14)
        context = {
            "name": self.title,
            "websocket": f"ws://{request.host}/ws",
            "font_size": max(6, min(size, 40)),
        }
        return aiohttp_jinja2.render_template("app_index.html", request, context)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One tab: its own screen, which ends with it."""
        if self._screens >= MOST_SCREENS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_SCREENS} screens are open already\n")
        socket = web.WebSocketResponse(heartbeat=15)
        self._screens += 1

        async def close() -> None:
            await socket.close()

        try:
            await socket.prepare(request)
            service = Service(
                self.command, write_bytes=socket.send_bytes, write_str=socket.send_str, close=close,
                download_manager=self.download_manager,
            )  # fmt: skip
            service.argv = self.argv
            await self._serve(request, socket, service)
        finally:
            self._screens -= 1
        return socket

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse, service: Service) -> None:
        width, height = (
            max(20, min(textual_server.to_int(request.query.get(name, ""), default), 500))
            for name, default in (("width", 80), ("height", 24))
        )
        await service.start(width, height)
        try:
            await self._process_messages(socket, service)
        except (ValueError, KeyError, TypeError, IndexError, AssertionError):
            await socket.close(code=1002, message=b"not understood")
        except ConnectionError:
            pass  # the screen, or the browser, has just ended
        finally:
            process = service._process
            try:
                async with asyncio.timeout(5):
                    await service.stop()
            except TimeoutError:
                if process is not None and process.returncode is None:
                    process.kill()
            if process is not None:
                await process.wait()


async def run(site: Web, ready: Callable[[str], None]) -> None:
    """Serve until cancelled; `ready` is told the address. Raises OSError where the port is taken."""
    runner = web.AppRunner(await site.application(), access_log=None, shutdown_timeout=3)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, site.host, site.port)
        await listener.start()
        bound: Any = runner.addresses[0]
        site.port = bound[1]
        ready(site.address)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def screen_argv(arguments: tuple[str, ...]) -> tuple[str, ...]:
    # -P: a folder named dashboard, where the operator happens to be, is not ours.
    return sys.executable, "-P", "-m", "dashboard.web.session", *arguments
