"""`/api/openapi.json`: the public functions and the project's routes, described for programs.

In development it is open to all. Elsewhere a list of what there is to call is the operator's: it takes the admin key.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reactor.definitions.manifest import Manifest
from reactor.errors import Forbidden
from reactor.server.credentials import caller_of
from reactor.server.errors import error_response
from reactor.server.settings import ServerSettings
from reactor.server.verbs import Verbs


def description_routes(verbs: Verbs, settings: ServerSettings) -> list[BaseRoute]:
    """The one route."""
    known: tuple[Manifest, str, str] | None = None  # the last manifest, where it was asked for, what was written of it

    async def answer(request: Request) -> Response:
        nonlocal known
        try:
            if not settings.dev and not (await caller_of(request, verbs)).admin:
                raise Forbidden("BadDeployKey", "This needs the admin key of the server")
            manifest, mount = verbs.manifest, request.scope.get("root_path", "") or "/"
            if known is None or known[0] is not manifest or known[1] != mount:
                from codegen import openapi  # few servers are ever asked

                described = openapi.render(manifest, title=settings.instance_name, server=mount)
                known = manifest, mount, openapi.to_text(described)
            return Response(known[2], media_type="application/json", headers={"Cache-Control": "no-cache"})
        except Exception as error:  # noqa: BLE001 here, so that the answer passes through Cors
            return error_response(error)

    return [Route("/api/openapi.json", answer, methods=["GET"])]
