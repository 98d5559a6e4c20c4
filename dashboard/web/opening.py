"""`clusterctl top --web`: prints the address to open, and serves until it is interrupted."""

import asyncio
import signal
from importlib.util import find_spec

from dashboard.printing import fail, out, tell


def serve(arguments: tuple[str, ...], port: int, name: str) -> int:
    if find_spec("textual_serve") is None:
        fail("top --web needs textual-serve, which is not installed; `pip install 'clusterctl[web]'` brings it")
        return 1
    from dashboard.web.serving import Web, screen_argv

    site = Web(screen_argv(arguments), port, name)
    try:
        return asyncio.run(_until_ended(site))
    except OSError as error:
        fail(f"top --web: port {port} cannot be had: {error.strerror or error}; choose another with --port")
        return 1


async def _until_ended(site: object) -> int:
    from dashboard.web.serving import Web, run

    assert isinstance(site, Web)

    def ready(address: str) -> None:
        out(address)
        tell("open this address; it is good once, for one browser. Ctrl-C ends the serving, the cluster goes on")

    serving = asyncio.ensure_future(run(site, ready))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        tell("no longer served")
    return 0
