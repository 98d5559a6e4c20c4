"""Themes as data: our own dark and light, one of high contrast, one that the colour-blind can tell apart."""

from collections.abc import Mapping

from textual.theme import Theme

# The tokens that theme.tcss names, and which colour of a theme that knows nothing of them stands for each.
TOKENS: dict[str, str] = {
    "state-up": "success",
    "state-drain": "warning",
    "state-start": "accent",
    "state-warn": "warning",
    "state-down": "error",
    "state-maint": "secondary",
    "graph-one": "primary",
    "graph-two": "accent",
    "frame": "foreground",
}


def with_tokens(variables: Mapping[str, str]) -> dict[str, str]:
    """A theme's variables, completed by our tokens."""
    return {token: variables[stands_for] for token, stands_for in TOKENS.items()} | dict(variables)


_DARK = {
    "state-up": "#8ccf7e",
    "state-drain": "#e5b567",
    "state-start": "#c594c5",
    "state-warn": "#e5b567",
    "state-down": "#ec5f67",
    "state-maint": "#7aa6da",
    "graph-one": "#5fb3b3",
    "graph-two": "#c594c5",
    "frame": "#2b353f",
}

THEMES: tuple[Theme, ...] = (
    Theme(
        name="clusterctl", dark=True, background="#10151a", surface="#161c22", panel="#1d252d", primary="#5fb3b3",
        secondary="#7aa6da", accent="#c594c5", success="#8ccf7e", warning="#e5b567", error="#ec5f67",
        foreground="#d8dee9", variables=_DARK,
    ),
    Theme(
        name="clusterctl-light", dark=False, background="#fafafa", surface="#f0f1f3", panel="#e6e8eb",
        primary="#0b6e75", secondary="#2c5d9b", accent="#7b3f8c", success="#2e7d32", warning="#8a5a00",
        error="#b3261e", foreground="#20262c",
        variables={
            "state-up": "#2e7d32", "state-drain": "#8a5a00", "state-start": "#7b3f8c", "state-warn": "#8a5a00",
            "state-down": "#b3261e", "state-maint": "#2c5d9b", "graph-one": "#0b6e75", "graph-two": "#7b3f8c",
            "frame": "#c4cad0",
        },
    ),
    Theme(
        name="contrast", dark=True, background="#000000", surface="#000000", panel="#1a1a1a", primary="#00ffff",
        secondary="#80b0ff", accent="#ff80ff", success="#00ff00", warning="#ffff00", error="#ff6060",
        foreground="#ffffff",
        variables={
            "state-up": "#00ff00", "state-drain": "#ffff00", "state-start": "#ff80ff", "state-warn": "#ffff00",
            "state-down": "#ff6060", "state-maint": "#80b0ff", "graph-one": "#00ffff", "graph-two": "#ff80ff",
            "frame": "#808080",
        },
    ),
    # The colours of Okabe and Ito, which the common kinds of colour blindness keep apart.
    Theme(
        name="colour-blind", dark=True, background="#10151a", surface="#161c22", panel="#1d252d", primary="#56b4e9",
        secondary="#0072b2", accent="#cc79a7", success="#56b4e9", warning="#e69f00", error="#d55e00",
        foreground="#e8ecf1",
        variables={
            "state-up": "#56b4e9", "state-drain": "#f0e442", "state-start": "#cc79a7", "state-warn": "#e69f00",
            "state-down": "#ff7f3f", "state-maint": "#6fa8dc", "graph-one": "#009e73", "graph-two": "#cc79a7",
            "frame": "#36424e",
        },
    ),
)  # fmt: skip

DEFAULT = "clusterctl"
CYCLE = ("clusterctl", "clusterctl-light", "contrast", "colour-blind", "ansi-dark")
