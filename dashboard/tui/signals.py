"""What the screen does when it is told to end, to stop, and to go on after a stop."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def listen(loop: asyncio.AbstractEventLoop, leave: Callable[[int], object], go_on: Callable[[], object]) -> None:
    """`leave` with an exit status, so that the terminal is not left in the alternate screen, with the mouse on."""
    for number in ENDINGS:
        loop.add_signal_handler(number, leave, 128 + number)
    loop.add_signal_handler(signal.SIGCONT, go_on)


def unlisten(loop: asyncio.AbstractEventLoop) -> None:
    """What comes later ends us, or does nothing: the terminal is as it was by then, or gone."""
    for number in (*ENDINGS, signal.SIGCONT):
        loop.remove_signal_handler(number)


def take_terminal(driver: Any) -> None:
    """Take the terminal again, with its modes: a shell has had it meanwhile.

    Textual gives it back at a Ctrl-Z, but not at a SIGSTOP; its own handler of SIGCONT begins in any case: a second
    thread then reads the keys, and the modes to be restored are the screen's own. A terminal that closes sends
    SIGCONT too (behind SIGHUP): that thread then outlived the screen, and took a whole core for ever.
    """
    if isinstance(driver, LinuxDriver):
        if not lent(driver):
            _lend(driver)
        driver.resume_application_mode()


def lent(driver: Any) -> bool:
    """Whether the terminal is the shell's: from our Ctrl-Z until it is taken again."""
    return bool(getattr(driver, "_must_signal_resume", False))


def _lend(driver: LinuxDriver) -> None:
    driver._must_signal_resume = True
    driver.suspend_application_mode()


def stop(driver: Any) -> bool:
    """Stop as a Ctrl-Z does where the terminal makes the signal: all of our job, and the shell has the terminal.

    False where nobody would ever wake us: in a browser, or where `ssh -t host clusterctl top` has no shell.
    """
    if not isinstance(driver, LinuxDriver) or not shell_waits():
        return False
    # Before the signal: once the others of our job stand still (make, a script) the terminal is the shell's.
    _lend(driver)
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.killpg(0, signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, before)
    return True


def shell_waits() -> bool:
    """Whether a shell made our job: the processes of a session that has none are all in its leader's group."""
    return os.getpgrp() != os.getsid(0)
