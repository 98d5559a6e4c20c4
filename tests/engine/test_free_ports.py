"""A port is free when nobody listens on it, at whatever address of this machine."""

import socket

import pytest

from supervisor.engine.loop import port_is_free

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")]
)
def test_a_port_that_somebody_listens_on_at_any_address_is_not_free(
    family: socket.AddressFamily, host: str
) -> None:
    with socket.socket(family) as taken:
        try:
            taken.bind((host, 0))
        except OSError:
            assert family is socket.AF_INET6, "a machine without IPv6 has nobody listening there"
            return
        taken.listen(1)
        port = taken.getsockname()[1]
        assert not port_is_free(port)
    assert port_is_free(port)
