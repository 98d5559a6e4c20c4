"""A stand-in for the API on a unix socket: canned answers by method and path, and what it was asked."""

import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

Row = dict[str, Any]


class Asked(NamedTuple):
    method: str
    path: str
    body: Any


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str] = {}  # noqa: RUF012
    chunks: tuple[bytes, ...] | None = None
    """Sent chunked instead of `body`."""
    cut: bool = False
    """The connection ends in the middle of the answer."""


Route = Reply | Callable[[Asked], Reply]


def as_json(value: object, status: int = 200, **headers: str) -> Reply:
    return Reply(
        status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()}
    )


def refused(status: int, code: str, detail: str) -> Reply:
    return as_json({"status": status, "code": code, "title": "refused", "detail": detail}, status)


def operation(phase: str = "running", **more: Any) -> Row:
    row: Row = {
        "id": "op-7",
        "verb": "scale web=4",
        "target": "web",
        "pool": "web",
        "actor": "uid 0 (root), pid 1",
        "asked": "2026-01-02T03:04:05Z",
        "ended": None,
        "phase": phase,
        "progress": "1 of 4 workers serve",
        "why": None,
        "steps": [],
    }
    return row | more


class FakeApi:
    """Routes by `METHOD /path`, the query left out; a list of replies is used up one by one, the last one stays."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.asked: list[Asked] = []
        self.routes: dict[str, list[Route]] = {}

    def on(self, route: str, *replies: Route) -> None:
        self.routes[route] = list(replies)

    def changes(self) -> list[Asked]:
        return [one for one in self.asked if one.method != "GET"]

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        found = self.routes.get(f"{asked.method} {asked.path.partition('?')[0]}")
        if not found:
            return refused(404, "unknown", f"no such path: {asked.path}")
        route = found.pop(0) if len(found) > 1 else found[0]
        return route if isinstance(route, Reply) else route(asked)


def handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    """One connection of a client to `api`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            self._write(api.reply(Asked(self.command, self.path, body)))

        do_GET = do_POST = do_PATCH = answer

        def _write(self, reply: Reply) -> None:
            self.close_connection = reply.cut or self.headers.get("connection") == "close"
            if reply.cut and not reply.chunks:
                return
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            if reply.chunks is None:
                if reply.status != 304:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in reply.chunks:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
            if not reply.cut:
                self.wfile.write(b"0\r\n\r\n")

        def address_string(self) -> str:
            return "a verb"

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    return Handler


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is its own affair."""


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    """A server in a thread, in a directory of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cc-") as directory:
        api = FakeApi(os.path.join(directory, "clusterctl.sock"))
        server = Server(api.socket, handler(api))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)
