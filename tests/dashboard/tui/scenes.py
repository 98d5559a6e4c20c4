"""Every screen in every state worth a look, on data that never changes: what the golden pictures are made of."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from supervisor.model.phases import Rotation
from tests.dashboard.tui.driving import Driver
from tests.dashboard.tui.simulated import Simulated

SIZES = ((80, 24), (120, 40), (200, 60))
THEMES = ("clusterctl", "clusterctl-light")

Doing = Callable[[Driver], Awaitable[None]]


class Scene(NamedTuple):
    make: Callable[[], Simulated]
    keys: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    """What must stand there before the picture is taken."""
    do: Doing | None = None
    """What happens to the cluster first."""


def well() -> Simulated:
    source = Simulated(web=4)
    for slot in range(4):
        source.say("info", f"web.{slot}", f"serves: web.{slot} is up and in rotation")
    return source


def sick() -> Simulated:
    source = well()
    source.phases |= {"web.2": "failed", "jobs.1": "backing-off"}
    source.restarts |= {"web.2": 3, "jobs.1": 2}
    source.say("error", "web.2", "web.2 died (exit code 1): given up after 10 deaths in 60 s")
    return source


def draining() -> Simulated:
    source = well()
    source.rotation["lb/web/web.1"] = Rotation.DRAIN
    return source


def rolling(phase: str = "running", waiting: str = "web.1@2 to be up") -> Simulated:
    source = well()
    source.roll("new", "replacing", "old", "old", phase=phase, waiting_for=waiting)
    return source


def canary() -> Simulated:
    return rolling("holding", "the canary: 95 s more")


def lost() -> Simulated:
    source = well()
    source.reachable = False
    return source


def crowd() -> Simulated:
    return Simulated(web=100, jobs=10)


async def leave(s: Driver) -> None:
    s.source.leave()
    await s.see("nothing supervises")


SCENES: dict[str, Scene] = {
    "main": Scene(well),
    "main-sick": Scene(sick),
    "main-draining": Scene(draining, ("down",)),
    "main-rollout": Scene(rolling),
    "main-canary": Scene(canary),
    "main-proxy-lost": Scene(lost),
    "main-engine-away": Scene(well, do=leave),
    "main-empty": Scene(lambda: Simulated(web=0, jobs=0)),
    "main-crowd": Scene(crowd),
    "main-backends": Scene(draining, ("tab",)),
    "main-zoomed": Scene(crowd, ("z",)),
    "worker": Scene(well, ("enter",), ("command", "line 11")),
    "worker-dead": Scene(sick, ("exclamation_mark", "enter"), ("last exits", "boom")),
    "backend": Scene(draining, ("tab", "enter"), ("every counter",)),
    "pool": Scene(rolling, ("v",), ("command",)),
    "rollout": Scene(canary, ("V",), ("waits for",)),
    "events": Scene(sick, ("e",), ("given up",)),
    "operations": Scene(well, ("o",), ("nothing was asked",)),
    "json": Scene(well, ("i",), ('"cwd"',)),
    "log": Scene(well, ("l",), ("line 11",)),
    "help": Scene(well, ("question_mark",), ("Move",)),
    "asks-drain": Scene(well, ("d",), ("would wait",)),
    "asks-scale": Scene(well, ("plus",), ("would wait",)),
    "palette": Scene(well, ("colon", *"dr"), ("drain",)),
    "settings": Scene(well, ("comma",), ("Settings",)),
    "actions": Scene(well, ("a",), ("Drain",)),
}
