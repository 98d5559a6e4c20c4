"""Chaos under load: random acts for so long, and then everything must be as if nothing had been."""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.chaos.acting import ACTS, Excuse, Scene
from tests.load.running import load
from tests.load.tally import Failure, Result
from tests.whole.cluster import Cluster, Json, processes_with
from tests.whole.rolling import Stage, load_plan, staged

WITH_PROXY = Stage("embedded", 1, workers=3)
SHARED = Stage("none", 1, shared="python", workers=3)


@dataclass
class Verdict:
    """What a run of chaos came to."""

    done: list[tuple[float, str]]
    result: Result
    unexcused: list[Failure]
    excused: Counter[str]
    began: float
    events: list[tuple[float, str]]
    """What the cluster itself told, at times of the same clock."""

    def summary(self) -> str:
        acts = "\n".join(f"  +{at - self.began:6.2f} s {what}" for at, what in self.done)
        bad = "\n".join(
            f"  +{f.at - self.began:6.2f} s {f.kind} {f.cause} {f.detail[:100]}" for f in self.unexcused[:20]
        )
        head = f"{len(self.done)} acts, {self.result.requests} requests, {self.result.failed} failed"
        head += f", {len(self.unexcused)} without excuse; excused: {dict(self.excused)}"
        return f"{head}\n{acts}\n{bad}\n{self.around()}"

    def around(self) -> str:
        """What the cluster told in the seconds before each failure without an excuse."""
        near = [failure.at for failure in self.unexcused[:5]]
        told = [(at, text) for at, text in self.events if any(bad - 6.0 <= at <= bad + 1.0 for bad in near)]
        return "\n".join(f"  +{at - self.began:6.2f} s told: {text}" for at, text in told)


def excuse_of(failure: Failure, excuses: list[Excuse]) -> str | None:
    """Why a request may have failed: it was under way in the window of a fault that is in its way."""
    began = failure.at - failure.after_ms / 1000
    return next((e.why for e in excuses if began <= e.ended and e.began <= failure.at), None)


def chaos(stage: Stage, seconds: float, seed: int) -> Verdict:
    """Runs it, and checks what must be so at the end. Raises AssertionError with the story."""
    with staged(stage) as made:
        scene = Scene(made, random.Random(seed), proxied=stage.proxy != "none", wanted=stage.workers)
        plan = load_plan(made, stage, users=8, rate=60.0, streams=0, sockets=0)
        with load(plan) as running:
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                act = scene.dice.choice(ACTS)
                scene.done.append((time.monotonic(), "…"))
                scene.done[-1] = (scene.done[-1][0], act(scene))
                only_one_each(made)
                time.sleep(scene.dice.uniform(0.0, 0.7))  # the next act comes when it comes
            at_rest(scene)
            result = running.stop()
        once_each(made, scene)
        found = [(failure, excuse_of(failure, scene.excuses)) for failure in result.failures]
        unexcused = [failure for failure, why in found if why is None]
        excused = Counter(why for _, why in found if why)
        return Verdict(scene.done, result, unexcused, excused, began, told(made))


def told(made: Cluster) -> list[tuple[float, str]]:
    shift = time.time() - time.monotonic()
    return [
        (datetime.fromisoformat(e["time"]).timestamp() - shift, f"{e['kind']} {e['subject']}: {e['text']}")
        for e in map(json.loads, made.must("events", "--json", "--after", "0").splitlines())
    ]


def at_rest(scene: Scene) -> None:
    """What is wanted is there: the number, one generation, no rollout, no operation under way."""

    def rests(snapshot: Json) -> bool:
        pool = next(pool for pool in snapshot["pools"] if pool["name"] == "web")
        rows = pool["workers"]
        return (
            pool["ready"] == pool["desired"] == len(rows)
            and pool["rollout"] is None
            and len({row["generation"] for row in rows}) == 1
            and all(operation["ended"] for operation in snapshot["operations"])
        )

    scene.cluster.until(rests, "all as wanted after the chaos", 60)


def workers_alive(made: Cluster) -> dict[int, str]:
    """Pid -> slot, of the first process of every worker, whoever thinks of it."""
    found = {}
    for pid, words in processes_with(str(made.state)).items():
        try:
            entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        slot = next((e.partition(b"=")[2].decode() for e in entries if e.startswith(b"CLUSTERCTL_WORKER=")), "")
        if slot.startswith("web.") and "server.py" in words:
            found[pid] = slot
    return found


def only_one_each(made: Cluster) -> None:
    """At no time more than the old one and the new one in a slot."""
    counted = Counter(workers_alive(made).values())
    assert all(number <= 2 for number in counted.values()), f"{counted}\n{made.story()}"


def once_each(made: Cluster, scene: Scene) -> None:
    """In the end exactly the wanted ones, each once, each known."""
    rows = {row["pid"]: row["id"] for row in made.workers()}
    assert workers_alive(made) == rows, f"{workers_alive(made)} live, {rows} are known\n{made.story()}"
    assert len(rows) == scene.wanted, f"{scene.wanted} are wanted\n{made.story()}"
