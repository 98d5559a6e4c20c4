"""The embedded HAProxy's configuration as text, and what may not stand in it."""

import pytest

from supervisor.model.backends import Member, Want
from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.model.spec import CheckSpec, ProxySpec
from supervisor.proxies.embedded_text import frame, render, state_for

A, B = "127.0.0.1:9001", "[::1]:9002"
HEADER = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord"
)


def want(*members: tuple[str, str, Rotation], http: str | None = "/healthz") -> Want:
    made = tuple(Member(name=n, address=a, rotation=r, check_http=http) for n, a, r in members)
    return Want(upstream="web", members=made)


BOTH = want(("web.0", A, Rotation.READY), ("web.0", B, Rotation.MAINT))


def test_members_are_written_with_their_checks_and_their_rotation() -> None:
    text = render(ProxySpec(name="edge", bind="0.0.0.0:8080"), [BOTH], "/run/x")
    assert "    bind 0.0.0.0:8080\n" in text
    assert "    default_backend web\n" in text
    assert "    option httpchk GET /healthz\n" in text
    assert "    server web.0 127.0.0.1:9001 check inter 1000ms fall 2 rise 1\n" in text
    assert "    server web.0:2 [::1]:9002 check inter 1000ms fall 2 rise 1 disabled\n" in text


def test_a_check_calls_the_site_by_its_name() -> None:
    members = tuple(
        Member(name=f"web.{n}", address=f"127.0.0.1:{n}", check_http="/", check_host="shop.example") for n in (1, 2)
    )
    text = render(ProxySpec(name="e", bind="127.0.0.1:1"), [Want(upstream="web", members=members)], "/run/x")
    assert "    option httpchk GET /\n    http-check send hdr Host shop.example\n    http-check expect" in text


def test_cookie_tls_and_balance_by_address_are_written() -> None:
    spec = ProxySpec(name="e", bind="[::]:8443", balance="source", cookie="SRV", tls="/etc/tls/a.pem")
    text = render(spec, [BOTH], "/run/x")
    assert "    bind [::]:8443 ssl crt /etc/tls/a.pem alpn h2,http/1.1\n" in text
    assert "    balance source\n    log global\n    hash-type consistent\n" in text
    assert "    cookie SRV insert indirect nocache\n" in text
    assert "    server web.0 127.0.0.1:9001 cookie web.0 check" in text


def test_members_alone_are_no_reason_to_reload_and_the_rest_is() -> None:
    spec = ProxySpec(name="e", bind="127.0.0.1:1")
    none = render(spec, [want(("web.5", "127.0.0.1:9", Rotation.READY))], "/run/x")
    assert frame(render(spec, [BOTH], "/run/x")) == frame(none)
    other = ProxySpec(name="e", bind="127.0.0.1:1", balance="leastconn")
    assert frame(render(other, [BOTH], "/run/x")) != frame(none)


@pytest.mark.parametrize(
    "bad", ["a b", "a\nlisten x", "#", "a#b", '"', "'", "a\\b", "$HOME", "\u202e", "é", "\x00"]
)
def test_nothing_that_ends_a_word_or_a_line_gets_in(bad: str) -> None:
    good = ProxySpec(name="e", bind="127.0.0.1:1")
    tries = [
        (ProxySpec(name=bad, bind="127.0.0.1:1"), BOTH, "/run/x"),
        (ProxySpec(name="e", bind=f"{bad}:1"), BOTH, "/run/x"),
        (ProxySpec(name="e", bind="127.0.0.1:1", tls=f"/x/{bad}"), BOTH, "/run/x"),
        (ProxySpec(name="e", bind="127.0.0.1:1", cookie=bad), BOTH, "/run/x"),
        (ProxySpec(name="e", bind="127.0.0.1:1", check=CheckSpec(http=f"/{bad}")), BOTH, "/run/x"),
        (good, BOTH, f"/run/{bad}"),
        (good, Want(upstream=bad), "/run/x"),
        (good, want((bad, A, Rotation.READY)), "/run/x"),
        (good, want(("web.0", f"{bad}:1", Rotation.READY)), "/run/x"),
        (good, want(("web.0", A, Rotation.READY), http=f"/{bad}"), "/run/x"),
        (
            good,
            Want(upstream="web", members=(Member(name="a", address=A, check_http="/", check_host=bad),)),
            "/run/x",
        ),
    ]
    for spec, wanted, runtime in tries:
        with pytest.raises(ProxyRefused):
            render(spec, [wanted], runtime)


def test_a_directory_too_deep_for_a_socket_is_said_before_haproxy_fails() -> None:
    with pytest.raises(ProxyRefused, match="90 bytes"):
        render(ProxySpec(name="e", bind="127.0.0.1:1"), [BOTH], "/run/" + "x" * 90)


def test_a_saved_state_follows_the_address_when_the_name_has_changed() -> None:
    """web.0 is gone and its successor, added as web.0:2, is web.0 in the configuration: the maint stays behind."""
    config = render(ProxySpec(name="e", bind="127.0.0.1:1"), [want(("web.0", B, Rotation.READY))], "/run/x")
    tail = "1 1 9 15 3 4 6 0 0 0 -"
    saved = f"1\n{HEADER}\n3 web 1 web.0 127.0.0.1 2 1 {tail} 9001 -\n3 web 2 web.0:2 ::1 2 0 {tail} 9002 -\n\n"
    assert state_for(config, saved) == f"1\n{HEADER}\n3 web 2 web.0 ::1 2 0 {tail} 9002 -\n"
