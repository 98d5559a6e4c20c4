"""Faults made for real that no other room makes: hangs, floods, closed output, crowds, removed sockets."""

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.keeper import spawning
from tests.whole.cluster import APPS, PYTHON, Cluster, alive, port_block, until

pytestmark = pytest.mark.real


@contextmanager
def cluster(text: str, *words: str) -> Iterator[Cluster]:
    made = Cluster(text)
    try:
        made.up(*words)
        yield made
    finally:
        made.close()


def test_a_worker_that_hangs_is_replaced_by_its_liveness() -> None:
    """SIGSTOP: it neither answers nor ends; it is killed at the end of its time, and its slot is filled."""
    first = port_block(10)
    text = f"""
    [pools.web]
    command = ["{PYTHON}", "{APPS / "server.py"}"]
    workers = 2
    ports = "{first}-{first + 9}"
    ready = {{ http = "/healthz" }}
    alive = {{ http = "/healthz", every = "100ms", timeout = "200ms", failures = 3 }}
    stop = {{ timeout = "300ms" }}
    """
    with cluster(text) as made:
        row = made.workers()[0]
        os.kill(row["pid"], signal.SIGSTOP)
        made.until_pool(lambda p: p["workers"][0]["pid"] not in (None, row["pid"]) and p["ready"] == 2, "replaced")
        exit = made.workers()[0]["last_exit"]
        assert exit["why"].startswith("3 liveness probes failed in a row"), exit
        assert exit["signal"] == "KILL"


SPINNING = """
import os, signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    asked, _ = end.accept()
    while b"/spin" in asked.recv(4096):
        while True:
            pass
    asked.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    asked.close()
"""


def test_a_worker_that_spins_is_replaced_by_its_liveness() -> None:
    """An endless loop at 100 % of a core: it answers nothing, not even the stop signal; the other one goes on."""
    first = port_block(10)
    text = f"""
    [pools.web]
    command = ["{PYTHON}", "-S", "-E", "-c", '''{SPINNING}''']
    workers = 2
    ports = "{first}-{first + 9}"
    ready = {{ http = "/" }}
    alive = {{ http = "/", every = "500ms", timeout = "500ms", failures = 5 }}
    stop = {{ timeout = "300ms" }}
    """
    with cluster(text) as made:
        spins, other = made.workers()
        host, _, port = spins["address"].rpartition(":")
        with socket.create_connection((host, int(port)), 5) as asked:
            asked.sendall(b"GET /spin HTTP/1.1\r\n\r\n")
            # Of a core that it may have to share with the whole machine; an idle one takes none.
            made.until_pool(lambda p: (p["workers"][0]["cpu_percent"] or 0) > 5, "it spins, and status shows it")
            assert made.workers()[0]["pid"] == spins["pid"]
            made.until_pool(
                lambda p: p["workers"][0]["pid"] not in (None, spins["pid"]) and p["ready"] == 2, "replaced"
            )
        exit = made.workers()[0]["last_exit"]
        assert exit["why"].startswith("5 liveness probes failed in a row"), exit
        assert exit["signal"] == "KILL"
        assert not alive(spins["pid"])
        assert made.workers()[1]["pid"] == other["pid"]


def test_a_worker_that_runs_out_of_its_memory_says_so() -> None:
    """An address space limited by its own shell: its last words are the reason, and no other worker is touched."""
    hog = "ulimit -v 200000; exec python3 -S -c 'import time; time.sleep(0.5); x = bytearray(10**9)'"
    text = f"""
    [pools.hog]
    command = ["sh", "-c", "{hog}"]
    restart = {{ give_up = "2 in 60s", backoff = "10ms" }}
    [pools.jobs]
    command = ["sleep", "1000"]
    """
    with cluster(text, "--timeout", "20s") as made:
        other = made.until_pool(lambda p: p["ready"] == 1, "jobs runs", name="jobs")["pools"][1]["workers"][0][
            "pid"
        ]
        made.until_pool(lambda p: p["workers"][0]["phase"] == "failed", "given up", name="hog")
        row = made.workers("hog")[0]
        assert any("MemoryError" in line for line in row["last_exit"]["last_lines"]), row
        assert made.workers("jobs")[0]["pid"] == other


