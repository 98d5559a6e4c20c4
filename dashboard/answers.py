"""What can come back instead of an answer, for the quick verbs and the screen alike: refused, away, or garbled."""

import json

# The contract's exit codes, by the HTTP status of a refusal.
_EXIT = {400: 2, 403: 5, 404: 4, 405: 2, 409: 5, 413: 2, 422: 2, 423: 5}


class Refused(Exception):
    """The engine answered, and said no."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail

    @property
    def exit_code(self) -> int:
        """As the contract has it; what is not the asker's fault is 1."""
        return _EXIT.get(self.status, 1)


class NoAnswer(Exception):
    """Nobody answered: no cluster, the engine is away, or the answer made no sense."""


class TooLate(NoAnswer):
    """Somebody listens, and did not answer in time."""


class NobodyThere(NoAnswer):
    """There is no socket, or nobody listens on it: no cluster runs there."""


def refusal(status: int, body: bytes) -> Refused:
    """The problem+json of an answer; whatever else a server may send becomes one sentence."""
    try:
        problem = json.loads(body)
        code = str(problem.get("code") or "error")
        detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
    except (ValueError, AttributeError):
        text = body[:200].decode("utf-8", "replace").strip()
        code, detail = "error", f"the engine answered HTTP {status}" + (f": {text}" if text else "")
    return Refused(status, code, detail)


def log_path(target: str) -> str:
    """Where the log of a worker (`web.0`) or of a whole pool (`web`) is asked for."""
    return f"/v1/{'workers' if '.' in target else 'pools'}/{quoted(target)}/log"


def quoted(name: str) -> str:
    """One segment of a path, whatever it holds; urllib's own costs an import of 8 ms."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b"._~-" else f"%{byte:02X}"
        for byte in name.encode("utf-8", "surrogateescape")
    )
