"""A whole file: what it becomes, where its relative paths point, and what happens to one that is damaged."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.model.errors import BadConfig
from supervisor.settings.reading import read

VALID = Path(__file__).parent / "valid"


def test_the_contract_s_example_becomes_what_it_says() -> None:
    spec = read(str(VALID / "contract.toml"), {"HOME": "/home/ada"}, root=False, cpus=2)
    web = spec.pools[0]
    assert spec.state_dir == "/home/ada/.local/state/clusterctl/shop"
    assert (web.command, web.workers, web.ports) == (("node", "server.js"), 4, (9001, 9099))
    assert (web.restart.give_up, web.restart.give_up_window) == (10, 60.0)
    assert web.limits.memory == 512 * 1024 * 1024
    assert [proxy.embedded for proxy in spec.proxies] == [False, True]


def test_relative_paths_are_seen_from_the_file_and_not_from_where_we_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    relative = os.path.relpath(VALID / "everything.toml", "/")
    spec = read(relative, {}, root=True, cpus=3)
    assert spec.state_dir == str(VALID / "state")
    assert spec.pools[0].cwd == str(VALID / "app")
    assert spec.pools[1].listen == str(VALID / "run" / "shared.sock")
    assert spec.source == str(VALID / "everything.toml")


def test_cores_means_the_processors_that_we_were_told() -> None:
    assert read(str(VALID / "everything.toml"), {}, root=True, cpus=3).pools[0].workers == 3


def test_an_embedded_proxy_checks_what_its_pool_s_readiness_asks(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        '[cluster]\nname = "x"\n[pools.web]\ncommand = ["run"]\nports = "9001-9009"\nready.http = "/up"\n'
        'traffic = { proxy = "edge", upstream = "web" }\n[proxies.edge]\nbind = "127.0.0.1:8080"\n'
    )
    assert read(str(file), {}, root=False, cpus=1).proxies[0].check.http == "/up"


def test_a_pem_file_must_hold_certificate_and_key(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    (tmp_path / "site.pem").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    file.write_text(
        '[cluster]\nname = "x"\n[pools.web]\ncommand = ["run"]\nports = "9001-9009"\n'
        'traffic = { proxy = "edge", upstream = "web" }\n'
        '[proxies.edge]\nbind = "127.0.0.1:8080"\ntls = "site.pem"\n'
    )
    with pytest.raises(BadConfig, match="holds no private key"):
        read(str(file), {}, root=False, cpus=1)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfig, match=r"cannot be read: (no such file|is a directory)"):
        read(str(tmp_path / name), {}, root=False, cpus=1)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 1500), junk=st.binary(max_size=6), cut=st.booleans())
def test_a_damaged_file_is_read_or_refused_and_never_a_crash(
    tmp_path: Path, position: int, junk: bytes, cut: bool
) -> None:
    whole = (VALID / "everything.toml").read_bytes()
    file = tmp_path / "damaged.toml"
    file.write_bytes(whole[:position] + junk + (b"" if cut else whole[position + len(junk) :]))
    with contextlib.suppress(BadConfig):
        assert read(str(file), {}, root=False, cpus=1).name
