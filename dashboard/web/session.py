"""One screen for one tab of a browser: `python -m dashboard.web.session`, started by the server."""

import argparse
import sys


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboard.web.session")
    parser.add_argument("--socket")
    parser.add_argument("--replay")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--theme")
    parser.add_argument("--filter", default="")
    parser.add_argument("--sort")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--no-color", dest="colour", action="store_false")
    options = parser.parse_args(arguments)
    looks = {name: getattr(options, name) for name in ("theme", "filter", "sort", "ascii", "colour")}

    from dashboard.tui.app import run

    if options.replay:
        from pathlib import Path

        from dashboard.replaying import Replay

        return run(Replay(Path(options.replay)), **looks)

    from dashboard.link import Link

    return run(Link(options.socket), read_only=options.read_only, interval=options.interval, **looks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
