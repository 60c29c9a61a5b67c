"""The page at `/`: tells a person what runs here and lets them try it. For programs it is one line of text.

One answer holds everything: style and script are inline, allowed by their hashes, and nothing else is; the page can
reach only this server. It talks the ordinary sync protocol, so it needs nothing from this room but the page and a list
of the public functions.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from reactor.definitions.manifest import FunctionManifest, Manifest
from reactor.server.settings import ServerSettings
from reactor.server.verbs import Verbs
from reactor.values.validator import ObjectV, render_validator

_TEXT = "This is a reactor backend. Clients connect to /api/sync, functions answer under /api/.\n"


def page_routes(verbs: Verbs, settings: ServerSettings) -> list[BaseRoute]:
    """`/` and the list of functions it shows."""

    async def landing(request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(_TEXT, headers={"Vary": "Accept"})
        body, policy = _page()
        headers = {
            "Content-Security-Policy": policy,
            "Vary": "Accept",
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }
        return HTMLResponse(body, headers=headers)

    async def functions(request: Request) -> Response:
        del request
        return Response(
            orjson.dumps(describe(verbs.manifest, settings)),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return [Route("/", landing), Route("/api/_reactor/functions", functions)]


def describe(manifest: Manifest, settings: ServerSettings) -> dict[str, Any]:
    """The public functions, for people: internal ones are not named, descriptions stay at home outside of dev."""
    public = [each for each in manifest.functions if each.visibility == "public"]
    return {
        "instance": settings.instance_name,
        "dev": settings.dev,
        "functions": [_describe(each, with_doc=settings.dev) for each in public],
    }


def _describe(function: FunctionManifest, *, with_doc: bool) -> dict[str, Any]:
    args = function.args
    fields = args.fields if isinstance(args, ObjectV) else ()
    return {
        "path": function.path,
        "kind": function.kind,
        "doc": function.doc if with_doc else "",
        "args": [
            {"name": each.name, "type": render_validator(each.validator), "optional": each.optional} for each in fields
        ],
        "returns": None if function.returns is None else render_validator(function.returns),
    }


@cache
def _page() -> tuple[str, str]:
    """The page and the content security policy that lets exactly its own style and script run."""
    assets = files("reactor.server") / "assets"
    style = (assets / "page.css").read_text("utf-8")
    script = (assets / "page.js").read_text("utf-8")
    page = (assets / "page.html").read_text("utf-8")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_source(style)}",
            f"script-src {_source(script)}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return page.replace("/*style*/", style).replace("/*script*/", script), policy


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