def test_a_worker_without_output_is_a_worker() -> None:
    """It closes its stdout and stderr, and ends: no reason is invented from lines that are not there."""
    text = (
        '[pools.mute]\ncommand = ["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 7"]\nrestart = { policy = "never" }\n'
    )
    with cluster(text, "--timeout", "20s") as made:
        row = made.until_pool(lambda p: p["workers"][0]["last_exit"], "it ended", name="mute")["pools"][0][
            "workers"
        ][0]
        assert row["last_exit"]["code"] == 7
        assert row["last_exit"]["last_lines"] == []


def test_a_flood_of_output_costs_the_engine_nothing() -> None:
    """As fast as a program can write, for seconds: files stay bounded, the API answers at once, memory is flat."""
    text = """
    [pools.flood]
    command = ["sh", "-c", "yes 'a line of output that is rather long, as lines go in the logs of servers'"]
    log = { max_size = "8M", keep = 1 }
    """
    with cluster(text) as made:
        before = made.until(lambda s: s["engine"]["rss_bytes"], "the engine is measured")["engine"]["rss_bytes"]
        slowest, end = 0.0, time.monotonic() + 4
        while time.monotonic() < end:
            asked = time.monotonic()
            after = made.snapshot()["engine"]["rss_bytes"]
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.05)  # a screen's pace, ten times over
        # A rotation may have been seconds ago: what the writer makes until the next one is on top.
        files = [file.stat().st_size for file in (made.state / "logs").iterdir()]
        assert len(files) <= 3
        assert slowest < 0.5
        assert after - before < 30 << 20
        made.must("stop", "flood")


def test_two_hundred_crash_loops_leave_the_api_quick_and_the_processor_free() -> None:
    """Backing off: in the end few start a second, and nobody waits for an answer."""
    text = """
    [pools.bad]
    command = ["false"]
    workers = 200
    restart = { backoff = "200ms", backoff_max = "5s", give_up = "100000 in 60s" }
    """
    with cluster(text, "--timeout", "20s") as made:
        made.until_pool(lambda p: sum(row["restarts"] for row in p["workers"]) > 400, "all crash", name="bad")
        times = []
        for _ in range(50):
            asked = time.monotonic()
            made.snapshot()
            times.append(time.monotonic() - asked)
            time.sleep(0.02)  # spread over what happens meanwhile
        assert statistics.median(times) < 0.05, sorted(times)
        used = cpu_of(made)
        began = time.monotonic()
        made.until(lambda _: time.monotonic() - began > 3, "some seconds of it")
        share = (cpu_of(made) - used) / (time.monotonic() - began)
        assert share < 0.9, f"{share:.2f} of a core for engine and keeper"


def cpu_of(made: Cluster) -> float:
    """Seconds of processor that engine and keeper have used, the dead children of the keeper apart."""
    engine = made.snapshot()["engine"]
    used = 0.0
    for pid in (engine["pid"], engine["keeper_pid"]):
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def test_removed_socket_files_are_made_again() -> None:
    """A cleaner took them: the workers stay, and soon the cluster can be asked again."""
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\n') as made:
        pid = made.workers("jobs")[0]["pid"]
        for name in ("clusterctl.sock", "notify.sock"):
            (made.state / name).unlink()
        assert made.verb("status").code == 3
        made.until(lambda s: s["pools"][0]["workers"][0]["pid"] == pid, "it answers again, with the same worker")
        assert (made.state / "notify.sock").exists()
        made.must("restart", "jobs.0")


def test_a_removed_state_directory_is_made_again() -> None:
    """The workers stay, the cluster can be asked again and taken down, and deaths are noticed as before."""
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\n') as made:
        pid = made.workers("jobs")[0]["pid"]
        shutil.rmtree(made.state)
        made.until(lambda s: s["pools"][0]["workers"][0]["pid"] == pid, "it answers again, with the same worker")
        os.kill(pid, signal.SIGKILL)
        made.until(lambda s: s["pools"][0]["workers"][0]["pid"] not in (None, pid), "it still hears of deaths")
        assert made.verb("up").code == 5


