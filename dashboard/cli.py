"""The command line: finds the verb, reads its flags, runs it; every trouble becomes a sentence and a code."""

import argparse
import io
import os
import sys
from typing import Any, NoReturn

from dashboard.answers import NoAnswer, NobodyThere, Refused
from dashboard.finding import NoConfig
from dashboard.printing import fail, let_go_of_stdout, open_streams, out, paper_for, tell
from dashboard.verbs import CHANGE, COMMON, OTHERS_WORDS, VERBS, Usage, Verb, find
from supervisor.model.text import reason

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; the exit codes are the contract's."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 is no reason to fail
    words = _verb_first(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except Usage as error:
        fail(str(error))
        return 2
    except NoConfig as error:
        fail(str(error))
        # Without a configuration no cluster can be found; these look for none that runs.
        return 2 if words[0] in ("check", "up", "unit") else error.exit_code
    except Refused as error:
        for line in error.detail.split("\n"):  # a configuration's problems are a line each
            fail(line)
        return error.exit_code
    except NobodyThere as error:
        fail(_nobody_there(str(error)))
        return 3
    except NoAnswer as error:
        fail(f"{error}; see `clusterctl status`")
        return 1
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    except BrokenPipeError:
        let_go_of_stdout()
        return 0  # who read us has enough
    except OSError as error:
        let_go_of_stdout()
        # The disk that a result went to is full, the directory that we are in is gone.
        fail(f"{words[0] if words else 'help'}: {_trouble(error)}")
        return 1


def _trouble(error: OSError) -> str:
    """`no space left on device`, with the file where it is known."""
    return f"{error.filename}: {reason(error)}" if error.filename else reason(error)


def _nobody_there(socket: str) -> str:
    from dashboard.survivors import survivors, unsupervised

    if left := survivors(os.path.dirname(socket)):
        return (
            f"no cluster is running (looked at {socket}), but {unsupervised(left)}: nothing restarts them; "
            "`clusterctl up` adopts them, `clusterctl down` ends them"
        )
    return f"no cluster is running (looked at {socket}); start one with `clusterctl up`"


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) > 1 and find(words[1]):
            words = [words[1], "--help"]
        else:
            out(*_overview())
            return 0 if words else 2
    if words[0] in ("--version", "-V", "version"):
        out(f"clusterctl {_version()}")
        return 0
    verb = find(words[0])
    if verb is None:
        raise Usage(_unknown(words[0]))
    try:
        args = _parser(verb).parse_args(words[1:])
    except SystemExit as end:
        return int(end.code or 0)
    module, _, function = verb.run.partition(":")
    run = getattr(__import__(module, fromlist=[function]), function)
    code: int = run(args)
    return code


def _verb_first(words: list[str]) -> list[str]:
    """`clusterctl -c FILE status` means the same as `clusterctl status -c FILE`."""
    moved: list[str] = []
    while words and words[0].startswith(("-c", "--config", "--socket")):
        taken = 1 if "=" in words[0] or (words[0].startswith("-c") and len(words[0]) > 2) else 2
        moved, words = moved + words[:taken], words[taken:]
    return [*words[:1], *moved, *words[1:]]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        verb = self.prog.rpartition(" ")[2]
        fail(f"{verb}: {message}; `{self.prog} --help` shows how")
        raise SystemExit(2)


def _parser(verb: Verb) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"clusterctl {verb.name}",
        description=f"{verb.does[0].upper()}{verb.does[1:]}.",
        epilog=f"example: {verb.example}",
        allow_abbrev=False,
        formatter_class=_formatter,
    )
    for flag in (*verb.flags, *(CHANGE if verb.changes else ()), *COMMON):
        how: dict[str, Any] = dict(flag.how)
        if named := how.get("type"):
            how["type"] = _TYPES[named]
        parser.add_argument(*flag.names, **how)
    return parser


def _formatter(prog: str) -> argparse.HelpFormatter:
    """With a width given; argparse asks shutil for one otherwise, for each flag's sake: 3 ms."""
    width = paper_for(sys.stdout).width or 100
    return argparse.HelpFormatter(prog, max_help_position=28, width=min(width, 100) - 2)


def _duration(text: str) -> float:
    for unit in sorted(_UNITS, key=len, reverse=True):
        if text.endswith(unit):
            return _positive(text.removesuffix(unit), text) * _UNITS[unit]
    return _positive(text, text)


def _positive(digits: str, text: str) -> float:
    try:
        value = float(digits)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 30, 30s or 5m")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


_TYPES = {"duration": _duration, "count": _count}


def _overview() -> list[str]:
    width = max(len(verb.name) for verb in VERBS)
    return [
        "clusterctl: workers and the proxies in front of them, on one screen",
        "",
        "usage: clusterctl VERB [-c FILE | --socket PATH] …",
        "",
        *(f"  {verb.name:{width}}  {verb.does}" for verb in VERBS),
        "",
        "`clusterctl VERB --help` shows its flags and an example.",
    ]


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("clusterctl")
    except PackageNotFoundError:
        return "(from a source tree that is not installed)"


def _unknown(word: str) -> str:
    if meant := OTHERS_WORDS.get(word):
        return f"no such verb: {word}; here it is `clusterctl {meant}`"
    from difflib import get_close_matches

    near = get_close_matches(word, [verb.name for verb in VERBS], 1, 0.65)
    hint = f"did you mean `{near[0]}`?" if near else "`clusterctl --help` lists them"
    return f"no such verb: {word}; {hint}"


if __name__ == "__main__":
    sys.exit(main())
