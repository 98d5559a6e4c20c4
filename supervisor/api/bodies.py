"""What a change may carry in its body, and how a body is read: strictly, in time and within bounds."""

import asyncio
import re
import time
from datetime import datetime
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import ClientDisconnect, Request

from supervisor.api.problems import Problem
from supervisor.model.phases import Rotation

LARGEST = 64 * 1024
PATIENCE = 30.0
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$.*)`)?$", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,15}")
_AGO = re.compile(r"-[0-9]{1,9}(\.[0-9]{1,6})?")


class Plain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any change."""

    yes: bool = False
    """Go on where the answer would be: are you sure?"""


class PoolChange(Plain, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of the three is given."""

    desired: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    change: Annotated[int, Meta(ge=-10_000, le=10_000)] | None = None
    stopped: bool | None = None


class WorkerChange(Plain, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of the two is given."""

    rotation: Rotation | None = None
    stopped: bool | None = None


class BackendChange(Plain, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rotation: Rotation


class RolloutChange(Plain, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: Literal["pause", "resume", "abort", "undo"]


class Ending(Plain, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keep_workers: bool = False


class Succession(Plain, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The interpreter that is to run the engine, if not the one that does."""

    python: Annotated[str, Meta(pattern="^/", max_length=4096)] | None = None


BODIES: tuple[type[Plain], ...] = (
    Plain,
    PoolChange,
    WorkerChange,
    BackendChange,
    RolloutChange,
    Ending,
    Succession,
)

_B = TypeVar("_B", bound=Plain)


async def read_body(request: Request, kind: type[_B]) -> _B:
    """The body as `kind`; nothing at all is {}. Raises Problem."""
    try:
        data = await asyncio.wait_for(_bytes(request), PATIENCE)
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {PATIENCE:g} s") from None
    except ClientDisconnect:
        raise Problem(400, "the body never came to its end") from None
    try:
        return msgspec.json.decode(data.strip() or b"{}", type=kind)
    except msgspec.ValidationError as error:
        found = _PLACE.match(str(error))
        assert found is not None
        raise Problem(422, str(error), path=found["path"] or "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {error}") from None


async def _bytes(request: Request) -> bytes:
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST:
            raise Problem(413, f"the body is larger than {LARGEST} bytes, which no change needs")
    return data


def exactly_one(body: Plain, *fields: str) -> str:
    """The name of the one field that is given. Raises Problem."""
    given = [field for field in fields if getattr(body, field) is not None]
    if len(given) != 1:
        expected = ", ".join(f"`{field}`" for field in fields)
        raise Problem(422, f"expected exactly one of {expected}, found {' and '.join(given) or 'none'}", path="$")
    return given[0]


def known_questions(request: Request, *known: str) -> None:
    """Refuses what nobody asked for: a misspelt `dry_run` must not change anything."""
    for name in request.query_params:
        if name not in known:
            raise Problem(422, f"unknown parameter {name!r}, expected {' or '.join(known) or 'none'}", path=name)


def number(request: Request, name: str, default: int, highest: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not _NUMBER.fullmatch(given) or int(given) > highest:
        raise Problem(422, f"found {given!r}, expected a number from 0 to {highest}", path=name)
    return int(given)


def moment(request: Request, name: str) -> float | None:
    """Wall seconds, of `2026-11-23T08:00:00Z` or of `-90`: so many seconds ago."""
    given = request.query_params.get(name)
    if given is None:
        return None
    if _AGO.fullmatch(given):
        return time.time() + float(given)
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Problem(422, f"found {given!r}, expected a time like 2026-11-23T08:00:00Z, or -90", path=name)
    return found.timestamp()


def switch(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "0")
    if given not in ("0", "1", "true", "false"):
        raise Problem(422, f"found {given!r}, expected 1 or 0", path=name)
    return given in ("1", "true")
