"""The lines on top: is it well, what is not, how busy are host and traffic, and how true is the picture."""

from collections import Counter

from msgspec import Struct
from rich.cells import cell_len

from dashboard.mirror import Mirror, client_rates, known_sum, total_rate
from dashboard.tui.facts import faded, padded
from dashboard.tui.ink import Line, Span
from dashboard.tui.say import UNKNOWN, clock, duration, local, number, plural, size
from dashboard.tui.states import HEALTH, OUTCOMES, Look, phase
from dashboard.tui.verdict import ASKED, Trouble
from dashboard.tui.widgets.graph import bar, nice_top, spark
from supervisor.model.phases import Health
from supervisor.model.snapshot import OperationRow, ProxyRow, Snapshot

_URGENCY = ("failed", "backing-off", "starting", "draining", "stopping", "open", "stopped", "gone")
_GRAVE = ("failed", "backing-off")

UNSUPERVISED = " ▲ nothing supervises the workers now: `clusterctl up` brings it back "
SHORT = 3.0
"""Seconds in which a keeper has started another engine."""
REASON = 24
"""Cells from which a reason says something."""


class Mood(Struct, frozen=True, kw_only=True):
    """What of the screen itself belongs on top."""

    interval: float = 1.0
    paused: bool = False
    read_only: bool = False
    now: float = 0.0
    """Monotonic seconds."""
    past: str = ""
    """`12:01:30, 34 s ago` where the picture is not of now."""
    recording: str = ""
    later: tuple[str, ...] = ()
    """Verbs that this screen sends when those before them have ended."""


def heading(mirror: Mirror, mood: Mood, width: int, worst: Trouble | None = None, high: int = 3) -> list[Line]:
    """Three lines, whatever there is to say; the first is the verdict, with the worst and its reason.

    `high`: the lines that there is room for; in one, that the picture is old is all that is said.
    """
    snapshot, banner = mirror.snapshot, _banner(mirror, mood)
    if snapshot is None:
        return [banner or ((" clusterctl  waiting for the first picture …", "title"),), (), ()]
    right = _right(snapshot, mood)
    # What a reason needs beside the rest: counts that matter less are left out for it.
    spare = _cells(right[:-2]) + 4 + REASON if worst is not None else 0
    left = _identity(snapshot, width, mood.past, worst, spare)
    if worst is not None and (room := _room_for(worst, width - _cells(left) - 4, right)):
        left += [("   ", "text"), *worst.line(room)]
    first, second = _spread(left, right, width), _host(snapshot, width, worst)
    if banner:
        return [banner] if high == 1 else [*faded([first, second]), banner]
    return [first, second, _work(snapshot, mood, worst, width) or _traffic(mirror, snapshot, width)]


def _room_for(worst: Trouble, room: int, right: list[Span]) -> int:
    """Cells for a reason: the interval is given up for it, and the clock too where it would be cut; 0 for none."""
    needs = cell_len(worst.said) + 2
    least, most = (room - _cells(right[:-given]) for given in (1, 2))
    found = least if least >= needs else most
    return found if found >= REASON else 0


def silent_for(mirror: Mirror, mood: Mood) -> float | None:
    """Seconds without news, where that is more than the interval explains."""
    if mood.past:
        return None
    if mirror.away is not None:
        return mood.now - mirror.away.since
    quiet = mood.now - mirror.received
    return quiet if mirror.snapshot is not None and quiet > max(3.0, 3 * mood.interval) else None


def stale_chip(mirror: Mirror, mood: Mood) -> list[Span]:
    """What a page says before its title where its picture is old."""
    quiet = silent_for(mirror, mood)
    return [] if quiet is None else [(f" ▲ no news for {duration(quiet)} ", "chip-down")]


def _spread(left: list[Span], right: list[Span], width: int) -> Line:
    """Left and right on one line; of the right side what fits, its last pieces given up first."""
    used = _cells(left)
    while right and used + _cells(right) > width:
        right = right[:-1]
    return (*left, (" " * max(0, width - used - _cells(right)), "text"), *right)


def _cells(spans: list[Span]) -> int:
    return sum(cell_len(text) for text, _ in spans)


def _identity(snapshot: Snapshot, width: int, past: str, worst: Trouble | None, spare: int) -> list[Span]:
    counts = Counter(worker.phase for pool in snapshot.pools for worker in pool.workers)
    wanted = sum(pool.desired for pool in snapshot.pools if not pool.stopped)
    serving = sum(pool.ready for pool in snapshot.pools)
    known = all(proxy.reachable for proxy in snapshot.proxies)
    well = serving >= wanted and known and (worst is None or worst.rank >= ASKED)
    verdict = phase("ready" if well else "backing-off" if serving else "failed")
    spans: list[Span] = [
        (" clusterctl " if width >= (60 if worst is None else 80) else " ", "title"),
        (snapshot.cluster, "strong"),
    ]
    spans += past_chip(past)
    spans += [(f"  {verdict.glyph} ", verdict.token), (f"{serving}/{wanted}", "strong")]
    spans.append((" serving", "text"))
    counted = [
        (word in _GRAVE, f"  {look.glyph} {counts[word]} {look.word}", look) for word, look in _others(counts)
    ]
    if down := _down(snapshot):
        counted.insert(2, (False, f"  ✖ {plural(down, 'backend')} down", HEALTH[Health.DOWN]))
    if _cells(spans) + spare > width:
        spare = 0  # it has no room anyway
    for grave, piece, look in counted:
        # Whole or not at all, the most urgent first.
        if _cells([*spans, (piece, "")]) + (0 if grave else spare) <= width:
            spans.append((piece, look.token))
    return spans