def test_the_keeper_of_a_removed_state_directory_ends_when_another_has_taken_its_place() -> None:
    """The other finds the first one's workers by their mark, and has them; what it cannot know of goes."""
    bare = '[pools.bare]\ncommand = ["env", "-i", "sleep", "1000"]\n'
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\n' + bare) as made:
        first, pid, unmarked = made.snapshot()["engine"], *(made.workers(n)[0]["pid"] for n in ("jobs", "bare"))
        shutil.rmtree(made.state)
        made.up()
        until(lambda: not any(map(alive, (first["keeper_pid"], first["pid"], unmarked))), "the first one is gone")
        made.until_pool(lambda p: p["ready"] == 1, "it serves", name="bare")
        assert made.workers("jobs")[0]["pid"] == pid


def test_a_thousand_clients_that_never_read() -> None:
    """They follow everything and take nothing: the engine's memory is bounded, and others are answered."""
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\nworkers = 2\n') as made:
        before = made.until(lambda s: s["engine"]["rss_bytes"], "the engine is measured")["engine"]["rss_bytes"]
        with contextlib.ExitStack() as stack:
            for _ in range(1000):
                link = stack.enter_context(socket.socket(socket.AF_UNIX))
                link.settimeout(10)
                link.connect(str(made.state / "clusterctl.sock"))
                link.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(3):
                made.must("restart", "jobs.0")
            asked = time.monotonic()
            after = made.snapshot()["engine"]["rss_bytes"]
            assert time.monotonic() - asked < 1.0
            assert after - before < 200 << 20
        until(lambda: made.verb("status").code == 0, "all is well after they left")


def test_a_process_table_that_is_full_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """fork says EAGAIN (ulimit -u): the words, and no descriptor lost."""

    def full() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    order = spawning.Order(argv=["true"], cwd="/", env={}, log="/dev/null", fds=[], listen=[])
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(spawning.Cannot, match="too many processes"):
        spawning.fork(order)
    assert len(os.listdir("/proc/self/fd")) == before


def test_orphans_of_strangers_are_reaped() -> None:
    """What a keeper as pid 1 would get of them: one that bears no mark of ours ends, and no zombie stays."""
    orphan = "setsid env -i sleep 0.3 & sleep 1000"
    with cluster(f'[pools.jobs]\ncommand = ["sh", "-c", "{orphan}"]\n') as made:
        keeper = made.snapshot()["engine"]["keeper_pid"]

        def children() -> list[str]:
            with open(f"/proc/{keeper}/task/{keeper}/children") as file:
                pids = file.read().split()
            found = []
            for pid in pids:
                with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
                    found.append(file.read().rpartition(")")[2].split()[0])
            return found

        os.kill(made.workers("jobs")[0]["pid"], signal.SIGKILL)
        made.until_pool(lambda p: p["workers"][0]["restarts"] == 1 and p["ready"] == 1, "replaced", name="jobs")
        until(lambda: "Z" not in children() and len(children()) == 2, "the engine and one worker, nobody else")


def test_down_goes_on_though_the_engine_is_killed_over_it() -> None:
    """Its successor takes the cluster down to the end: nothing is started again."""
    slow = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done"
    with cluster(f'[pools.jobs]\ncommand = ["sh", "-c", "{slow}"]\nworkers = 2\n') as made:
        engine = made.snapshot()["engine"]
        made.must("down", "--no-wait")
        made.until_pool(lambda p: all(row["phase"] == "stopping" for row in p["workers"]), "stopping", name="jobs")
        os.kill(engine["pid"], signal.SIGKILL)
        until(lambda: not alive(engine["keeper_pid"]), "the keeper's end")
        assert made.settled_processes() == {}


