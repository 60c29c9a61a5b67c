"""Exports, backups and imports over HTTP (reference §5.2), always with the admin key.

How one stands is not asked here: that is a live query. Paths with `_reactor` are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal, TypeVar

import msgspec
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from reactor.errors import BadRequest
from reactor.server.request_body import read_body
from reactor.server.verbs import Verbs
from reactor.transfer.options import ExportOptions, ImportOptions

Endpoint = Callable[[Request], Awaitable[Response]]
T = TypeVar("T", bound=msgspec.Struct)
_BODY = 1 << 20
_STALL = 30.0  # seconds in which nothing of a part arrives


class _Wanted(msgspec.Struct, rename="camel"):
    format: Literal["zip", "jsonLines", "jsonArray", "csv"]
    mode: Literal["requireEmpty", "append", "replace", "replaceAll"] = "requireEmpty"
    table_name: str | None = None
    component_path: str | None = None
    schedules: bool = True  # ours


class _Finish(msgspec.Struct, rename="camel"):
    upload_token: str
    part_tokens: list[str]
    wanted: _Wanted = msgspec.field(name="import")


class _Named(msgspec.Struct, rename="camel"):
    import_id: str


class TransferApi:
    """The endpoints, as Starlette routes."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def routes(self, guarded: Callable[[Endpoint], Endpoint]) -> list[BaseRoute]:
        """See the table of reference §5.2."""
        posts: dict[str, Endpoint] = {
            "/api/export/request/zip": self._request_export,
            "/api/_reactor/export": self._request_export,
            "/api/_reactor/backup": self._request_backup,
            "/api/import/start_upload": self._start,
            "/api/import/upload_part": self._part,
            "/api/import/finish_upload": self._finish,
            "/api/perform_import": self._perform,
            "/api/cancel_import": self._cancel,
        }
        return [
            *(Route(path, guarded(endpoint), methods=["POST"]) for path, endpoint in posts.items()),
            Route("/api/export/zip/{ts}", guarded(self._download), methods=["GET"]),
        ]

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _request_export(self, request: Request) -> Response:
        told = request.query_params
        wanted = told.get("format", "zip")
        if wanted not in ("zip", "jsonl", "csv") or (wanted == "zip") == ("table" in told):
            raise BadRequest("BadQueryArgs", "`format` is zip, or jsonl or csv together with a `table`")
        options = ExportOptions(
            wanted,  # type: ignore[arg-type]  # it is one of them
            include_files=told.get("includeStorage") == "true",
            table=told.get("table"),
        )
        return _json({"id": await self._verbs.transfers.request_export(options)})

    async def _request_backup(self, request: Request) -> Response:
        del request
        return _json({"id": await self._verbs.transfers.request_backup()})

    async def _download(self, request: Request) -> Response:
        text = request.path_params["ts"]
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise BadRequest("BadQueryArgs", "The timestamp of an export is a number")
        found = self._verbs.transfers.product(int(text))
        headers = {"Content-Disposition": f"attachment; filename={found.name}", "Cache-Control": "no-store"}
        return FileResponse(found.path, media_type="application/octet-stream", headers=headers)

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _start(self, request: Request) -> Response:
        del request
        return _json({"uploadToken": self._verbs.transfers.start_upload()})

    async def _part(self, request: Request) -> Response:
        number = request.query_params.get("partNumber", "")
        if not (number.isascii() and number.isdigit() and len(number) < 7):
            raise BadRequest("BadQueryArgs", "`partNumber` must be a number from 1")
        await self._verbs.transfers.upload_part(
            request.query_params.get("uploadToken", ""), int(number), _body(request)
        )
        return _json(str(int(number)))

    async def _finish(self, request: Request) -> Response:
        told = await _read(request, _Finish)
        if told.wanted.component_path:
            raise BadRequest("UnknownComponent", "reactor has no components to import into")
        wanted = told.wanted
        if (wanted.format == "zip") == (wanted.table_name is not None):
            raise BadRequest("BadJsonBody", "A table is named for every format but zip")
        try:
            parts = [int(each) for each in told.part_tokens]
        except ValueError:
            raise BadRequest("ImportPartMissing", "Part tokens are those that the parts were answered with") from None
        options = ImportOptions(wanted.format, wanted.mode, wanted.table_name, wanted.schedules)
        return _json({"importId": await self._verbs.transfers.finish_upload(told.upload_token, parts, options)})

    async def _perform(self, request: Request) -> Response:
        self._verbs.transfers.confirm((await _read(request, _Named)).import_id)
        return Response(status_code=200)

    async def _cancel(self, request: Request) -> Response:
        self._verbs.transfers.cancel((await _read(request, _Named)).import_id)
        return Response(status_code=200)


async def _read(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await read_body(request, _BODY), type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest("BadJsonBody", f"The body is not what is expected here: {error}") from None


async def _body(request: Request) -> AsyncIterator[bytes]:
    """What is sent, as long as something is."""
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout(_STALL):
                piece = await anext(stream)
            yield piece
    except StopAsyncIteration:
        return
    except TimeoutError:
        raise BadRequest("RequestTooSlow", "The part did not arrive in time") from None
    except ClientDisconnect:
        raise BadRequest("ClientDisconnect", "The client went away before the part was complete") from None


def _json(tree: object) -> Response:
    return Response(orjson.dumps(tree), media_type="application/json", headers={"Cache-Control": "no-store"})
