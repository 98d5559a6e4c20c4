"""A small web server for the examples: reads $PORT or `--fd N`, and finishes what is in flight before it ends."""

import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

in_flight: set["Handler"] = set()


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with who answered; `/healthz` too."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionResetError:  # as a proxy's check ends its connection
            self.close_connection = True
        finally:
            in_flight.discard(self)

    def do_GET(self) -> None:
        in_flight.add(self)
        name = os.environ.get("CLUSTERCTL_WORKER", "a worker")
        body = f"{os.environ.get('GREETING', 'hello')} from {name}, pid {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}", flush=True)


class Server(ThreadingHTTPServer):
    """Waits for its requests when it ends, but not for idle connections."""

    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = "localhost", 0


def listening_socket() -> socket.socket:
    if "--fd" in sys.argv:
        return socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    return socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)


def main() -> None:
    server = Server(listening_socket())
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("ready", flush=True)
    server.serve_forever(poll_interval=0.1)
    while in_flight:
        time.sleep(0.01)


if __name__ == "__main__":
    main()