def test_a_down_whose_keeper_is_killed_over_it_does_not_say_that_all_is_down_before_it_is() -> None:
    """Another keeper ends what is left."""
    slow = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done"
    with cluster(f'[pools.jobs]\ncommand = ["sh", "-c", "{slow}"]\nworkers = 2\n') as made:
        workers, keeper = [row["pid"] for row in made.workers("jobs")], made.snapshot()["engine"]["keeper_pid"]
        command = [PYTHON, "-m", "dashboard", "down", "--timeout", "30s", "-c", str(made.config)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as down:
            made.until_pool(lambda p: p["workers"][0]["phase"] == "stopping", "stopping", name="jobs")
            os.kill(keeper, signal.SIGKILL)
            out, err = down.communicate(timeout=40)
        assert down.returncode == 0, err
        assert "2 workers still run, unsupervised" in err
        assert out.endswith("is down\n")
        assert not any(map(alive, workers))


def test_a_stopped_keeper_is_said_and_down_has_it_go_on() -> None:
    """SIGSTOP: no end is noticed and no engine started; what shows it is a warning, then words, then an end."""
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\nworkers = 2\n') as made:
        running = made.snapshot()["engine"]
        os.kill(running["keeper_pid"], signal.SIGSTOP)
        said = f"`kill -CONT {running['keeper_pid']}`: the keeper is stopped"
        made.until(lambda s: any(warning.startswith(said) for warning in s["warnings"]), "the warning")
        assert made.verb("scale", "jobs=3", "--timeout", "500ms").code == 6
        os.kill(running["pid"], signal.SIGKILL)
        ran = made.verb("down", "--timeout", "30s", timeout=60)
        assert f"its keeper (pid {running['keeper_pid']}) is stopped, by Ctrl-Z or SIGSTOP" in ran.err
        assert ran.code == 0, ran
        assert not alive(running["keeper_pid"])


def test_the_read_only_socket_shows_and_refuses() -> None:
    """By verbs, as a member of the group would use it."""
    with tempfile.TemporaryDirectory(prefix="look-") as place:
        path = f"{place}/look.sock"
        text = f'read_only_socket = "{path}"\n[pools.jobs]\ncommand = ["sleep", "1000"]\n'
        with cluster(text) as made:
            look = [PYTHON, "-m", "dashboard"]
            until(lambda: os.path.exists(path), "the socket")
            said = subprocess.run([*look, "status", "--socket", path], capture_output=True, text=True, check=True)
            assert "jobs.0" in said.stdout
            asked = [*look, "scale", "jobs=3", "--socket", path]
            refused = subprocess.run(asked, capture_output=True, text=True, check=False)
            assert refused.returncode == 5
            assert "this socket is for looking alone" in refused.stderr
            assert made.pool("jobs")["desired"] == 1
        assert not os.path.exists(path)


def test_a_follower_of_events_misses_nothing_over_killed_engines_and_another_keeper() -> None:
    """`events -f` goes on by itself, number after number."""
    with cluster('[pools.jobs]\ncommand = ["sleep", "1000"]\n') as made:
        command = [PYTHON, "-m", "dashboard", "events", "-f", "--json", "-c", str(made.config)]
        seen, said = made.root / "seen", made.root / "said"
        with seen.open("wb") as file, said.open("wb") as words:
            follower = subprocess.Popen(command, stdout=file, stderr=words)
        try:
            until(lambda: len(numbers_in(seen)) > 3, "the follower follows")
            for _ in range(3):
                os.kill(made.snapshot()["engine"]["pid"], signal.SIGKILL)
                made.must("restart", "jobs.0")
            made.must("down", "--keep-workers")
            until(lambda: "nobody listens on" in said.read_text(), "it waits")
            made.up()
            last = made.events()[-1]["number"]
            until(lambda: numbers_in(seen)[-1] >= last, "the last event")
        finally:
            follower.kill()
            follower.wait()
        numbers = numbers_in(seen)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


def numbers_in(path: Path) -> list[int]:
    """Of the whole lines that were written so far."""
    return [json.loads(line)["number"] for line in path.read_text().split("\n")[:-1]]
