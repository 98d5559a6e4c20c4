"""`clusterctl unit`: a systemd unit for a cluster, and what that unit runs when it is to stop."""

import os
import subprocess
import sys
from argparse import Namespace

from dashboard.cli import main as clusterctl
from dashboard.finding import Place, place
from dashboard.printing import out

UNIT = """\
# {name}.service, printed by `clusterctl unit`. Install: {install}

[Unit]
Description=clusterctl cluster {name}
After=network-online.target
Wants=network-online.target
# We back off by ourselves.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} up -c {config}
ExecReload=/bin/kill -HUP $MAINPID
# A stop takes the workers down gracefully; a restart leaves them serving, for the next start to adopt.
ExecStop={program} unit{user} --stop %n -c {config}
# Only the keeper is systemd's to kill: workers outlive it, and the next start adopts them.
KillMode=process
# One worker that the kernel kills for lack of memory takes no other with it.
OOMPolicy=continue
# The keeper says WATCHDOG=1 only while the engine takes its turns; it replaces a hung engine after 30 s by itself.
WatchdogSec=90
Restart=on-failure
RestartSec=200ms
# A configuration that is refused, and a cluster that somebody else holds, do not get better by trying again.
RestartPreventExitStatus=2 5
TimeoutStartSec=90
# Each worker has its own time to drain and to stop (drain_timeout, stop.timeout): this is above all of them.
TimeoutStopSec=15min
TasksMax=infinity
UMask=0077
{state}
[Install]
WantedBy={target}
"""
PLACES = {
    False: "put it into /etc/systemd/system, then systemctl daemon-reload; systemctl enable --now NAME",
    True: "put it into ~/.config/systemd/user, then systemctl --user daemon-reload; loginctl enable-linger",
}


def unit(args: Namespace) -> int:
    if args.stop:
        return stop(args)
    out(*rendered(place(args.config, args.socket), args.user).splitlines())
    return 0


def rendered(where: Place, user: bool) -> str:
    """The unit's text; ExecStart runs what runs us."""
    relative = where.state.removeprefix("/var/lib/")
    directory = f"StateDirectory={escaped(relative)}\nStateDirectoryMode=0700\n" if relative != where.state else ""
    return UNIT.format(
        name=where.name,
        install=PLACES[user].replace("NAME", where.name),
        program=f"{word(sys.executable)} -P -m dashboard",
        config=word(str(where.config)),
        user=" --user" if user else "",
        state="" if user else directory,
        target="default.target" if user else "multi-user.target",
    )


def escaped(text: str) -> str:
    """As systemd.unit(5) and systemd.service(5) want it: specifiers and variables are not meant."""
    return text.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')


def word(text: str) -> str:
    """One word of a command line."""
    plain = all(letter.isalnum() or letter in "/._-+@:," for letter in text)
    return text if plain else f'"{escaped(text)}"'


def stop(args: Namespace) -> int:
    """What the unit runs as ExecStop: `down`, and where systemd is restarting it, `down --keep-workers`."""
    # Nobody is asked there: refused, systemd would end the keeper, and with it the workers.
    keep = ["--keep-workers", "--yes"] if restarting(args.stop, args.user) else []
    return clusterctl(["down", *keep, "-c", str(place(args.config, args.socket).config)])


def restarting(name: str, user: bool) -> bool:
    """Whether the unit's job is a restart; no when systemd cannot be asked."""
    command = ["systemctl", *(["--user"] if user else []), "list-jobs", "--plain", "--no-legend"]
    try:
        jobs = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, env=plain())
    except (OSError, subprocess.TimeoutExpired):
        return False
    rows = [line.split() for line in jobs.stdout.splitlines()]
    # JOB UNIT TYPE STATE
    return any(len(row) >= 3 and row[1] == name and "restart" in row[2] for row in rows)


def plain() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
