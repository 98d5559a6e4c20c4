"""Where a follower of logs is in each of them: told by the engine between lines, and told back to go on there."""

from dashboard.answers import log_path, quoted
from supervisor.model.text import PLACE_MARK

_LONGEST = 48_000
"""Bytes of a question that the engine takes; more than a thousand logs are within it."""
TOO_MANY = "these are too many logs to go on in each where it was: from here on; lines before may be missing"


class Places:
    """Kept by whoever follows, over one connection after another."""

    def __init__(self) -> None:
        self._found: dict[str, list[int]] = {}
        self._now = [0, 0, 0]

    def __bool__(self) -> bool:
        return bool(self._found)

    def take(self, line: str) -> bool:
        """Whether this is a place, and no line of a log. What is one is counted."""
        if not line.startswith(PLACE_MARK):
            self._now[2] += 1
            return False
        log, *numbers = line[len(PLACE_MARK) :].split("~")
        self._found[log] = self._now = [int(number) for number in numbers]
        return True

    @property
    def too_many(self) -> bool:
        """The next question cannot name them all: it goes on at the present, and lines may be missing."""
        return bool(self) and not self.question()

    def question(self) -> str:
        """The value of `from`; empty at first, and where there are too many to name."""
        words = ",".join(f"{log}~{at}~{rotated}~{lines}" for log, (at, rotated, lines) in self._found.items())
        asked = quoted(words)
        return asked if len(asked) <= _LONGEST else ""


def log_question(target: str, lines: int, follow: bool, places: Places | None) -> str:
    """The path that asks for a log: its last lines, or with `places` that are known what comes after them."""
    path = f"{log_path(target)}?lines={0 if places else lines}" + ("&follow=1" if follow else "")
    return path if places is None else f"{path}&from={places.question()}"
