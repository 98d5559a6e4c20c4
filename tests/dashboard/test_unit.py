"""The systemd unit: what it says, that systemd understands it, and what it does at a stop and at a restart."""

import os
import shutil
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from dashboard import unit
from dashboard.finding import Place


def place(state: str = "/var/lib/clusterctl/shop", config: str = "/etc/clusterctl/shop.toml") -> Place:
    return Place(config, "shop", state, f"{state}/clusterctl.sock")


def settings(text: str) -> dict[str, str]:
    lines = (line for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def test_one_workers_end_and_a_restart_of_the_unit_take_no_other_worker() -> None:
    said = settings(unit.rendered(place(), user=False))
    assert said["Type"] == "notify"
    assert said["NotifyAccess"] == "main"
    assert said["KillMode"] == "process"
    assert said["OOMPolicy"] == "continue"
    assert said["RestartPreventExitStatus"] == "2 5"
    assert "--stop %n" in said["ExecStop"]
    assert float(said["WatchdogSec"]) > 30


def test_the_state_directory_is_made_where_systemd_keeps_them() -> None:
    assert settings(unit.rendered(place(), user=False))["StateDirectory"] == "clusterctl/shop"
    assert "StateDirectory" not in settings(unit.rendered(place("/srv/shop"), user=False))
    assert "StateDirectory" not in settings(unit.rendered(place(), user=True))


def test_words_are_quoted_as_systemd_reads_them() -> None:
    text = unit.rendered(place(config='/etc/a b/%n "$HOME" \\.toml'), user=False)
    assert '-c "/etc/a b/%%n \\"$$HOME\\" \\\\.toml"' in settings(text)["ExecStart"]


@pytest.mark.real
@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("config", ["/etc/clusterctl/shop.toml", "/etc/my shops/100%.toml"])
def test_systemd_understands_it(user: bool, config: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing: .ci/packages installs it"
    file = tmp_path / "shop.service"
    file.write_text(unit.rendered(place(config=config), user))
    words = [program, "verify", "--man=no", *(["--user"] if user else []), str(file)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=environment)
    about = [line for line in done.stderr.splitlines() if "shop.service" in line]
    assert (done.returncode, about) == (0, []), done.stderr


JOBS = "  12 other.service start waiting\n 123 shop.service {job} running\n"


@pytest.mark.parametrize(("job", "keeps"), [("restart", True), ("stop", False), ("", False)])
def test_a_restart_keeps_the_workers_and_a_stop_does_not(
    job: str, keeps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks systemd which job is under way; where it cannot, it takes everything down."""
    config = tmp_path / "shop.toml"
    config.write_text('[cluster]\nname = "shop"\n')
    if job:
        fake = tmp_path / "systemctl"
        fake.write_text(f"#!/bin/sh\ncat <<END\n{JOBS.format(job=job)}END\n")
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if job else str(tmp_path))
    asked: list[list[str]] = []

    def clusterctl(words: list[str]) -> int:
        asked.append(words)
        return 0

    monkeypatch.setattr(unit, "clusterctl", clusterctl)
    arguments = Namespace(stop="shop.service", user=False, config=str(config), socket=None)
    assert unit.unit(arguments) == 0
    assert asked == [["down", *(["--keep-workers", "--yes"] if keeps else []), "-c", str(config)]]
