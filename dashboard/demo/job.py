"""A sample background worker: a little work now and then, a line about it, a graceful end on SIGTERM."""

import os
import random
import signal
import threading
import time


def main() -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    name, done = os.environ.get("CLUSTERCTL_WORKER", "job"), 0
    print(f"{name} waits for work", flush=True)
    while not ended.wait(random.uniform(0.3, 1.2)):
        started = time.monotonic()
        sum(i * i for i in range(random.randrange(20_000, 120_000)))
        done += 1
        print(f"job {done} done in {(time.monotonic() - started) * 1000:.0f} ms", flush=True)
    print(f"{name} ended after {done} jobs", flush=True)


if __name__ == "__main__":
    main()
