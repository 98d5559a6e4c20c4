"""The same answers as server.py's as an ASGI application, for `uvicorn --fd`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Message = dict[str, Any]
NAME = f"{os.environ.get('VERSION', '1')} pid={os.getpid()}".encode()


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """GET /, /healthz, /slow?ms=, POST /echo, /stream?seconds=."""
    if scope["type"] != "http":
        return
    sent = b""
    while (message := await receive())["type"] == "http.request":
        sent += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = parse_qs(scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-worker", NAME)]})
    if scope["path"] == "/stream":
        for number in range(int(float(asked["seconds"][0]) / 0.05)):
            await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
            await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"end\n"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(int(asked["ms"][0]) / 1000)
    body = sent if scope["path"] == "/echo" else b"ok " + NAME
    await send({"type": "http.response.body", "body": body})
