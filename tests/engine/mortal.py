"""A cluster whose engine is `tests.engine.dying`, and the steps at which it can be told to die."""

import subprocess
import sys
from pathlib import Path

from dashboard.answers import NoAnswer, Refused
from dashboard.pipe import Pipe
from tests.whole.cluster import Cluster, Json, until

ROOT = Path(__file__).parents[2]

COUNTED = ("Journal.append", "Feed.save", "Performer.spawn", "Performer.signal", "KeeperLink.ack")
OF_A_START = ("Rewriting.run", "Rewriting.finish", "KeeperLink.up")
OF_A_PROXY = ("Performer.converge", "Hands.change", "embedded.write_config")
OF_A_RELOAD = ("embedded.write_and_check", "embedded.reload", "embedded.tell_master")
OF_A_SOCKET = ("KeeperLink.listen", "KeeperLink.unlisten")
OF_AN_UPGRADE, OF_AN_END = ("KeeperLink.succeed",), ("KeeperLink.shutdown",)
DIED_AT = (*COUNTED, *OF_A_START, *OF_A_PROXY, *OF_A_RELOAD, *OF_A_SOCKET, *OF_AN_UPGRADE, *OF_AN_END)


def both_sides(*names: str) -> list[str]:
    return [f"{side} {name}" for name in names for side in ("before", "after")]


class Mortal(Cluster):
    """A cluster whose engine dies when it is told to."""

    keeper: subprocess.Popen[bytes]

    def up(self, *words: str) -> None:
        engine = [sys.executable, "-m", "tests.engine.dying", "--config", str(self.config)]
        engine += ["--state-dir", str(self.state)]
        # So many deaths in a row would be answered ever more slowly, which is not what is asked here.
        keeper = (
            "from supervisor.keeper import __main__ as k, limits; limits.BACKOFF_UP = 0; raise SystemExit(k.main())"
        )
        command = [sys.executable, "-c", keeper, "--state-dir", str(self.state), "--", *engine]
        self.keeper = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        self.until(lambda s: all(pool["ready"] == pool["desired"] for pool in s["pools"]), "ready at first")

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.keeper.wait(10)

    def die_at(self, step: int | str) -> None:
        # Whole at once: the engine may look at any moment.
        (self.state / "new").write_text(str(step))
        (self.state / "new").rename(self.state / "die-at")

    def died_at(self) -> str:
        """The step at which it died; empty where it did not."""
        place = self.state / "died-at"
        return place.read_text() if place.exists() else ""

    def must_die_at(self, step: str) -> None:
        """Waits, as what a step does is seen by others before its engine has come to its end."""
        until(lambda: self.died_at() == step, f"it dies {step}")

    def forget_death(self) -> None:
        (self.state / "died-at").unlink(missing_ok=True)

    def ask(self, method: str, path: str, body: Json) -> None:
        """Until it is answered: an engine that died over it may have taken it or not, so that it is said again."""
        while self.keeper.poll() is None:
            try:
                Pipe(str(self.state / "clusterctl.sock")).send(method, path, body)
                return
            except NoAnswer:
                continue
            except Refused as refused:
                if refused.code != "conflict":
                    raise
                return

    def at_rest(self) -> Json:
        """All as wanted, and no operation under way."""

        def rests(snapshot: Json) -> bool:
            pools = snapshot["pools"]
            whole = all(p["ready"] == p["desired"] == len(p["workers"]) and p["rollout"] is None for p in pools)
            return whole and all(o["ended"] for o in snapshot["operations"])

        return self.until(rests, "at rest", 30.0)

    def pids(self) -> dict[str, int]:
        return {row["id"]: row["pid"] for row in self.at_rest()["pools"][0]["workers"]}
