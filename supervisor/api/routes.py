"""Every route of the API, as a table over the door."""

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from supervisor.api import asking, problems, stream
from supervisor.api.asking import Endpoint, json
from supervisor.api.bodies import known_questions, moment, number, switch
from supervisor.api.door import Door
from supervisor.model.errors import BadConfig, BadRequest
from supervisor.model.snapshot import Snapshot

MOST_LINES = 100_000
MOST_PICTURES = 600


def application(door: Door) -> Starlette:
    change = asking.endpoint
    routes = [
        Route("/v1/snapshot", _snapshot(door), methods=["GET"]),
        Route("/v1/history", _history(door), methods=["GET"]),
        Route("/v1/events", _events(door), methods=["GET"]),
        Route("/v1/operations", _operations(door), methods=["GET"]),
        Route("/v1/operations/{id}", _operation(door), methods=["GET"]),
        Route("/v1/pools/{pool}", change(door, asking.pool), methods=["PATCH"]),
        Route("/v1/pools/{pool}/rollouts", change(door, asking.begin_rollout), methods=["POST"]),
        Route("/v1/pools/{pool}/rollouts", change(door, asking.steer_rollout), methods=["PATCH"]),
        Route("/v1/pools/{target}/log", _log(door), methods=["GET"]),
        Route("/v1/workers/{worker}", _worker(door), methods=["GET"]),
        Route("/v1/workers/{worker}", change(door, asking.worker), methods=["PATCH"]),
        Route("/v1/workers/{worker}/restart", change(door, asking.restart_worker), methods=["POST"]),
        Route("/v1/workers/{target}/log", _log(door), methods=["GET"]),
        # A proxy may call a backend what it likes, a slash included.
        Route("/v1/backends/{proxy}/{upstream}/{backend:path}", change(door, asking.backend), methods=["PATCH"]),
        Route("/v1/doctor", _doctor(door), methods=["GET"]),
        Route("/v1/reload", change(door, asking.reload), methods=["POST"]),
        Route("/v1/upgrade", change(door, asking.upgrade), methods=["POST"]),
        Route("/v1/shutdown", change(door, asking.shutdown), methods=["POST"]),
        Route("/metrics", _metrics(door), methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            problems.Problem: problems.on_problem,
            BadRequest: problems.on_refusal,
            BadConfig: problems.on_bad_config,
            HTTPException: problems.on_http,
            Exception: problems.on_failure,
        },
    )
    app.router.redirect_slashes = False
    return app


def _snapshot(door: Door) -> Endpoint:
    encoded: tuple[Snapshot | None, bytes] = (None, b"")

    async def get(request: Request) -> Response:
        known_questions(request)
        snapshot = door.snapshot()
        etag = f'"{snapshot.revision}"'
        if etag in _etags(request):
            return Response(status_code=304, headers={"ETag": etag})
        nonlocal encoded
        if encoded[0] is not snapshot:
            encoded = (snapshot, msgspec.json.encode(snapshot))
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        return Response(encoded[1], headers=headers, media_type="application/json")

    return get


def _etags(request: Request) -> list[str]:
    given = request.headers.get("if-none-match", "")
    return [etag.strip().removeprefix("W/") for etag in given.split(",")]


def _history(door: Door) -> Endpoint:
    """Without `at`, when pictures were taken; with it, the one nearest before, or with `frames` a line for each of
    the last so many.
    """

    async def get(request: Request) -> Response:
        known_questions(request, "at", "frames")
        at = moment(request, "at")
        frames = number(request, "frames", 0, MOST_PICTURES)
        if at is None:
            return json({"times": door.past_times()})
        pictures = door.past(at, frames or 1)
        return stream.pictures(pictures) if frames else Response(next(pictures), media_type="application/json")

    return get


def _events(door: Door) -> Endpoint:
    async def get(request: Request) -> Response:
        known_questions(request, "after", "follow")
        after = number(request, "after", 0, 1 << 48)
        if switch(request, "follow") and request.method != "HEAD":
            return stream.following(door.follow(after))
        return Response(stream.lines(door.events(after)), media_type=stream.NDJSON)

    return get


def _log(door: Door) -> Endpoint:
    async def get(request: Request) -> Response:
        known_questions(request, "lines", "follow", "from")
        lines = number(request, "lines", 100, MOST_LINES)
        follow = switch(request, "follow") and request.method != "HEAD"
        return stream.text(door.log(request.path_params["target"], lines, follow, request.query_params.get("from")))

    return get


def _operations(door: Door) -> Endpoint:
    async def get(request: Request) -> Response:
        known_questions(request)
        return json(door.snapshot().operations)

    return get


def _operation(door: Door) -> Endpoint:
    async def get(request: Request) -> Response:
        known_questions(request)
        return json(door.operation(request.path_params["id"]))

    return get


def _worker(door: Door) -> Endpoint:
    async def get(request: Request) -> Response:
        known_questions(request)
        return json(door.worker_detail(request.path_params["worker"]))

    return get


def _doctor(door: Door) -> Endpoint:
    async def get(request: Request) -> Response:
        known_questions(request, "pool")
        return json({"findings": door.findings(request.query_params.get("pool"))})

    return get


def _metrics(door: Door) -> Endpoint:
    async def get(request: Request) -> Response:
        # 20 ms of imports that only those pay who scrape.
        from supervisor.api.metrics import CONTENT_TYPE, exposition

        snapshot: Snapshot = door.snapshot()
        return Response(exposition(snapshot), media_type=CONTENT_TYPE)

    return get
