"""The installed command in a real terminal: tmux draws it, presses keys, resizes, and looks at what is left."""

import contextlib
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.real
CLUSTERCTL = str(Path(sys.executable).with_name("clusterctl"))
LONGEST = 20.0


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[str]:
    """A real API whose cluster is simulated."""
    path = tmp_path / "api.sock"
    with subprocess.Popen([sys.executable, "-m", "tests.benchmarks._many", str(path), "30"]) as process:
        try:
            wait(path.exists, "the API")
            yield str(path)
        finally:
            process.kill()


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Tmux:
    """One pane of a tmux of our own; a shell runs in it, so that it is there after the screen has left."""

    def __init__(self, place: Path) -> None:
        self.socket = str(place / "tmux.sock")
        environ = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "PS1": "$ "}
        self.environ = environ | {"XDG_STATE_HOME": str(place)}

    def __call__(self, *argv: str) -> str:
        command = ["tmux", "-S", self.socket, "-f", "/dev/null", *argv]
        return subprocess.run(command, env=self.environ, check=True, capture_output=True, text=True).stdout

    def see(self, *words: str) -> str:
        found = ""

        def there() -> bool:
            nonlocal found
            found = self("capture-pane", "-p")
            return all(word in found for word in words)

        try:
            wait(there, "")
        except AssertionError:
            raise AssertionError(f"{words} not in\n{found}") from None
        return found

    def modes(self) -> str:
        """Alternate screen, cursor, mouse."""
        return self("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").strip()

    def raw(self) -> bool:
        """Whether keys come at once, and not when the line is ended."""
        terminal = os.open(self("display-message", "-p", "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY)
        try:
            return not termios.tcgetattr(terminal)[3] & termios.ICANON
        finally:
            os.close(terminal)


@pytest.fixture
def tmux(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tmux]:
    """The parameter, if there is one, is the shell."""
    found = Tmux(tmp_path)
    found("new-session", "-d", "-x", "120", "-y", "40", getattr(request, "param", "sh"))
    found("set", "-g", "status", "off")
    found("resize-window", "-x", "120", "-y", "40")
    try:
        yield found
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            found("kill-server")


def test_an_operator_works_in_a_real_terminal_and_leaves_it_as_it_was(tmux: Tmux, socket: str) -> None:
    tmux("send-keys", f"{CLUSTERCTL} top --socket {socket}", "Enter")
    tmux.see("30/30 serving", "Workers 30", "Backends 31", "web.0")
    assert tmux.modes() == "1 0 1"
    tmux("send-keys", "j", "j")
    row = next(y for y, line in enumerate(tmux("capture-pane", "-p").splitlines()) if "│web.2" in line)
    wait(lambda: tmux("display-message", "-p", "#{cursor_y}").strip() == str(row), "a braille display follows")
    tmux("send-keys", "d")
    tmux.see("Drain lb/web/web.2?", "$ clusterctl drain web.2")
    tmux("send-keys", "Escape")
    # What follows an Escape at once is taken for Alt and that key, as every terminal has it.
    wait(lambda: "$ clusterctl drain" not in tmux("capture-pane", "-p"), "the question goes")
    tmux("send-keys", "-l", "/web.7")
    tmux("send-keys", "Enter")
    tmux.see("Workers 1/30 · /web.7")
    tmux("send-keys", "Enter")
    tmux.see("worker web.7", "what happened")
    for width, height, words in ((20, 5, "esc"), (80, 24, "worker web.7"), (200, 60, "what happened")):
        tmux("resize-window", "-x", str(width), "-y", str(height))
        tmux.see(words)
    tmux("send-keys", "Escape")
    tmux.see("Workers 1/30")
    tmux("send-keys", "q")
    wait(lambda: tmux.modes() == "0 1 0", f"the terminal is {tmux.modes()}")


def started(tmux: Tmux, socket: str, within: str = "{}") -> psutil.Process:
    tmux("send-keys", within.format(f"{CLUSTERCTL} top --socket {socket}"), "Enter")
    tmux.see("30/30 serving")
    return psutil.Process(int(tmux("display-message", "-p", "#{pane_pid}"))).children(recursive=True)[-1]


def test_a_signal_leaves_the_terminal_as_it_was(tmux: Tmux, socket: str) -> None:
    started(tmux, socket).send_signal(signal.SIGTERM)
    wait(lambda: tmux.modes() == "0 1 0", f"the terminal is {tmux.modes()}")


@pytest.mark.parametrize("within", ["{}", "sh -c '{}; true'"])
@pytest.mark.parametrize("tmux", ["bash --norc"], indirect=True)
def test_a_stop_lends_the_terminal_to_the_shell_and_fg_leads_back(tmux: Tmux, socket: str, within: str) -> None:
    screen = started(tmux, socket, within)
    threads = screen.num_threads()
    alone = within == "{}"  # else only one of the job is stopped, and the shell does not see it
    for stop in ("by key", "by key", *(("by another", "by another") if alone else ())):
        if stop == "by key":
            tmux("send-keys", "C-z")
            wait(lambda: tmux.modes() == "0 1 0", "the shell's terminal")
        else:
            screen.send_signal(signal.SIGSTOP)
        wait(lambda: screen.status() == psutil.STATUS_STOPPED, f"stopped {stop}")
        time.sleep(1.2)  # longer than between two looks of who watches for a hang-up
        tmux("send-keys", "fg", "Enter")
        tmux.see("30/30 serving", "Workers 30")
        # What is typed until the terminal is taken again is thrown away.
        wait(lambda: tmux.modes() == "1 0 1" and tmux.raw(), f"the terminal is taken, stopped {stop}")
        wait(lambda: screen.num_threads() <= threads, f"no thread more, stopped {stop}")
    tmux("send-keys", "?")
    tmux.see("all keys")
    tmux("send-keys", "Escape")
    tmux.see("Workers 30")
    tmux("send-keys", "q")
    wait(lambda: tmux.modes() == "0 1 0", f"the terminal is {tmux.modes()}")
    tmux("send-keys", "stty -a", "Enter")
    assert " -icanon" not in tmux.see(" icanon")


def test_where_no_shell_waits_the_screen_stays(tmux: Tmux, socket: str) -> None:
    tmux("respawn-pane", "-k", f"exec {CLUSTERCTL} top --socket {socket}")
    tmux.see("30/30 serving")
    tmux("send-keys", "C-z")
    tmux.see("no shell waits")


def test_a_terminal_that_closes_while_the_screen_is_left_leaves_nobody(tmux: Tmux, socket: str) -> None:
    screen = started(tmux, socket)
    tmux("send-keys", "q")
    wait(lambda: tmux.modes().startswith("0"), "the screen is left")
    tmux("kill-server")  # SIGHUP, and SIGCONT behind it
    screen.wait(LONGEST)


@pytest.mark.parametrize("tmux", ["bash --norc"], indirect=True)
def test_a_terminal_that_closes_while_the_screen_is_stopped_leaves_nobody(tmux: Tmux, socket: str) -> None:
    screen = started(tmux, socket)
    tmux("send-keys", "C-z")
    wait(lambda: screen.status() == psutil.STATUS_STOPPED, "stopped")
    tmux("kill-server")
    screen.wait(LONGEST)
