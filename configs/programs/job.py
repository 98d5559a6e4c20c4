"""A background job for the examples: says a line now and then, and ends when asked to."""

import itertools
import os
import signal
import threading

asked_to_end = threading.Event()


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_end.set())
    print("ready", flush=True)
    for count in itertools.count(1):
        if asked_to_end.wait(2.0):
            break
        print(f"{os.environ.get('CLUSTERCTL_WORKER', 'job')}: piece of work {count} done", flush=True)
    print("asked to end: done", flush=True)


if __name__ == "__main__":
    main()
