"""No outside text reaches a terminal as it came: one line, bounded, without anything that steers or misleads."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from supervisor.model.text import LONGEST, clean, clean_bytes

HARMLESS_CONTROL_PICTURES = {chr(0x2400 + code) for code in (*range(0x20), 0x21)}
ANYTHING = st.one_of(
    st.text(),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])),
    st.lists(st.sampled_from(["\x1b]0;x\x07", "\x1b[2J", "[red]", "\u202e", "\x9b31m", "\r", "\n", "a"])).map(
        "".join
    ),
)


def steers(text: str) -> list[str]:
    """Characters that move a cursor, change a colour, turn the direction, break a line or join others."""
    bad = ("Cc", "Cs", "Zl", "Zp")
    found = [c for c in text if unicodedata.category(c) in bad]
    return found + [
        c for c in text if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "LRI", "RLI", "PDF")
    ]


@given(text=ANYTHING)
def test_nothing_that_steers_a_terminal_survives(text: str) -> None:
    assert steers(clean(text)) == []


@given(text=ANYTHING)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(text=st.text(min_size=0, max_size=3 * LONGEST))
def test_the_length_is_bounded(text: str) -> None:
    assert len(clean(text)) <= LONGEST
    assert len(clean(text, 10)) <= 10


@given(data=st.binary(max_size=300))
def test_bytes_in_any_encoding_become_one_harmless_line(data: bytes) -> None:
    assert steers(clean_bytes(data)) == []


@given(text=st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\u2028"), max_size=100))
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert clean(text) == text
