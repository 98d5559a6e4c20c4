"""Single words of the configuration: what each may be, and what it becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.settings import commands, values
from supervisor.settings.lines import line_of, lines_of_keys


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("60s", 60), ("5m", 300), ("500ms", 0.5), ("0.5s", 0.5), ("1h", 3600), ("1d", 86400), (3, 3), (0.25, 0.25)],
)
def test_durations(written: object, seconds: float) -> None:
    assert values.duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "s", "5", "-5s", "0s", 0, -1, True, None, "5 s s", float("nan"), float("inf")]
)
def test_not_durations(written: object) -> None:
    with pytest.raises(ValueError, match="a duration above 0"):
        values.duration(written)


@pytest.mark.parametrize(
    ("written", "count"), [("512M", 512 << 20), ("1G", 1 << 30), ("1.5g", 3 << 29), ("64KiB", 65536), (4096, 4096)]
)
def test_sizes(written: object, count: int) -> None:
    assert values.size(1)(written) == count


@pytest.mark.parametrize("written", ["9001-9099", "9001 - 9099"])
def test_ports(written: object) -> None:
    assert values.ports(written) == (9001, 9099)


@pytest.mark.parametrize("written", ["0-5", "1-65536", "a-b", "9-8", "9001-", 0, True, 65536])
def test_not_ports(written: object) -> None:
    with pytest.raises(ValueError, match="port"):
        values.ports(written)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("localhost:80", "127.0.0.1:80"),
        ("[::1]:8000", "[::1]:8000"),
        ("0.0.0.0:1", "0.0.0.0:1"),
    ],
)
def test_addresses(written: str, address: str) -> None:
    assert values.host_port(written) == address


@pytest.mark.parametrize(
    "written",
    ["8000", ":8000", "*:8000", "::1:80", "1.2.3.4:0", "1.2.3.4:65536", "a.b:1", "[1.2.3.4]:5", "1.2.3.4:٣"],
)
def test_not_addresses(written: str) -> None:
    with pytest.raises(ValueError, match="IP:PORT"):
        values.host_port(written)


@given(st.text())
def test_an_upstream_s_name_never_ends_a_command_of_the_proxy(written: str) -> None:
    try:
        values.upstream(written)
    except ValueError:
        return
    assert not set(written) & set(" ;\n\r\t\\\"'#/")


@given(st.text())
def test_a_path_that_is_asked_for_is_one_word_of_a_request(written: str) -> None:
    try:
        values.http_path("/" + written)
    except ValueError:
        return
    assert written.isascii()
    assert not set(written) & set(" \n\r\t\\\"'#\x00\x7f")


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ("node server.js", ("node", "server.js")),
        ("""python -c 'import x; print("$y" | 2)'""", ("python", "-c", 'import x; print("$y" | 2)')),
        ("""run --match='^a$b'""", ("run", "--match=^a$b")),
        ("""python -c "a; b > c" """, ("python", "-c", "a; b > c")),
        (["sh", "-c", "a | b"], ("sh", "-c", "a | b")),
    ],
)
def test_commands(written: object, argv: tuple[str, ...]) -> None:
    assert commands.argv(written) == argv


@pytest.mark.parametrize("line", ["a | b", "a && b", "a; b", "a & ", "a >f", "a < f", "a 2>&1", "a $B", 'a "$B"'])
def test_a_string_that_wants_a_shell_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no shell is run"):
        commands.argv(line)


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("{port}", True),
        ("--port={port}", True),
        ("0.0.0.0:{port}", True),
        ("const {port} = env", False),
        ("${port}", False),
    ],
)
def test_where_a_port_is_meant(word: str, asked: bool) -> None:
    assert commands.asks_for(("run", word), "port") is asked


def test_lines_are_found_in_sections_inline_tables_and_dotted_keys() -> None:
    found = lines_of_keys('[a]\nb.c = 1\n\n[x."y z"] # why\nq = { r = 1 }\n')
    assert line_of(found, "a.b.c") == 2
    assert line_of(found, "x.y z.q.r") == 5
    assert line_of(found, "x.y z.missing") == 4
    assert line_of(found, "nowhere.at.all") is None
