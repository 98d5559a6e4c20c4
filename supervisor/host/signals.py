"""Which signals a running program handles, for warning about a stop signal that would do nothing but kill."""

import signal


def handles(pid: int, name: str, proc: str = "/proc") -> bool | None:
    """Whether the process catches the signal (`TERM`, name without SIG); None when that cannot be told.

    Source: SigCgt in proc_pid_status(5), bit n-1 for signal n.
    """
    number = getattr(signal, f"SIG{name}", None)
    if not isinstance(number, signal.Signals):
        return None
    try:
        with open(f"{proc}/{pid}/status", "rb") as lines:
            for line in lines:
                if line.startswith(b"SigCgt:"):
                    return bool(int(line[7:], 16) >> (number - 1) & 1)
    except (OSError, ValueError):
        pass
    return None
