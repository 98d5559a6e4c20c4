"""The steps at which engines die in test_dying are all that there are in the source."""

from tests.engine import dying
from tests.engine.deeds import NO_DEEDS, WITHIN, found
from tests.engine.mortal import DIED_AT


def test_every_deed_is_a_step_at_which_an_engine_dies() -> None:
    steps = {dying.named(owner, name) for owner, name in dying.STEPS}
    deeds = found()
    new = {deed.replace("._", ".") for deed in deeds - WITHIN.keys() - NO_DEEDS.keys()} - steps
    assert not new, "a step, within one, or none?"
    assert WITHIN.keys() | NO_DEEDS.keys() <= deeds, "no longer there"
    assert set(WITHIN.values()) <= steps == set(DIED_AT)


def test_a_new_deed_is_seen() -> None:
    """`found` misses none of those that are armed by name, but for those that do it through another."""
    through_others = {"Journal.append", "Feed.save", "Rewriting.run", "Hands.change", "embedded.tell_master"}
    through_others |= {"Performer.spawn", "Performer.signal", "Performer.converge"}
    assert set(DIED_AT) - through_others <= {deed.replace("._", ".") for deed in found()}
