"""The keys as data: bindings, footer and help are all made from this table."""

from typing import Literal, NamedTuple

Where = Literal["workers", "backends", "any"]


class Key(NamedTuple):
    keys: str
    """As Textual names them, divided by commas; the first is the one shown."""
    action: str
    label: str
    help: str
    group: str
    where: Where = "any"
    """The table that must have the focus."""
    changes: bool = False
    """It changes the cluster: absent with --read-only."""
    needs: str | None = None
    """The capability of the proxy without which it is not offered."""
    rank: int = 99
    """Its place in the footer; 99: in the help alone."""
    shown: str = ""
    """How the key is written, where Textual's name is not what stands on it."""

    @property
    def name(self) -> str:
        return self.shown or self.keys.split(",")[0]


MOVE, FIND, ACT, SEE, TIME, REST, LOG = "Move", "Find", "Operate", "Look closer", "Time", "Screen", "In a log"
TIME_ACTIONS = ("step", "now", "faster")

MAIN_KEYS: tuple[Key, ...] = (
    Key("question_mark,f1,h", "help", "Help", "all keys, on one page", REST, rank=0, shown="?"),
    Key("down,j", "move(1)", "Down", "one row down", MOVE, shown="↓ j"),
    Key("up,k", "move(-1)", "Up", "one row up", MOVE, shown="↑ k"),
    Key("pagedown,ctrl+d", "page(1)", "Page", "a page down", MOVE, shown="PgDn ^d"),
    Key("pageup,ctrl+u", "page(-1)", "Page", "a page up", MOVE, shown="PgUp ^u"),
    Key("home,g", "move(-100000)", "Top", "first row", MOVE, shown="Home g"),
    Key("end,G", "move(100000)", "Bottom", "last row", MOVE, shown="End G"),
    Key("tab,shift+tab", "pane", "Backends", "between workers and backends", MOVE, rank=12),
    Key("b", "partner", "Pair", "from a worker to its backend, and back", MOVE, rank=13),
    Key("exclamation_mark", "worst", "Worst", "to what most needs a look; again: to the next", MOVE, shown="!"),
    Key("space", "mark", "Mark", "mark a row; a change then goes for all marked", MOVE, rank=30),
    Key("asterisk", "mark_all", "Mark all", "mark all rows shown, or none", MOVE, shown="*"),
    Key("U", "unmark", "Unmark", "take all marks away", MOVE),
    Key("1", "table('workers')", "Workers", "to the table of workers", MOVE),
    Key("2", "table('backends')", "Backends", "to the table of backends", MOVE),
    Key("F", "follow", "Follow", "the cursor stays on its row, or on its line", MOVE),
    Key("slash,f3,f4", "filter", "Filter", "rows that match: text !text state:failed cpu>80", FIND, rank=3,
        shown="/"),
    Key("escape", "back", "Back", "clear filter and marks; leave a dialog", FIND, shown="esc"),
    Key("less_than_sign", "sort(-1)", "Sort", "sort by the column to the left", FIND, shown="<"),
    Key("greater_than_sign", "sort(1)", "Sort", "sort by the column to the right", FIND, rank=20,
        shown=">"),
    Key("f6", "sort_menu", "Sort", "choose the column to sort by", FIND, shown="F6"),
    Key("I", "invert", "Invert", "turn the order round", FIND),
    Key("P", "sort_by('cpu')", "CPU", "sort by CPU", FIND),
    Key("M", "sort_by('memory')", "Memory", "sort by memory", FIND),
    Key("N", "sort_by('worker')", "Name", "sort by name", FIND),
    Key("T", "sort_by('uptime')", "Time", "sort by uptime", FIND),
    Key("enter", "details", "Details", "everything about the row", SEE, rank=1, shown="⏎"),
    Key("l", "logs", "Log", "the worker's log: follow, search", SEE, "workers", rank=2),
    Key("L", "logs('pool')", "Pool log", "the log of the whole pool, merged", SEE, "workers"),
    Key("v", "pool", "Pool", "the page of the pool: spec, slots, totals", SEE, rank=28),
    Key("V", "rollout", "Rollout", "the pool's rollout: new beside old", SEE, "workers"),
    Key("i", "inspect", "JSON", "the row as the API gives it", SEE),
    Key("e", "events", "Events", "all events kept", SEE, rank=21),
    Key("o", "operations", "Operations", "operations running and ended, step by step", SEE, rank=22),
    Key("plus,equals_sign", "scale(1)", "Add", "one worker more (asks first)", ACT, "workers", True, rank=7,
        shown="+"),
    Key("minus", "scale(-1)", "Remove", "one worker fewer (asks first)", ACT, "workers", True, rank=9, shown="-"),
    Key("s", "scale(0)", "Scale to", "any number of workers", ACT, "workers", True, rank=25),
    Key("r", "change('restart')", "Restart", "replace the worker gracefully", ACT, "workers", True, rank=5),
    Key("R", "change('rolling')", "Rolling restart", "restart the whole pool, slot by slot", ACT, "workers", True,
        rank=23),
    Key("d", "change('drain')", "Drain", "no new requests; what is in flight finishes", ACT, "any", True, "drain",
        rank=4),
    Key("u", "change('ready')", "Undrain", "back into rotation", ACT, "any", True, rank=10),
    Key("m", "change('maint')", "Maint", "out of rotation, checks off", ACT, "any", True, "maint", rank=11),
    Key("x", "change('stop')", "Stop", "take the worker down and keep it down", ACT, "workers", True, rank=24),
    Key("X", "change('stop-pool')", "Stop pool", "take the whole pool down and keep it down", ACT, "workers", True),
    Key("S", "change('start')", "Start", "bring a stopped worker or pool back", ACT, "workers", True, rank=26),
    Key("Z", "change('pause')", "Pause rollout", "hold the pool's rollout, or let it go on", ACT, "workers", True),
    Key("A", "change('abort')", "Abort rollout", "turn the pool's rollout back", ACT, "workers", True),
    Key("a,f9", "actions", "Actions", "a menu of what can be done with the row now", REST, rank=29, shown="a F9"),
    Key("colon,ctrl+p", "palette", "Command", "every verb, with completion", REST, rank=6, shown=":"),
    Key("c", "copy", "Copy", "copy the row's name (OSC 52)", REST),
    Key("left_square_bracket", "app.step(-1)", "Earlier", "one picture back in time, for the whole screen", TIME,
        shown="["),
    Key("right_square_bracket", "app.step(1)", "Later", "one picture on", TIME, shown="]"),
    Key("left_curly_bracket", "app.step(0,-60)", "Minute back", "a minute back", TIME, shown="{"),
    Key("right_curly_bracket", "app.step(0,60)", "Minute on", "a minute on", TIME, shown="}"),
    Key("grave_accent", "app.now", "Now", "back to what is now", TIME, shown="`"),
    Key("left_parenthesis", "app.faster(-1)", "Slower", "play the past more slowly (p plays and holds)", TIME,
        shown="("),
    Key("right_parenthesis", "app.faster(1)", "Faster", "play the past faster", TIME, shown=")"),
    Key("p", "pause", "Pause", "hold the picture; in the past: play, or hold", REST, rank=27),
    Key("z", "zoom", "Zoom", "the table alone, or all panes again", REST),
    Key("t", "theme", "Theme", "the next theme", REST),
    Key("comma,f2", "settings", "Settings", "theme and columns; they are kept", REST, shown=", F2"),
    Key("ctrl+z", "app.shell", "Shell", "to the shell; its `fg` leads back here", REST, shown="^z"),
    Key("q,ctrl+c,f10", "leave", "Quit", "leave the screen; the cluster goes on", REST, rank=8),
)  # fmt: skip