def _down(snapshot: Snapshot) -> int:
    return sum(
        backend.health is Health.DOWN
        for proxy in snapshot.proxies
        for upstream in proxy.upstreams
        for backend in upstream.backends
    )


def past_chip(past: str) -> list[Span]:
    return [("  ", "text"), (f" REPLAY {past} ", "chip-warn")] if past else []


def _others(counts: Counter[str]) -> list[tuple[str, Look]]:
    known = [word for word in _URGENCY if counts[word]]
    return [(word, phase(word)) for word in (*known, *sorted(counts.keys() - {"ready", *_URGENCY}))]


def _right(snapshot: Snapshot, mood: Mood) -> list[Span]:
    """What matters most comes first: the end is given up where room is short."""
    spans: list[Span] = []
    if mood.read_only:
        spans.append((" READ-ONLY ", "chip"))
    if mood.recording:
        spans.append((f" {mood.recording} ", "chip-down" if "FAILED" in mood.recording else "chip"))
    if mood.paused:
        spans.append((" PAUSED ", "chip-warn"))
    spans += [_proxy(proxy) for proxy in snapshot.proxies]
    spans.append((f"  {clock(snapshot.time)} ", "text"))
    spans.append((f" every {mood.interval:g}s ", "dim"))
    return spans


def _proxy(proxy: ProxyRow) -> Span:
    if proxy.reachable:
        return f"  {proxy.name} ●", "ok"
    seen = proxy.seen_seconds_ago
    return f"  {proxy.name} ✖ {'not seen yet' if seen is None else f'{duration(seen)} old'}", "down"


def _host(snapshot: Snapshot, width: int, worst: Trouble | None) -> Line:
    host = snapshot.host
    wide = 24 if width >= 140 else 16 if width >= 100 else 6
    spans: list[Span] = [(" CPU ", "dim"), *_meter(host.cpu_percent, wide)]
    spans += [(f" {number(host.cpu_percent):>4}", "text"), (f"% of {host.cpus} cores", "dim")]
    used = None
    if host.memory_total_bytes is not None and host.memory_available_bytes is not None:
        used = host.memory_total_bytes - host.memory_available_bytes
    share = 100 * used / host.memory_total_bytes if used is not None and host.memory_total_bytes else None
    spans += [("  MEM ", "dim"), *_meter(share, wide)]
    spans.append((f" {size(used)}/{size(host.memory_total_bytes)}", "text"))
    warnings = [warning for warning in snapshot.warnings if worst is None or not worst.said.endswith(warning)]
    warnings += [warning for pool in snapshot.pools for warning in pool.warnings]
    if warnings:
        more = f" (+{len(warnings) - 1})" if len(warnings) > 1 else ""
        room = max(12, width - _cells(spans) - 6 - len(more))
        text = warnings[0] if len(warnings[0]) <= room else warnings[0][: room - 1] + "…"
        spans += [("  ", "text"), (f" ▲ {text}{more} ", "chip-warn")]
    if host.load:
        load: list[Span] = [("  LOAD ", "dim"), (" ".join(f"{one:.1f}" for one in host.load), "text")]
        spans += load if _cells(spans) + _cells(load) <= width else []
    return tuple(spans)


def _meter(percent: float | None, width: int) -> list[Span]:
    full, rest = bar(percent / 100 if percent is not None else None, width)
    token = "graph" if (percent or 0) < 80 else "warn" if (percent or 0) < 95 else "down"
    return [(full, token), (rest, "track")]


def _traffic(mirror: Mirror, snapshot: Snapshot, width: int) -> Line:
    backends = [b for proxy in snapshot.proxies for upstream in proxy.upstreams for b in upstream.backends]
    rate, errors = total_rate(snapshot), _errors(snapshot)
    if not backends and rate is None:
        names = ", ".join(proxy.name for proxy in snapshot.proxies)
        return ((f" no backend at {names} yet" if names else " no proxy is watched", "dim"),)
    wide = 40 if width >= 100 else 16
    series = mirror.total.last(wide).rate
    spans: list[Span] = [(" REQ ", "dim"), (spark(series, wide, nice_top(series, 10.0)), "graph2")]
    spans += [(f" {number(rate):>5}", "strong"), ("/s", "dim")]
    spans += [("   ERR ", "dim"), (number(errors), "down" if errors else "text"), ("/s", "dim")]
    flying = known_sum(b.in_flight for b in backends)
    spans += [("   IN FLIGHT ", "dim"), (UNKNOWN if flying is None else f"{flying:.0f}", "text")]
    # Also those that wait for whichever backend is free first.
    waiting = [upstream.queued for proxy in snapshot.proxies for upstream in proxy.upstreams]
    queued = known_sum([*waiting, *(b.queued for b in backends)])
    spans += [("   QUEUE ", "dim"), (UNKNOWN if queued is None else f"{queued:.0f}", "warn" if queued else "text")]
    fronts = [proxy.front for proxy in snapshot.proxies if proxy.front]
    if fronts and width >= 120:
        spans += [("   ", "text"), (fronts[0], "dim")]
    if not all(proxy.reachable for proxy in snapshot.proxies):
        # Of before: the verdict says since when and why.
        return tuple((text, "dim") for text, _ in spans)
    return tuple(spans)


