"""All routes put together, around any verbs and any kind of worker: tests bring pretend ones."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from reactor.errors import BadRequest
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.server.cors import Cors
from reactor.server.description import description_routes
from reactor.server.errors import error_response, refusal
from reactor.server.exact_routes import ExactRoutes
from reactor.server.files_api import FilesApi
from reactor.server.foreign_pushes import foreign_pushes
from reactor.server.http_api import HttpApi
from reactor.server.http_routes import HttpRoutes
from reactor.server.operator_api import OperatorApi
from reactor.server.page import page_routes
from reactor.server.request_body import read_body
from reactor.server.settings import ServerSettings
from reactor.server.transfer_api import TransferApi
from reactor.server.verbs import Verbs
from reactor.server.websocket import WorkerFactory, sync_routes
from reactor.version import VERSION

_ECHO_BYTES = 128 << 20


def assemble(
    verbs: Verbs, make_worker: WorkerFactory, settings: ServerSettings, limits: Limits = DEFAULT_LIMITS
) -> ASGIApp:
    """All routes around these verbs and this kind of worker."""
    calls = HttpApi(verbs, settings, limits).routes()
    operator = OperatorApi(verbs, limits)
    app = Starlette(
        routes=[
            *calls,
            *page_routes(verbs, settings),
            *description_routes(verbs, settings),
            *_service_routes(settings),
            *operator.routes(),
            *TransferApi(verbs).routes(operator.guarded),
            *foreign_pushes(operator.guarded),
            *FilesApi(verbs, limits).routes(),
            Mount("/http", HttpRoutes(verbs, settings, limits)),
            *sync_routes(make_worker, limits),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    return Cors(ExactRoutes(app, calls))


def _service_routes(settings: ServerSettings) -> list[BaseRoute]:
    async def release(request: Request) -> Response:
        del request
        return PlainTextResponse(VERSION)

    async def instance_name(request: Request) -> Response:
        del request
        return PlainTextResponse(settings.instance_name)

    async def echo(request: Request) -> Response:
        try:
            return Response(await read_body(request, _ECHO_BYTES), media_type="application/octet-stream")
        except BadRequest as error:
            return error_response(error)

    return [
        Route("/version", release),
        Route("/instance_version", release),
        Route("/instance_name", instance_name),
        Route("/echo", echo, methods=["POST"]),
    ]


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return refusal(404, "NotFound", f"There is nothing at {request.url.path}")
    code = "MethodNotAllowed" if error.status_code == 405 else "BadRequest"
    return refusal(error.status_code, code, error.detail, dict(error.headers or {}))
