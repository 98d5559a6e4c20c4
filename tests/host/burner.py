"""A program that uses a known share of the CPU and tells how much it used: the truth that samples are held to.

    python burner.py burn THREADS SHARE      each thread burns SHARE of a core
    python burner.py parent N                N children burn, and the parent does nothing
    python burner.py breeder                 runs short programs that burn, one after the other

It reads a number of CPU seconds, uses up that many more, and answers with all it has used so far, its children
included. A burner dies with its input.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time

_BLOCK = b"x" * 200_000


def burn(share: float) -> None:
    while True:
        begun = time.thread_time()
        hashlib.sha256(_BLOCK).digest()  # lets go of the interpreter's lock
        used = time.thread_time() - begun
        if share < 1:
            time.sleep(used / share - used)


def used() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def answer() -> None:
    for line in sys.stdin:
        goal = used() + float(line)
        while used() < goal:
            time.sleep(0.005)
        print(used(), flush=True)


def parent(count: int) -> None:
    command = [sys.executable, __file__, "burn", "1", "1.0"]
    children = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True) for _ in range(count)]

    def ask(child: "subprocess.Popen[str]", more: float) -> float:
        assert child.stdin is not None
        assert child.stdout is not None
        print(more, file=child.stdin, flush=True)
        return float(child.stdout.readline())

    for line in sys.stdin:
        for child in children:
            ask(child, float(line) / count)
        # All have done their part; now what they have used at one time.
        print(used() + sum(ask(child, 0) for child in children), flush=True)
    for child in children:
        child.kill()
        child.wait()


def breed() -> None:
    program = "import time\nwhile time.process_time() < 0.1: pass"
    while True:
        subprocess.run([sys.executable, "-c", program], check=False)


def main() -> None:
    match sys.argv[1:]:
        case ["burn", threads, share]:
            for _ in range(int(threads)):
                threading.Thread(target=burn, args=(float(share),), daemon=True).start()
            answer()
        case ["parent", count]:
            parent(int(count))
        case ["breeder"]:
            threading.Thread(target=breed, daemon=True).start()
            answer()


if __name__ == "__main__":
    main()
