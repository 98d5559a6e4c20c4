"""Every state as symbol, word and token of the theme: never by colour alone."""

from typing import NamedTuple

from supervisor.model.phases import Health, Rotation


class Look(NamedTuple):
    glyph: str
    plain: str
    """The symbol where only ASCII can be shown."""
    word: str
    token: str

    def text(self, ascii_only: bool = False) -> str:
        return f"{self.plain if ascii_only else self.glyph} {self.word}"


UNKNOWN = Look("?", "?", "unknown", "unknown")

PHASES: dict[str, Look] = {
    "ready": Look("●", "+", "ready", "ok"),
    "starting": Look("◌", ".", "starting", "start"),
    "draining": Look("◐", "~", "draining", "drain"),
    "stopping": Look("◐", "~", "stopping", "drain"),
    "gone": Look("✖", "x", "gone", "down"),
    "open": Look("◌", ".", "waiting", "start"),
    "backing-off": Look("▲", "!", "back-off", "warn"),
    "failed": Look("✖", "x", "failed", "down"),
    "stopped": Look("‖", "=", "stopped", "maint"),
}

HEALTH: dict[Health, Look] = {
    Health.UP: Look("●", "+", "up", "ok"),
    Health.DOWN: Look("✖", "x", "down", "down"),
    Health.CHECKING: Look("◌", ".", "checking", "start"),
    Health.UNKNOWN: UNKNOWN,
}

ROTATION: dict[Rotation, Look] = {
    Rotation.READY: Look("●", "+", "ready", "ok"),
    Rotation.DRAIN: Look("◐", "~", "drain", "drain"),
    Rotation.MAINT: Look("‖", "=", "maint", "maint"),
}

LEVELS: dict[str, Look] = {
    "info": Look("·", "-", "info", "text"),
    "warning": Look("▲", "!", "warning", "warn"),
    "error": Look("✖", "x", "error", "down"),
}

OUTCOMES: dict[str, Look] = {
    "running": Look("⟳", "~", "running", "start"),
    "done": Look("✔", "+", "done", "ok"),
    "failed": Look("✖", "x", "failed", "down"),
    "aborted": Look("▲", "!", "aborted", "warn"),
}

SLOTS: dict[str, Look] = {
    "old": Look("□", "o", "old", "dim"),
    "replacing": Look("◐", "~", "replacing", "drain"),
    "new": Look("■", "#", "new", "ok"),
    "failed": Look("✖", "x", "failed", "down"),
}


def phase(word: str) -> Look:
    return PHASES.get(word, UNKNOWN)


def serving(health: Health, rotation: Rotation) -> Look:
    """One look for a backend: what we asked where that keeps it out, else what the checks say."""
    return HEALTH[health] if rotation is Rotation.READY else ROTATION[rotation]


_ASCII = str.maketrans(
    {
        "●": "+", "◌": ".", "◐": "~", "▲": "!", "✖": "x", "‖": "=", "·": "-", "⟳": "~", "✔": "+", "–": "-",
        "…": ".", "→": ">", "←": "<", "□": "o", "■": "#", "▪": "*", "↑": "^", "↓": "v", "×": "x", "│": "|",
        "█": "#", "░": ".", "─": "-", "≤": "<", "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=",
        "▇": "#", "▼": "v", "⏎": "enter", "›": ">", "▐": "|", "$": "$", "⠀": " ", "±": "~", "−": "-", "▌": "#",
    }
)  # fmt: skip


def to_ascii(text: str) -> str:
    """The same text for a terminal that has ASCII alone; what has no counterpart becomes `?`."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else "#" if "\u2800" <= c <= "\u28ff" else "?" for c in text.translate(_ASCII))
