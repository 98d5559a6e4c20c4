"""The quick verbs' client of the API: HTTP/1.1 over a unix socket, with the standard library alone."""

import errno
import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

from dashboard.answers import NoAnswer, NobodyThere, Refused, TooLate, refusal

_CHUNK = 65_536
_LONGEST_HEAD = 65_536
_LONGEST_LINE = 1_048_576


class Answer(NamedTuple):
    """One whole answer; a refusal never gets this far."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body as plain data; NoAnswer when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise NoAnswer(f"the engine's answer makes no sense: {error}") from error


class Pipe(NamedTuple):
    """Where a cluster's API is, and how long to wait for it.

    While the engine restarts, the keeper holds its socket: a request waits there instead of being refused.
    """

    socket: str
    timeout: float = 10.0

    def get(self, path: str) -> Answer:
        """One reading; asked once more when the engine died over it."""
        try:
            return self.send("GET", path)
        except (NobodyThere, TooLate):
            raise
        except NoAnswer:
            return self.send("GET", path)

    def send(self, method: str, path: str, body: object = None) -> Answer:
        """One request and its whole answer. Refused, NobodyThere or NoAnswer otherwise."""
        with _connected(self, self.timeout) as link:
            try:
                link.sendall(_request(method, path, body))
                status, headers, rest = _head(link)
                whole = b"".join(_body(link, headers, rest))
            except OSError as error:
                lost = _silence(error, self.socket, self.timeout)
                if method == "GET" or "dry_run" in path:
                    raise lost from error
                # It lies in the socket, which outlives the engine: the next one may do it yet.
                raise type(lost)(f"{lost}; what was asked for may still be done") from error
        if status >= 400:
            raise refusal(status, whole)
        return Answer(status, headers, whole)

    def lines(self, path: str, silence: float | None = None) -> Iterator[bytes]:
        """A streamed answer, line by line, until it ends; NoAnswer after `silence` seconds of nothing."""
        with _connected(self, self.timeout) as link:
            try:
                link.sendall(_request("GET", path, None))
                status, headers, rest = _head(link)
                if status >= 400:
                    raise refusal(status, b"".join(_body(link, headers, rest)))
                link.settimeout(silence)
                yield from _split(_body(link, headers, rest))
            except OSError as error:
                raise _silence(error, self.socket, silence) from error


def _connected(pipe: Pipe, timeout: float | None) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(timeout)
        link.connect(pipe.socket)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        link.close()
        raise NobodyThere(pipe.socket) from error
    except PermissionError as error:
        link.close()
        raise Refused(403, "not_permitted", f"{pipe.socket}: permission denied; it is its owner's alone") from error
    except OSError as error:
        link.close()
        if error.errno == errno.ELOOP:  # a link to itself
            raise NobodyThere(pipe.socket) from error
        raise NoAnswer(f"{pipe.socket}: {error.strerror or error}") from error
    return link


def _request(method: str, path: str, body: object) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: clusterctl\r\nConnection: close\r\n"
    if body is None:
        return (head + "\r\n").encode()
    data = json.dumps(body).encode()
    return (head + f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data


def _head(link: socket.socket) -> tuple[int, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = link.recv(_CHUNK)
        if not more:
            raise NoAnswer("the engine ended before it answered")
        data += more
        if len(data) > _LONGEST_HEAD and b"\r\n\r\n" not in data:
            raise NoAnswer("what answers there does not speak HTTP")
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise NoAnswer("what answers there does not speak HTTP")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(words[1]), headers, rest


def _body(link: socket.socket, headers: dict[str, str], rest: bytes) -> Iterator[bytes]:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        yield from _chunks(link, rest)
    elif (length := headers.get("content-length", "")).isdigit():
        missing = int(length) - len(rest)
        yield rest
        while missing > 0:
            more = _received(link)
            missing -= len(more)
            yield more
    else:
        yield rest
        while more := link.recv(_CHUNK):
            yield more


def _chunks(link: socket.socket, data: bytes) -> Iterator[bytes]:
    """RFC 9112 §7.1, without trailers, which nobody sends us."""
    while True:
        while b"\r\n" not in data:
            data += _received(link)
        size, _, data = data.partition(b"\r\n")
        try:
            missing = int(size.partition(b";")[0], 16)
        except ValueError:
            raise NoAnswer("the engine's answer is garbled") from None
        if missing == 0:
            return
        while len(data) < missing + 2:
            # What is here of a large chunk is handed on at once: a stream's line must not wait for the next one.
            if data and missing > len(data):
                yield data
                missing, data = missing - len(data), b""
            data += _received(link)
        yield data[:missing]
        data = data[missing + 2 :]


def _received(link: socket.socket) -> bytes:
    more = link.recv(_CHUNK)
    if not more:
        raise NoAnswer("the engine ended in the middle of an answer")
    return more


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > _LONGEST_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest


def _silence(error: OSError, socket: str, timeout: float | None) -> NoAnswer:
    if not isinstance(error, TimeoutError):
        return NoAnswer(f"the engine ended the connection ({error.strerror or error})")
    from dashboard.keepers import why_silent

    return TooLate(f"the engine did not answer within {timeout:g} s; {why_silent(socket)}")
