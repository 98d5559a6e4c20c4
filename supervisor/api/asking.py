"""Requests for a change: what the operator's HTTP request becomes, and how it is answered."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request as Http
from starlette.responses import Response

from supervisor.api import bodies
from supervisor.api.actor import actor
from supervisor.api.bodies import exactly_one, known_questions, read_body, switch
from supervisor.api.door import Door
from supervisor.model.requests import (
    AnyRequest,
    Reload,
    Restart,
    Rotate,
    Scale,
    Shutdown,
    Start,
    Steer,
    Stop,
    Upgrade,
)

Endpoint = Callable[[Http], Awaitable[Response]]


def json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(content), status_code=status, headers=headers, media_type="application/json"
    )


def endpoint(door: Door, read: Callable[[Http, str], Awaitable[AnyRequest]]) -> Endpoint:
    """Answers 202 with the operation, or with `?dry_run=1` 200 with the steps and nothing changed."""

    async def ask(http: Http) -> Response:
        known_questions(http, "dry_run")
        dry = switch(http, "dry_run")
        request = await read(http, actor(getattr(http.state, "peer", None)))
        if dry:
            return json({"steps": list(door.plan(request))})
        operation = door.submit(request)
        return json(operation, 202, {"Location": f"/v1/operations/{operation.id}"})

    return ask


async def pool(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.PoolChange)
    name: str = http.path_params["pool"]
    if exactly_one(body, "desired", "change", "stopped") == "stopped":
        return (Stop if body.stopped else Start)(target=name, actor=who, yes=body.yes)
    return Scale(pool=name, desired=body.desired, change=body.change, actor=who, yes=body.yes)


async def worker(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.WorkerChange)
    target: str = http.path_params["worker"]
    exactly_one(body, "rotation", "stopped")
    if body.rotation is not None:
        return Rotate(target=target, rotation=body.rotation, actor=who, yes=body.yes)
    return (Stop if body.stopped else Start)(target=target, actor=who, yes=body.yes)


async def restart_worker(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.Plain)
    return Restart(target=http.path_params["worker"], actor=who, yes=body.yes)


async def begin_rollout(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.Plain)
    return Restart(target=http.path_params["pool"], actor=who, yes=body.yes)


async def steer_rollout(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.RolloutChange)
    return Steer(pool=http.path_params["pool"], action=body.action, actor=who, yes=body.yes)


async def backend(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.BackendChange)
    target = "/".join(http.path_params[part] for part in ("proxy", "upstream", "backend"))
    return Rotate(target=target, rotation=body.rotation, actor=who, yes=body.yes)


async def reload(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.Plain)
    return Reload(actor=who, yes=body.yes)


async def upgrade(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.Succession)
    return Upgrade(python=body.python, actor=who, yes=body.yes)


async def shutdown(http: Http, who: str) -> AnyRequest:
    body = await read_body(http, bodies.Ending)
    return Shutdown(keep_workers=body.keep_workers, actor=who, yes=body.yes)