def _errors(snapshot: Snapshot) -> float | None:
    return known_sum(client_rates(upstream)[1] for proxy in snapshot.proxies for upstream in proxy.upstreams)


def _with_traffic(line: list[Span], snapshot: Snapshot, width: int) -> Line:
    """Beside what goes on, what clients get meanwhile; where they get errors, that is cut last."""
    rate, errors = total_rate(snapshot), _errors(snapshot)
    if rate is None or not all(proxy.reachable for proxy in snapshot.proxies):
        return tuple(line)
    brief: list[Span] = [("  REQ ", "dim"), (number(rate), "strong"), ("/s  ERR ", "dim")]
    brief += [(number(errors), "down" if errors else "text"), ("/s ", "dim")]
    room = width - _cells(brief)
    if _cells(line) > room and not errors:
        return tuple(line)
    return (*padded(tuple(line), room, 0), *brief)


def _work(snapshot: Snapshot, mood: Mood, worst: Trouble | None, width: int) -> Line | None:
    """The operations under way, where there are any: they are what the operator waits for."""
    running = [one for one in snapshot.operations if one.phase == "running"]
    if not running:
        return None
    first = running[-1]
    held = next(
        (pool for pool in snapshot.pools if pool.rollout and pool.rollout.phase in ("holding", "paused")), None
    )
    if held is not None and held.rollout is not None:
        if worst is not None and worst.holds:
            return None  # told as the worst there is; a hold may last, and the traffic is what one holds for
        # It goes on by nobody but an operator: that it looked busy would be a lie.
        said = f" ▲ {held.name} {held.rollout.phase.replace('holding', 'holds').replace('paused', 'is paused')}"
        where = f" at {held.rollout.replaced} of {held.rollout.total}: V shows it"
        where += "" if mood.read_only or mood.past else ", Z (rollout resume) goes on"
        return _with_traffic([(said, "warn"), (where, "text")], snapshot, width)
    spans: list[Span] = [(" ", "text"), *progress(first, snapshot)]
    if len(running) > 1:
        spans.append((f"   and {len(running) - 1} more", "dim"))
    if mood.later:
        spans.append((f"   then {', then '.join(mood.later)}", "text"))
    spans.append(("   o: steps", "dim"))
    return _with_traffic(spans, snapshot, width)


def progress(operation: OperationRow, snapshot: Snapshot) -> list[Span]:
    """`⟳ scale web=4  web.3: waiting to get ready`, with cells that fill where it is a rollout."""
    look = OUTCOMES.get(operation.phase, OUTCOMES["running"])
    spans: list[Span] = [(f"{look.glyph} ", look.token), (operation.verb, "strong")]
    pool = next((pool for pool in snapshot.pools if pool.name == operation.pool), None)
    if pool is not None and pool.rollout is not None and pool.rollout.operation == operation.id:
        rollout = pool.rollout
        full, rest = bar(rollout.replaced / rollout.total if rollout.total else None, 20)
        spans += [
            ("  ", "text"),
            (full, "graph"),
            (rest, "track"),
            (f" {rollout.replaced}/{rollout.total}", "strong"),
        ]
    if said := operation.why if operation.phase in ("failed", "aborted") else operation.progress:
        spans.append((f"  {local(said)}", "text"))
    return spans


def _banner(mirror: Mirror, mood: Mood) -> Line | None:
    """The engine is away, or silent: said on a line of its own, above the last picture."""
    quiet = silent_for(mirror, mood)
    if quiet is None:
        return None
    if mirror.snapshot is None:
        why = mirror.away.why if mirror.away else "no answer yet"
        if quiet > SHORT and why.startswith("nobody listens"):
            return (UNSUPERVISED, "chip-down"), (f"  {why}", "dim")
        return ((f" ▲ no answer from the engine for {duration(quiet)}: {why}; trying again ", "chip-down"),)
    if mirror.away is None:
        return ((f" ▲ no news for {duration(quiet)}; last picture below ", "chip-warn"),)
    if quiet > SHORT and mirror.away.why.startswith("nobody listens"):
        return (UNSUPERVISED, "chip-down"), (f"  last picture of {duration(quiet)} ago; {mirror.away.why}", "dim")
    said = f" ▲ engine away {duration(quiet)}: reconnecting; last picture below ({mirror.away.why}) "
    return ((said, "chip-down"),)
