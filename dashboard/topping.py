"""`clusterctl top`: the screen where a terminal can show it, plain frames elsewhere."""

import sys
import time
from argparse import Namespace
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any

from dashboard.answers import NoAnswer, NobodyThere
from dashboard.finding import Place, place
from dashboard.pipe import Pipe
from dashboard.printing import out, paper_for, screen_possible, tell
from dashboard.say import size
from dashboard.verbs import Usage

_EVENTS_SHOWN = 10


def top(args: Namespace) -> int:
    _together(args)
    _known(args)
    if args.replay:
        return replay(Path(args.replay), args)
    where = place(args.config, args.socket)
    if args.batch:
        # It only looks: what was taken down stays down.
        return frames(where, args.n, args.interval)
    if (code := _there(where, args.read_only)) != 0:
        return code
    if args.web:
        return web(args, ("--socket", str(where.socket)), where.name)
    if not screen_possible():
        if args.record:
            raise Usage("top --record needs a terminal that can show the screen")
        ignored = ", without --filter and --sort" if args.filter or args.sort else ""
        tell(f"not a terminal that can show the screen; plain frames instead (as `top --batch`{ignored})")
        return frames(where, args.n, args.interval)
    return screen(where.socket, args)


def screen(socket: str, args: Namespace) -> int:
    """The screen, until it is quit; Textual and httpx are loaded here and nowhere else."""
    from dashboard.link import Link
    from dashboard.tui.app import run

    recorder, source = None, Link(socket)
    if args.record:
        from dashboard.recording import Recorder
        from dashboard.tee import Tee

        try:
            recorder = Recorder(Path(args.record), args.record_size << 20)
        except OSError as error:
            raise Usage(f"top: {args.record} cannot be recorded to: {error.strerror}") from None
    try:
        return run(
            Tee(source, recorder) if recorder else source,
            read_only=args.read_only,
            interval=max(0.1, args.interval),
            **_looks(args),
        )
    finally:
        if recorder:
            recorder.close()
            tell(f"recorded: {recorder.path} ({size(recorder.size)}); `clusterctl top --replay {recorder.path}`")


def replay(path: Path, args: Namespace) -> int:
    """A recording on the screen; no cluster is needed."""
    from dashboard.replaying import NoRecording, Replay

    try:
        recording = Replay(path)
    except (OSError, NoRecording) as error:
        raise Usage(f"top: {error.strerror}: {path}" if isinstance(error, OSError) else f"top: {error}") from None
    with closing(recording):
        if args.web:
            return web(args, ("--replay", str(path)), path.name)
        if recording.trouble:
            tell(f"{path}: {recording.trouble}")
        if not screen_possible():
            raise Usage("top --replay needs a terminal that can show the screen")
        from dashboard.tui.app import run

        return run(recording, **_looks(args))


def _looks(args: Namespace) -> dict[str, Any]:
    """What the command line says of the screen itself."""
    return {
        "theme": args.theme,
        "filter": args.filter or "",
        "sort": args.sort,
        "ascii": args.ascii,
        "mouse": not args.no_mouse,
        "colour": not args.no_color,
    }


def web(args: Namespace, source: tuple[str, str], name: str) -> int:
    """The same screen in a browser on this machine."""
    from dashboard.web.opening import serve

    return serve((*source, *passed_on(args)), args.port, f"clusterctl {name}")


def passed_on(args: Namespace) -> tuple[str, ...]:
    """The flags that the screen in a browser takes as well."""
    valued = (("theme", args.theme), ("filter", args.filter), ("sort", args.sort))
    plain = (("read-only", args.read_only), ("ascii", args.ascii), ("no-color", args.no_color))
    return (
        f"--interval={max(0.1, args.interval)}",
        *(f"--{flag}={value}" for flag, value in valued if value),
        *(f"--{flag}" for flag, on in plain if on),
    )


def _known(args: Namespace) -> None:
    """Refuses an order and a theme that are not there. What knows them is loaded for them alone."""
    if args.sort:
        from dashboard.tui.worker_columns import WORKER_COLUMNS

        columns = [one.key for one in WORKER_COLUMNS if one.order]
        if args.sort not in columns:
            raise Usage(f"top: no column {args.sort!r} to sort by; there are {', '.join(columns)}")
    if args.theme:
        from textual.theme import BUILTIN_THEMES

        from dashboard.tui.themes import THEMES

        names = sorted({*BUILTIN_THEMES, *(one.name for one in THEMES)})
        if args.theme not in names:
            raise Usage(f"top: no theme {args.theme!r}; there are {', '.join(names)}")


def _together(args: Namespace) -> None:
    """Refuses flags that contradict each other."""
    apart = (("record", "replay"), ("record", "web"), ("record", "batch"), ("replay", "batch"), ("web", "batch"),
             ("filter", "batch"), ("sort", "batch"))  # fmt: skip
    for one, other in apart:
        if getattr(args, one) and getattr(args, other):
            raise Usage(f"top: --{one} and --{other} do not go together")
    if not 1 <= args.record_size <= 100_000:
        raise Usage("top: --record-size is in MiB, 1 or more")
    if args.port > 65_535:
        raise Usage("top: --port is a number up to 65535")


def frames(where: Place, number: int | None, interval: float) -> int:
    """Plain pictures, `number` of them or until interrupted; the same columns as on the screen."""
    from dashboard.frames import Row, event_line, frame
    from dashboard.reading import event_rows, with_gaps

    pipe, shown, after = Pipe(where.socket), 0, 0
    recent: deque[Row] = deque(maxlen=_EVENTS_SHOWN)
    while number is None or shown < number:
        started = time.monotonic()
        try:
            snapshot = pipe.get("/v1/snapshot").json()
            recent.extend(with_gaps(event_rows(pipe.get(f"/v1/events?after={after}").body), after))
            after = recent[-1].get("number") or after if recent else after
        except NobodyThere:
            raise
        except NoAnswer as error:
            if number is not None and shown + 1 >= number:
                raise
            tell(f"{error}; trying again")
        else:
            paper = paper_for(sys.stdout)
            lines = frame(snapshot, paper)
            if recent:
                lines += ["", "events", *(event_line(row, paper) for row in recent)]
            out(*lines, "")
        shown += 1
        if number is None or shown < number:
            time.sleep(max(0.01, interval - (time.monotonic() - started)))
    return 0


def _there(where: Place, only_look: bool) -> int:
    """0 when a cluster runs there; starts one, detached, where that is wanted and a configuration is at hand."""
    from dashboard.checking import checked
    from dashboard.starting import running, start_detached

    if running(where):
        return 0
    if where.config is None or only_look:
        raise NobodyThere(where.socket)
    if (code := checked(where.config)) != 0:
        return code
    tell(f"no cluster is running; starting {where.name}, detached (`clusterctl down` ends it)")
    return start_detached(where, 60.0, tell)
