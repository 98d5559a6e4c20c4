"""Commands that cannot work: each is said in the operator's words, and nothing of it is left."""

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.whole.cluster import PYTHON, SERVER, Cluster, Json, cluster, port_block, until

pytestmark = pytest.mark.real

QUICK = 'restart = { give_up = "2 in 60s", backoff = "0.1s" }'


def pool(command: str, extra: str = QUICK) -> str:
    return f"\n[pools.web]\ncommand = {command}\n{extra}\n"


def until_failed(made: Cluster) -> Json:
    made.until_pool(lambda p: p["workers"][0]["phase"] == "failed", "the slot is given up")
    row: Json = made.workers()[0]
    return row


@pytest.mark.parametrize(
    ("command", "extra", "said"),
    [
        ('["/nonexistent/program"]', "", "no such program: /nonexistent/program"),
        ('["no-such-program-anywhere"]', "", "no such program: no-such-program-anywhere"),
        ('["{root}/plain.txt"]', "", "permission denied"),
        ('["{root}/script.sh"]', "", "interpreter"),
        ('["sleep", "1"]', 'cwd = "{root}/nowhere"', "no such directory"),
        ('["sleep", "1"]', "limits = {{ nofile = 1073741823 }}", "open files"),
    ],
    ids=["program", "program on PATH", "permission", "interpreter", "directory", "limit"],
)
def test_a_worker_that_cannot_start_says_why(command: str, extra: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("not a program\n")
    (tmp_path / "script.sh").write_text("#!/no/such/interpreter\n")
    os.chmod(tmp_path / "script.sh", stat.S_IRWXU)
    text = pool(command.format(root=tmp_path), QUICK + "\n" + extra.format(root=tmp_path))
    with cluster(text, up=False) as made:
        ran = made.verb("up", "--detach", "--wait", "--timeout", "20s")
        if ran.code == 2:
            assert said in ran.err, "refused by the check already"
            made.configure("")
            return
        row = until_failed(made)
        assert said in row["why"] + str(row["last_exit"]), row
        assert ran.code == 1, ran
        assert said in ran.err, ran


def test_a_command_that_exits_at_once_backs_off_and_is_given_up() -> None:
    script = "import sys; print('no such database: shop'); sys.exit(3)"
    ready = f'{QUICK}\nready = {{ log = "^never" }}'
    with cluster(pool(f'["{PYTHON}", "-c", "{script}"]', ready), up=False) as made:
        ran = made.verb("up", "--detach", "--wait")
        assert ran.code == 1
        assert "exit code 3" in ran.err
        row = until_failed(made)
        assert "exit code 3" in row["why"]
        assert row["last_exit"]["code"] == 3
        assert row["last_exit"]["last_lines"] == ["no such database: shop"]
        made.configure(pool(f'["{PYTHON}", "-c", "{script}"]', ready.replace("0.1s", "0.2s")))
        reloaded = made.verb("reload")
        assert "given up before: web.0" in reloaded.out + reloaded.err, "as configured, but not well"
        made.must("start", "web", "--no-wait")
        made.until_pool(lambda p: p["workers"][0]["restarts"] > row["restarts"], "tried again when asked to")


def test_a_command_that_segfaults_names_its_signal() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    with cluster(pool(f'["{PYTHON}", "-c", "{script}"]'), up=False) as made:
        made.must("up", "--detach")
        row = until_failed(made)
        assert row["last_exit"]["signal"] == "SEGV"


def test_a_pool_whose_ports_are_taken_says_so() -> None:
    first = port_block(2)
    with socket.create_server(("127.0.0.1", first)), socket.create_server(("127.0.0.1", first + 1)):
        text = pool(SERVER, f'{QUICK}\nports = "{first}-{first + 1}"')
        with cluster(text, up=False) as made:
            made.must("up", "--detach")
            said = f"no free port in {first}-{first + 1}: all are used, or taken by others (`ss -ltnp` names them)"
            assert said in until_failed(made)["why"]


def test_waiting_for_a_program_that_is_not_there_ends_long_before_it_is_given_up() -> None:
    with cluster(pool('["no-such-program-anywhere"]', ""), up=False) as made:
        ran = made.verb("up", "--detach", "--wait", "--timeout", "60s", timeout=30)
        assert ran.code == 1, ran
        assert "web.0 cannot be started: no such program: no-such-program-anywhere" in ran.err
        assert made.workers()[0]["phase"] == "backing-off", "it is still tried again"


def test_a_taken_shared_socket_says_so_and_comes_up_when_it_is_free() -> None:
    port = port_block(1)
    text = pool(f'["{PYTHON}", "{SERVER.split(chr(34))[3]}"]', f'listen = "127.0.0.1:{port}"\n{QUICK}')
    with socket.create_server(("127.0.0.1", port)) as taken, cluster(text, up=False) as made:
        ran = made.verb("up", "--detach", "--wait", "--timeout", "60s", timeout=40)
        assert ran.code == 1, ran
        assert f"web: address already in use: 127.0.0.1:{port}, held by pid" in ran.err
        made.until_pool(lambda p: "in use" in (p["why"] or ""), "it says that the address is in use")
        taken.close()
        made.until_pool(lambda p: p["ready"] == 1, "it is up as soon as the address is free")


def test_an_embedded_proxy_does_not_share_its_port_with_another_that_would_take_half_of_the_requests() -> None:
    """HAProxy binds with SO_REUSEPORT: two clusters on one address would both seem well."""
    first = port_block(6)
    text = pool(
        SERVER,
        f'{QUICK}\nports = "{first + 1}-{first + 5}"\nready = {{ http = "/healthz" }}\n'
        f'traffic = {{ proxy = "lb", upstream = "web" }}\n[proxies.lb]\nbind = "127.0.0.1:{first}"\n',
    )
    with socket.socket() as other, cluster(text, up=False) as made:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", first))
        other.listen()
        ran = made.verb("up", "--detach", "--wait", "--timeout", "60s", timeout=50)
        assert ran.code == 1, ran
        assert f"proxy lb: address already in use: 127.0.0.1:{first}, held by pid {os.getpid()}" in ran.err
        other.close()
        made.until_pool(lambda p: p["ready"] == 1, "it serves as soon as the address is free")


def test_a_worker_that_is_never_ready_has_failed() -> None:
    first = port_block(4)
    extra = f'{QUICK}\nports = "{first}-{first + 3}"\nenv = {{ BREAK = "never-ready" }}\n'
    with cluster(pool(SERVER, extra + 'ready = { http = "/healthz", timeout = "1s" }'), up=False) as made:
        made.must("up", "--detach")
        row = until_failed(made)
        assert "503" in row["why"], "it says what the probe was told"


def test_a_start_that_hangs_is_given_up_and_does_not_keep_the_cluster_from_ending() -> None:
    """Its log is a FIFO that nobody reads: a file server that is dead looks like this."""
    first = port_block(4)
    ready = 'ready = { http = "/healthz", timeout = "0.5s" }\nstop = { timeout = "0.5s" }'
    with cluster(pool(SERVER, f'{QUICK}\nports = "{first}-{first + 3}"\n{ready}'), up=False) as made:
        (made.state / "logs").mkdir(mode=0o700, parents=True)
        made.state.chmod(0o700)
        os.mkfifo(made.state / "logs" / "web.0.log")
        made.must("up", "--detach")
        assert "not started within 0.5 s" in until_failed(made)["why"]


def test_a_worker_that_ignores_term_is_killed_in_time() -> None:
    first = port_block(4)
    extra = f'ports = "{first}-{first + 3}"\nenv = {{ BREAK = "ignore-term" }}\nstop = {{ timeout = "1s" }}\n'
    with cluster(pool(SERVER, extra + 'ready = { http = "/healthz" }')) as made:
        pid = made.workers()[0]["pid"]
        made.must("stop", "web")
        assert not Path(f"/proc/{pid}").exists()
        assert made.workers()[0]["last_exit"]["signal"] == "KILL"


def test_grandchildren_that_ignore_term_are_killed_with_their_worker() -> None:
    """One stays in the worker's group, the other has a session of its own."""
    first = port_block(4)
    extra = f'ports = "{first}-{first + 3}"\nenv = {{ BREAK = "grandchild" }}\nstop = {{ timeout = "1s" }}\n'
    with cluster(pool(SERVER, extra + 'ready = { http = "/healthz" }')) as made:
        assert sum("time.sleep(600)" in line for line in made.processes().values()) == 2
        made.must("stop", "web")
        until(
            lambda: not any("time.sleep(600)" in line for line in made.processes().values()),
            "no grandchild is left",
            5,
        )


def test_a_worker_above_its_memory_limit_is_replaced_gracefully() -> None:
    first = port_block(6)
    extra = f'ports = "{first}-{first + 5}"\nlimits = {{ memory = "100M" }}\n'
    with cluster(pool(SERVER, extra + 'ready = { http = "/healthz" }')) as made:
        row = made.workers()[0]
        with socket.create_connection(("127.0.0.1", int(row["address"].rpartition(":")[2]))) as link:
            link.sendall(b"GET /leak?mb=150 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert link.recv(1000).startswith(b"HTTP/1.1 200")
        made.until_pool(lambda p: p["ready"] == 1 and p["workers"][0]["pid"] != row["pid"], "replaced")
        told = " ".join(e["text"] for e in made.events())
        assert "memory" in told
        assert made.workers()[0]["last_exit"]["code"] == 0, "it ended gracefully"


def test_hostile_output_is_shown_harmlessly() -> None:
    first = port_block(4)
    extra = f'ports = "{first}-{first + 3}"\nenv = {{ BREAK = "hostile" }}\n'
    with cluster(pool(SERVER, extra + 'ready = { http = "/healthz" }')) as made:
        shown = made.must("logs", "web")
        assert "[red]bold[/red] markup" in shown
        assert "宽 wide" in shown
        assert not any(ord(c) < 0x20 and c != "\n" for c in shown), "no control reaches the terminal"
        assert not any("\x7f" <= c <= "\x9f" or c in "\u202e\u2028" for c in shown)
        assert max(map(len, shown.splitlines())) < 2_100
        raw = Path(made.state / "logs" / "web.0.log").read_bytes()
        assert b"x" * 10_000 in raw, "the file itself has every byte"


def test_hostile_last_words_are_harmless_wherever_they_are_repeated() -> None:
    """In status, events, the batch screen and the JSON's readers: no control leaves us, and no markup is obeyed."""
    words = "bytes([27]) + b']0;x' + bytes([7]) + b'[red];shutdown' + bytes([155, 10])"
    script = f"import os, sys; os.write(1, {words}); sys.exit(4)"
    ready = f'{QUICK}\nready = {{ log = "^never" }}\nenv = {{ "NAME" = "[red]\\u001b]0;x\\u0007" }}'
    with cluster(pool(f'["{PYTHON}", "-c", "{script}", "[blink]\\u001b[2J"]', ready), up=False) as made:
        made.must("up", "--detach")
        until_failed(made)
        for verb in (("status",), ("events",), ("top", "--batch", "-n", "1"), ("logs", "web")):
            shown = made.must(*verb)
            assert "[red];shutdown" in shown, verb
            assert not any(ord(c) < 0x20 and c != "\n" for c in shown), verb
            assert not any("\x7f" <= c <= "\x9f" for c in shown), verb
