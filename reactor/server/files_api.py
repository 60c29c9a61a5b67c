"""Files over HTTP (reference §2.6): `POST /api/storage/upload?token=…` and `GET /api/storage/<uuid>`.

Bytes pass through a piece at a time, in both directions; nothing here holds a file, and a client that takes or sends
nothing for a while is let go. What a browser is told of a file: `files/content_type.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from reactor.errors import BadRequest
from reactor.files.blob_store import KEY, BlobMissing
from reactor.files.byte_range import ByteRange, NotSatisfiable, range_of
from reactor.files.checksum import sha256_of_header
from reactor.files.content_type import is_content_type, safe_headers
from reactor.keeper.keeper import FoundFile, Upload
from reactor.limits import Limits
from reactor.server.departure import break_off, left
from reactor.server.errors import error_response
from reactor.server.verbs import Verbs

_READABLE = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, Digest, ETag"  # by scripts of other origins
)
_CACHE = "private, max-age=2592000"


class FilesApi:
    """The two endpoints, as Starlette routes."""

    def __init__(self, verbs: Verbs, limits: Limits) -> None:
        self._verbs = verbs
        self._limits = limits

    def routes(self) -> list[BaseRoute]:
        """The upload's first: `upload` is no UUID."""
        return [
            Route("/api/storage/upload", self._upload, methods=["POST"]),
            Route("/api/storage/{key:path}", self._download, methods=["GET"]),  # and HEAD
        ]

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _upload(self, request: Request) -> Response:
        try:
            self._verbs.check_upload_token(request.query_params.get("token", ""))
            upload = _upload_of(request.headers)
            self._check_length(request.headers)
            stored = await self._verbs.store_file(self._body(request), upload)
            body = orjson.dumps({"storageId": stored})
            return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
        except Exception as error:  # noqa: BLE001 here, so that the answer passes through Cors
            return error_response(error)

    def _check_length(self, headers: Headers) -> None:
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or len(announced) > 18 or int(announced) > self._limits.file_size:
            raise BadRequest("RequestTooLarge", f"The file is larger than {self._limits.file_size} bytes")

    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        """What is sent, as long as something is. A body that ends before its announced length raises."""
        stream = request.stream()
        limits, loop = self._limits, asyncio.get_running_loop()
        end = loop.time() + limits.file_token_life  # a URL holds no longer, nor does what came by it
        try:
            while True:
                async with asyncio.timeout_at(min(end, loop.time() + limits.file_stall)):
                    piece = await anext(stream)
                yield piece
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise BadRequest("RequestTooSlow", "The file did not arrive in time") from None
        except ClientDisconnect:
            raise BadRequest("ClientDisconnect", "The client went away before the file was complete") from None

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _download(self, request: Request) -> Response:
        try:
            found = await self._verbs.find_file(_key_in(request.path_params["key"]))
            answer = answer_to(found, request.headers)
            if answer.part is None or request.method == "HEAD":
                return Response(status_code=answer.status, headers=answer.headers)
            body = await self._verbs.read_file(found.key, *answer.part)
            return _Streamed(answer, body, self._limits.http_stall)
        except Exception as error:  # noqa: BLE001 here, so that the answer passes through Cors
            return error_response(error)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request for a file is answered; `part` is what of the file is sent, None when there is no body."""

    status: int
    headers: dict[str, str]
    part: ByteRange | None = None


def answer_to(found: FoundFile, request: Headers) -> Answer:
    """The whole file, a part of it, or the word that the client has it already."""
    tag = f'"{found.sha256}"'
    headers = {
        "ETag": tag,
        "Cache-Control": _CACHE,
        "Accept-Ranges": "bytes",
        "Access-Control-Expose-Headers": _READABLE,
        **safe_headers(found.content_type),
    }
    if _names(request.get("if-none-match"), tag):
        return Answer(304, headers)
    wanted = request.get("range") if request.get("if-range", tag) == tag else None
    try:
        part = range_of(wanted, found.size)
    except NotSatisfiable:
        return Answer(416, {**headers, "Content-Range": f"bytes */{found.size}", "Content-Length": "0"})
    if part is None:
        headers |= {"Content-Length": str(found.size), "Digest": f"sha-256={found.sha256}"}
        return Answer(200, headers, ByteRange(0, found.size))
    headers |= {
        "Content-Length": str(part.end - part.start),
        "Content-Range": f"bytes {part.start}-{part.end - 1}/{found.size}",
    }
    return Answer(206, headers, part)


def _upload_of(headers: Headers) -> Upload:
    content_type = headers.get("content-type") or None  # a browser that does not know it sends an empty one
    if content_type is not None and not is_content_type(content_type):
        raise BadRequest("InvalidContentType", "The Content-Type is no media type")
    try:
        return Upload(content_type, sha256_of_header(headers.get("digest")))
    except ValueError:
        raise BadRequest("InvalidDigest", "The Digest must be `sha-256=` and the hash in base64") from None


def _key_in(text: str) -> str:
    """A UUID in its usual spelling, in whatever case. What is none never gets near a path."""
    key = text.lower()
    if not KEY.fullmatch(key):
        raise BadRequest("InvalidStoragePath", "The address of a file ends in a UUID")
    return str(UUID(key))


def _names(header: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names the tag."""
    if header is None:
        return False
    return any(each.strip().removeprefix("W/") in (tag, "*") for each in header.split(","))


class _Streamed(Response):
    """An answer whose body comes in pieces. Broken off when the file cannot be read on, or nobody takes it."""

    def __init__(self, answer: Answer, body: AsyncGenerator[bytes, None], stall: float) -> None:
        super().__init__(status_code=answer.status, headers=answer.headers)
        self._pieces = body
        self._stall = stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.ensure_future(left(receive))
        sending = asyncio.ensure_future(self._send(send))
        try:
            await asyncio.wait((leaving, sending), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not sending.result():
                await break_off(scope.get("reactor.transport"), leaving)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._pieces.aclose()

    async def _send(self, send: Send) -> bool:
        """False when the client has only a part of the body, and will not get the rest."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for piece in self._pieces:
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                await asyncio.wait_for(send(message), self._stall)
        except (TimeoutError, OSError, BlobMissing):
            return False
        await send({"type": "http.response.body"})
        return True
