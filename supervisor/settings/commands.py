"""What a worker is started with: its argv and its environment."""

import re
import shlex

_SHELL_WORDS = {"|", "||", "&&", "&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "&>"}
_GLUED = re.compile(r"[^\\'\"]*(;|\|\||&&)$")
_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")
_SINGLE_QUOTED = re.compile(r"'[^']*'")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("CLUSTERCTL_", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
_PLACEHOLDER = r"(^|[=:/,@]){%s}$"

SHELL_HINT = 'no shell is run; if one is wanted: ["sh", "-c", "exec …"]'


def argv(value: object) -> tuple[str, ...]:
    """A list of strings, or one string split as a shell splits words. Raises ValueError with what was expected."""
    if isinstance(value, str):
        words = _split(value)
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        words = list(value)
    else:
        raise ValueError("a list of strings, or one string")
    if not words or not words[0]:
        raise ValueError("a program and its arguments, not nothing")
    if any("\0" in word for word in words):
        raise ValueError("arguments without NUL")
    return tuple(words)


def _split(line: str) -> list[str]:
    try:
        # Quoted words keep their quotes here, so that only bare shell signs are taken for such.
        bare = shlex.split(line, posix=False)
        words = shlex.split(line)
    except ValueError as error:
        raise ValueError(f"words as a shell splits them ({str(error).lower()})") from None
    for quoted in bare:
        word = _SINGLE_QUOTED.sub("", quoted)
        if word in _SHELL_WORDS or _GLUED.fullmatch(word) or word.startswith((">", "<", "2>", "&>")):
            raise ValueError(f"a program and its arguments; {quoted!r} is for a shell; {SHELL_HINT}")
        if _VARIABLE.search(word):
            raise ValueError(f"a program and its arguments; {quoted!r} is not expanded; {SHELL_HINT}")
    if words and _ASSIGNMENT.match(words[0]):
        raise ValueError(f"a program first; {words[0]!r} belongs into env")
    return words


def environment(value: object) -> dict[str, str]:
    """Names and values; numbers and truth values are written as text."""
    if not isinstance(value, dict):
        raise ValueError('a table such as { LOG_LEVEL = "info" }')
    found = {}
    for name, given in value.items():
        if not _ENV_NAME.fullmatch(name):
            raise ValueError(f"names of letters, digits and _, which {name!r} is not")
        if name.startswith(_OURS):
            raise ValueError(f"no {name}: clusterctl sets that itself")
        if isinstance(given, bool):
            found[name] = "true" if given else "false"
        elif isinstance(given, int | float):
            found[name] = str(given)
        elif isinstance(given, str) and "\0" not in given:
            found[name] = given
        else:
            raise ValueError(f"strings, numbers or true and false, which {name} is not")
    return found


def asks_for(command: tuple[str, ...], placeholder: str) -> bool:
    """Whether an argument stands for a port or descriptor: `{port}`, `--port={port}`, `0.0.0.0:{port}`."""
    return any(re.search(_PLACEHOLDER % placeholder, word) for word in command)
