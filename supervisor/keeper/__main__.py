"""`python -m supervisor.keeper --state-dir DIR [--ready-fd N] -- ARGV…`: claims DIR, holds until told to end."""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import NamedTuple

from supervisor.keeper import identity
from supervisor.keeper.claiming import Log, Refused, claim, complain, words, write_pid
from supervisor.keeper.keeping import Keeper
from supervisor.keeper.records import Register

USAGE = "usage: python -m supervisor.keeper --state-dir DIR [--ready-fd N] -- PROGRAM [ARGUMENT…]"
PR_SET_CHILD_SUBREAPER = 36


class Asked(NamedTuple):
    """The command line, understood."""

    directory: str
    ready_fd: int | None
    argv: list[str]


def main() -> int:
    try:
        asked = understand(sys.argv[1:])
        lock = claim(asked.directory)
    except Refused as refused:
        complain(*str(refused).split("\n"))
        return refused.exit_code
    log = Log(asked.directory)
    try:
        register = Register(asked.directory, identity.boot_id(), log)
        register.load()
        become_reaper()
        keep_descriptors()
        soft_nofile = raise_nofile()
        keeper = Keeper(asked.directory, lock, asked.argv, register, log, soft_nofile, teller(asked.ready_fd))
    except OSError as error:
        complain(f"{asked.directory}: {words(error)}; nothing was started")
        return 2
    # What exists now stays; a collection would only make a forked child copy it.
    gc.collect()
    gc.freeze()
    try:
        return keeper.run()
    finally:
        write_pid(keeper.lock, None)


def understand(arguments: list[str]) -> Asked:
    """By hand: argparse would cost the keeper more memory, for ever, than all of its own code."""
    directory, ready_fd = None, None
    rest = list(arguments)
    while rest and rest[0] != "--":
        match rest.pop(0), rest.pop(0) if rest else "":
            case "--state-dir", value if value:
                directory = os.path.abspath(value)
            case "--ready-fd", value if value.isdigit():
                ready_fd = int(value)
            case option, _:
                raise Refused(f"{option}: not understood\n{USAGE}", 2)
    if directory is None or len(rest) < 2:
        raise Refused(USAGE, 2)
    return Asked(directory, ready_fd, rest[1:])


def become_reaper() -> None:
    """Whoever is orphaned below us becomes our child, and not init's (prctl(2), Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def keep_descriptors() -> None:
    """What we were started with is not for our children; a posix_spawn closes only what says so itself."""
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(int(name), False)


def raise_nofile() -> int:
    """As many descriptors as we may have; the soft limit from before is what children get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def teller(ready_fd: int | None) -> Callable[[], None]:
    """What to do when the engine is up: one line to whoever waits for it; the end without a line means no."""

    def tell() -> None:
        if ready_fd is not None:
            try:
                os.write(ready_fd, b"ready\n")
                os.close(ready_fd)
            except OSError:
                pass

    return tell


if __name__ == "__main__":
    # TTOU: a word to the terminal must not stop us where we run in the background (stty tostop).
    for number in (signal.SIGPIPE, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(main())
