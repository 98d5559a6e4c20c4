"""`python -m tests.chaos [--seconds 600] [--seed N]`: chaos under load, behind a proxy and on a shared socket."""

import argparse
import sys

from tests.chaos.running import SHARED, WITH_PROXY, chaos


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=600.0, help="of both halves together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("proxy", "shared"))
    options = parser.parse_args()
    stages = {"proxy": WITH_PROXY, "shared": SHARED}
    chosen = [options.only] if options.only else list(stages)
    bad = 0
    for name in chosen:
        verdict = chaos(stages[name], options.seconds / len(chosen), options.seed)
        print(f"{name}: {verdict.summary()}", flush=True)
        bad += len(verdict.unexcused)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
