"""Refusals and failures as application/problem+json (RFC 9457), each with a stable code."""

import http
import logging

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from supervisor.model.errors import BadConfig, BadRequest

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    422: "bad_spec",
    500: "internal",
    503: "busy",
}
_log = logging.getLogger("clusterctl.api")


class Problem(Exception):
    """A request that the API itself refuses, before the engine hears of it."""

    def __init__(self, status: int, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more


def body_of(status: int, code: str, detail: str, **more: object) -> bytes:
    return msgspec.json.encode(
        {
            "type": "about:blank",
            "title": http.HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
            **more,
        }
    )


def answer(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **more: object) -> Response:
    content = body_of(status, code, detail, **more)
    return Response(content, status_code=status, headers=headers, media_type="application/problem+json")


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    # What is left of a body that was too large or too slow is not read: the connection ends with the answer.
    headers = {"Connection": "close"} if error.status in (408, 413) else None
    return answer(error.status, _CODES[error.status], error.detail, headers, **error.more)


async def on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return answer(error.status, error.code, str(error))


async def on_bad_config(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadConfig)
    return answer(422, "bad_config", str(error), problems=error.problems)


async def on_http(request: Request, error: Exception) -> Response:
    """What Starlette's router says: no such route, or not with this method."""
    assert isinstance(error, HTTPException)
    detail = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not for {request.url.path}",
    }.get(error.status_code, error.detail)
    headers = dict(error.headers) if error.headers else None
    return answer(error.status_code, _CODES.get(error.status_code, "error"), detail, headers)


async def on_failure(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(500, "internal", "the engine failed to answer; its log has the details")
