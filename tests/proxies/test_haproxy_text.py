"""What may enter a command, how commands are written, and which replies are refusals."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.model.spec import CheckSpec
from supervisor.proxies import haproxy_text as text

HOSTILE = st.one_of(
    st.text(max_size=220),
    st.sampled_from(
        ["web;shutdown", "web\n", "\nweb", "a/b", "<<", "a b", "web\\;x", "web\x00", "wéb", "", "x" * 201]
    ),
    st.text(alphabet="ab.0:;\n\\ /<", max_size=20),
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_text_from_outside_can_end_a_command_or_begin_another(upstream: str, server: str, at: str) -> None:
    writers: tuple[Callable[[], str], ...] = (
        lambda: text.set_rotation(upstream, server, Rotation.MAINT),
        lambda: text.add_server(upstream, server, at, CheckSpec(), mark=7, cookie=True),
        lambda: text.set_address(upstream, server, at),
        lambda: text.enable_health(upstream, server),
        lambda: text.delete_server(upstream, server),
        lambda: text.questions(upstream, number=3, rights=False).replace(";", " "),
    )
    for write in writers:
        try:
            command = write()
        except ProxyRefused:
            continue
        assert text.NAME.fullmatch(upstream)
        assert not re.search(r"[;\n\r\\<\x00]", command)


@pytest.mark.parametrize(
    ("given_address", "expected"),
    [
        ("127.0.0.1:9001", ("127.0.0.1", 9001)),
        ("[::1]:9001", ("::1", 9001)),
        ("[2001:db8::2]:1", ("2001:db8::2", 1)),
    ],
)
def test_an_address_is_ip_and_port(given_address: str, expected: tuple[str, int]) -> None:
    assert text.address(given_address) == expected
    assert text.joined(*expected) == given_address


@pytest.mark.parametrize(
    "bad",
    [
        *("localhost:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80", "/run/x.sock"),
        *("127.0.0.1:80;x", "127.0.0.1:80\n", "[fe80::1%eth0]:80", "127.0.0.1:+80", "127.0.0.1:٣"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(bad: str) -> None:
    with pytest.raises(ProxyRefused, match="IP:PORT"):
        text.address(bad)


def test_an_added_server_is_told_everything_since_it_inherits_nothing() -> None:
    assert (
        text.add_server("web", "web.0", "127.0.0.1:9001", CheckSpec(every=0.5), mark=1_900_000_001, cookie=True)
        == "add server web/web.0 127.0.0.1:9001 id 1900000001 cookie web.0 check inter 500ms fall 2 rise 1"
    )


def test_a_server_that_workers_share_keeps_no_idle_connection_for_one_to_close_under_a_request() -> None:
    words = text.add_server("web", "web", "127.0.0.1:8000", CheckSpec(), mark=None, cookie=False, shared=True)
    assert " pool-max-conn 0 " in words


@pytest.mark.parametrize(
    ("command", "reply", "why"),
    [
        ("set server a/b state maint", "\n", None),
        ("set server a/b state maint", "No such server.\n\n", "No such server."),
        ("set server a/b state maint", "Permission denied\n\n", "Permission denied"),
        ("add server a/b 1.1.1.1:1", "New server registered.\n\n", None),
        ("add server a/b 1.1.1.1:1", "Ignoring cookie as HTTP mode is disabled.\nNew server registered.\n\n", None),
        ("add server a/b 1.1.1.1:1", "'cookie' option is not accepted", "'cookie' option is not accepted"),
        ("del server a/b", "Server deleted.\n", None),
        ("del server a/b", "", "no answer"),
        ("del server a/b", "Server still has connections attached to it, cannot remove it.\n", "Server still"),
        ("set server a/b addr 1.1.1.1 port 1", "port changed from '2' to '1' by 'stats socket command'\n\n", None),
        ("set server a/b addr 1.1.1.1 port 1", "Invalid addr format.\n", "Invalid addr format."),
        ("enable health a/b", "\n", None),
    ],
)
def test_a_reply_is_success_or_a_refusal_in_haproxys_words(command: str, reply: str, why: str | None) -> None:
    found = text.refusal(command, reply)
    assert (found is None) if why is None else (found or "").startswith(why)
