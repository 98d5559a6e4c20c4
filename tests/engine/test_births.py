"""Many starts at once."""

from pathlib import Path

from msgspec.structs import replace

from supervisor.engine.turning import BIRTHS, Turn, take_turn
from tests.engine.test_transcripts import SPEC
from tests.engine.world import World


def test_many_starts_are_spread_over_turns_that_follow_at_once(tmp_path: Path) -> None:
    """So that two hundred that back off to the same moment keep no answer of the API waiting."""
    world = World(tmp_path, replace(SPEC, workers=2 * BIRTHS + 5, ports=(9001, 9999)))
    born = []
    for _ in range(4):
        turn = Turn(now=world.now, wall=world.now, free=lambda port: True)
        take_turn(world.desk, turn, "web")
        born.append((len(turn.births), world.now in turn.wakes))
    assert born == [(BIRTHS, True), (BIRTHS, True), (5, False), (0, False)]
    assert sorted(worker.slot for worker in world.ledger.workers.values()) == list(range(2 * BIRTHS + 5))
