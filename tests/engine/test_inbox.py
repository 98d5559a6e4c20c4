"""The engine's inbox is bounded: readings are dropped, what happened once never is."""

from pathlib import Path

from supervisor.engine.desk import Desk
from supervisor.engine.feed import Feed
from supervisor.engine.journal import Journal
from supervisor.engine.ledger import Ledger
from supervisor.engine.loop import INBOX, Engine
from supervisor.model.deeds import Signal
from supervisor.model.facts import ProbeMissed
from supervisor.model.launch import Exited
from supervisor.model.spec import ClusterSpec


async def test_a_flood_of_readings_is_bounded_and_hides_no_end(tmp_path: Path) -> None:
    ledger = Ledger(spec=ClusterSpec(name="test", state_dir=str(tmp_path)))
    engine = Engine(Desk(ledger, Feed(tmp_path / "events.jsonl")), Journal(tmp_path / "journal"))
    taken: list[object] = []

    def take(fact: object, now: float) -> list[Signal]:
        taken.append(fact)
        return []

    engine.take = take  # type: ignore[method-assign]
    for number in range(3 * INBOX):
        engine.tell(ProbeMissed(serial=number, why="no"))
    ends = [Exited(number=n, serial=n, pid=n, code=0, signal=None, at=1.0) for n in range(100)]
    for end in ends:
        engine.tell(end)
    engine.take_inbox()
    assert len(taken) == INBOX + len(ends)
    assert taken[-len(ends) :] == ends
