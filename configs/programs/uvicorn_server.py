"""uvicorn that loses no request on a shared socket: `python uvicorn_server.py MODULE:APP --fd N`.

At TERM uvicorn closes at once what is idle, and with it a connection that it has just taken and not yet read. Here
the worker first takes no more, answers for a while with `Connection: close`, and closes then what is left.
"""

import argparse
import asyncio
import socket
import sys

import uvicorn

LAST_CALL = 2.0
"""Seconds in which a client may still send on a connection that it has; `stop.timeout` must be longer."""


class Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Not closed yet: asyncio drops connections that were taken just before that.
        for listening in [one for server in self.servers for one in server.sockets]:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        self.server_state.default_headers.append((b"connection", b"close"))
        await asyncio.sleep(LAST_CALL)
        await super().shutdown(sockets)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("app")
    parser.add_argument("--fd", type=int, required=True)
    options = parser.parse_args()
    sys.path.insert(0, "")  # as uvicorn's own command does
    config = uvicorn.Config(
        options.app, fd=options.fd, loop="asyncio", timeout_keep_alive=60, access_log=False, log_level="warning"
    )
    Server(config).run()


if __name__ == "__main__":
    main()
