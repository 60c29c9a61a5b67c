"""What `npx convex dev` and `npx convex deploy` ask: their functions are JavaScript, and ours are not, so they are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reactor.errors import BadRequest

Endpoint = Callable[[Request], Awaitable[Response]]

_PUSHES = (
    "/api/get_config_hashes",
    "/api/push_config",
    "/api/deploy2/start_push",
    "/api/deploy2/evaluate_push",
    "/api/deploy2/evaluate_schema",
    "/api/deploy2/wait_for_schema",
    "/api/deploy2/finish_push",
    "/api/deploy2/report_push_completed",
)
_INLINE = "/api/run_test_function"


def foreign_pushes(guarded: Callable[[Endpoint], Endpoint]) -> list[BaseRoute]:
    """Routes that refuse, and say what to type instead."""

    async def push(request: Request) -> Response:
        del request
        raise BadRequest(
            "ReactorServer",
            "This is a reactor server: its functions are written in Python, and `npx convex` cannot push to it. "
            "Type `reactor dev` in the project's folder while you work on it, or `reactor deploy` to push to a server. "
            "The types for your front end are written by `reactor dev` and `reactor codegen`.",
        )

    async def inline(request: Request) -> Response:
        del request
        raise BadRequest(
            "ReactorServer", "This is a reactor server: it runs no JavaScript, so there are no inline queries."
        )

    async def urls(request: Request) -> Response:
        """`dev` asks this first, and again until it is answered; then it pushes."""
        own = str(request.base_url).rstrip("/")
        return JSONResponse({"convexCloudUrl": own, "convexSiteUrl": f"{own}/http"})

    return [
        Route("/api/v1/get_canonical_urls", guarded(urls), methods=["GET"]),
        *(Route(path, guarded(push), methods=["POST"]) for path in _PUSHES),
        Route(_INLINE, guarded(inline), methods=["POST"]),
    ]