LOG_KEYS: tuple[Key, ...] = (
    Key("escape,q", "back", "Back", "leave the log", LOG, rank=0, shown="esc"),
    Key("question_mark,f1,h", "help", "Help", "these keys", LOG, rank=9, shown="?"),
    Key("slash", "search", "Search", "look for a word", LOG, rank=1, shown="/"),
    Key("n", "next(1)", "Next", "the next match", LOG, rank=2),
    Key("N", "next(-1)", "Previous", "the match before", LOG, rank=3),
    Key("f", "follow", "Follow", "keep the newest in sight", LOG, rank=4),
    Key("w", "wrap", "Wrap", "break long lines, or cut them", LOG, rank=5),
    Key("ampersand", "only", "Only", "only the lines that hold what is sought, or all", LOG, rank=6, shown="&"),
    Key("down,j", "move(1)", "Down", "choose the line below; below the last: follow", LOG, shown="↓ j"),
    Key("up,k", "move(-1)", "Up", "choose the line above", LOG, shown="↑ k"),
    Key("pagedown,space,ctrl+d", "page(1)", "Page", "a page down", LOG, rank=20, shown="PgDn"),
    Key("pageup,ctrl+u", "page(-1)", "Page", "a page up", LOG, rank=21, shown="PgUp"),
    Key("home,g", "move(-1000000)", "Top", "the oldest line kept", LOG, rank=22, shown="g"),
    Key("end,G", "move(1000000)", "End", "the newest line", LOG, rank=23, shown="G"),
    Key("right", "shift(16)", "Right", "sideways", LOG, rank=24, shown="→"),
    Key("left", "shift(-16)", "Left", "sideways", LOG, shown="←"),
    Key("c", "copy('line')", "Copy", "copy the chosen line (OSC 52)", LOG, rank=7),
    Key("C", "copy('seen')", "Copy seen", "copy the lines that can be seen", LOG, rank=25),
    Key("y", "copy('last')", "Copy last", "copy the last 200 lines", LOG),
    Key("o", "pager", "Pager", "all lines kept here, in $PAGER", LOG, rank=8),
)  # fmt: skip

GROUPS = (MOVE, FIND, SEE, ACT, TIME, REST, LOG)
_OFFERED = {"app.step(-1)": 5, "app.step(1)": 6, "app.step(0,-60)": 7, "app.step(0,60)": 8, "app.faster(1)": 10}
REPLAY_KEYS = tuple(
    key._replace(keys="p,space", label="Play", help="play the recording, or hold", rank=3, shown="p")
    if key.action == "pause"
    else key._replace(help="the last picture")
    if key.action == "app.now"
    else key._replace(rank=_OFFERED.get(key.action, key.rank))
    for key in MAIN_KEYS
    if not key.changes and key.action != "mark"
)
"""Of a recording: nothing can be changed or marked, and time is what is operated."""


def allowed(keys: tuple[Key, ...], read_only: bool) -> tuple[Key, ...]:
    return tuple(key for key in keys if not (read_only and key.changes))


def applying(
    keys: tuple[Key, ...],
    where: Where,
    capabilities: frozenset[str] | None,
    selected: bool,
    every: bool = False,
) -> list[Key]:
    """Those to offer now, best first; with `every` also those that only the help names.

    `capabilities` None: the row has no proxy, so nothing can be rotated.
    """
    rotating = {"change('drain')", "change('ready')", "change('maint')"}
    offered = []
    for key in keys:
        if (key.rank == 99 and not every) or key.where not in ("any", where) or (key.changes and not selected):
            continue
        if key.action in rotating and capabilities is None:
            continue
        if key.needs is not None and capabilities is not None and key.needs not in capabilities:
            continue
        offered.append(key)
    return sorted(offered, key=lambda key: key.rank)
