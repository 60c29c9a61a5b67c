"""Functions over HTTP (reference §2.2): a call is one request, its outcome one JSON answer. No queue, no retry.

A function that fails is an answer like any other, status 200: clients take other statuses for trouble of the server.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reactor.auth.identity import Identity
from reactor.errors import BadRequest, InvalidValue, NotFound, Overloaded
from reactor.execution.frames import Failure, Outcome
from reactor.limits import Limits
from reactor.server.credentials import caller_of
from reactor.server.errors import INTERNAL, INTERNAL_TEXT, error_response, refusal
from reactor.server.request_body import read_body
from reactor.server.settings import ServerSettings
from reactor.server.verbs import Verbs
from reactor.sync.client_info import ClientInfo
from reactor.sync.codec import json_text
from reactor.sync.error_text import error_message, shown_log_lines
from reactor.values.timestamp import decode_ts, encode_ts
from reactor.values.value import decode, to_clean_json

_ENVELOPE = 2000  # bytes a request may have beside its arguments
_REQUEST_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ENCODED = frozenset(("convex_encoded_json", "convex_json"))
_CLEAN = frozenset(("json", "convex_clean_json"))
_UNKNOWN_CLIENT = ClientInfo()
_FIRST_CLEAN = {"npm": (1, 4, 1), "npm-cli": (1, 4, 1), "python": (0, 5, 0)}  # releases that read clean JSON


class Verb(Protocol):
    """One of Verbs' calls."""

    async def __call__(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome: ...


class _Body(msgspec.Struct, rename="camel"):
    """What the endpoints take; unknown fields are ignored."""

    path: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")
    format: str | None = None
    component_path: str | None = None
    ts: str | None = None  # of query_at_ts
    queries: list[_Body] | None = None  # of query_batch


Spelling = Callable[[bytes], bytes]
Submit = Callable[[str, bytes, Callable[[Outcome], None]], None]
"""Runs a function, given as path and encoded arguments, for nobody in particular; calls back once, or raises."""

Answer = Callable[[Response], None]


class _CallBody(msgspec.Struct, frozen=True, gc=False):
    """A checked request: `args` is the encoded JSON of one object."""

    path: str
    args: bytes
    spell: Spelling  # of the values in the answer


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_args = msgspec.json.Decoder(list[msgspec.Raw]).decode


class HttpApi:
    """The function endpoints, as Starlette routes."""

    def __init__(self, verbs: Verbs, settings: ServerSettings, limits: Limits) -> None:
        self._verbs = verbs
        self._redact = settings.redact
        self._most = limits.arguments_size + _ENVELOPE

    def routes(self) -> list[BaseRoute]:
        """See the table of reference §2.2."""
        verbs = self._verbs
        return [
            Route("/api/query", self._endpoint(verbs.call_query), methods=["POST"]),
            Route("/api/query", self._endpoint(verbs.call_query, _from_address), methods=["GET"]),
            Route("/api/query_ts", self._timestamp, methods=["POST"]),
            Route("/api/query_at_ts", self._query_at, methods=["POST"]),
            Route("/api/query_batch", self._query_batch, methods=["POST"]),
            Route("/api/mutation", self._endpoint(verbs.call_mutation), methods=["POST"]),
            Route("/api/action", self._endpoint(verbs.call_action), methods=["POST"]),
            Route("/api/function", self._endpoint(verbs.call_function), methods=["POST"]),
            Route("/api/run/{path:path}", self._endpoint(verbs.call_function, _from_path), methods=["POST"]),
        ]

    def call_at_once(
        self, submit: Submit, body: bytes, client_header: str | None, asked_id: str, answer: Answer
    ) -> None:
        """What the endpoints of queries and mutations do for a caller that shows no credential, without a coroutine.

        `answer` is called once, possibly at once.
        """

        def done(outcome: Outcome) -> None:
            try:
                response = _refused(outcome) or _json(self._result(outcome, call.spell, asked_id))
            except Exception as error:  # noqa: BLE001 as in the endpoints
                response = error_response(error)
            answer(response)

        try:
            call = _call_of(_parse(body), client_header)
            submit(call.path, call.args, done)
        except Exception as error:  # noqa: BLE001 as in the endpoints
            answer(error_response(error))

    def _endpoint(
        self, verb: Verb, read: Callable[[Request, bytes], _CallBody] | None = None
    ) -> Callable[[Request], Awaitable[Response]]:
        reader = read or _from_body

        async def endpoint(request: Request) -> Response:
            try:
                body = b"" if request.method == "GET" else await read_body(request, self._most)
                call = reader(request, body)
                caller = await caller_of(request, self._verbs)
                outcome = await verb(call.path, call.args, caller.identity, internal=caller.admin)
                refused = _refused(outcome)
                return refused or _json(self._result(outcome, call.spell, _asked_id(request)))
            except Exception as error:  # noqa: BLE001 here, so that the answer passes through Cors
                return error_response(error)

        return endpoint

    # ── queries of one moment (reference §2.3) ────────────────────────────────────────────────────────────────────────

    async def _timestamp(self, request: Request) -> Response:
        """The moment that the queries of a client may all be asked of."""
        del request
        return _json(b'{"ts":"%b"}' % encode_ts(self._verbs.head).encode())

    async def _query_at(self, request: Request) -> Response:
        try:
            body = await read_body(request, self._most)
            call = _from_body(request, body)
            ts = _timestamp_in(body)
            caller = await caller_of(request, self._verbs)
            outcome = await self._verbs.call_query_at(call.path, call.args, caller.identity, ts, internal=caller.admin)
            refused = _refused(outcome)
            return refused or _json(self._result(outcome, call.spell, _asked_id(request)))
        except Exception as error:  # noqa: BLE001 here, so that the answer passes through Cors
            return error_response(error)

    async def _query_batch(self, request: Request) -> Response:
        try:
            calls = _queries_in(request, await read_body(request, self._most))
            caller = await caller_of(request, self._verbs)
            outcomes = await self._verbs.call_queries(
                [(call.path, call.args) for call in calls], caller.identity, internal=caller.admin
            )
            for outcome in outcomes:
                if (refused := _refused(outcome)) is not None:
                    return refused
            results = (
                self._result(outcome, call.spell, _asked_id(request))
                for call, outcome in zip(calls, outcomes, strict=True)
            )
            return _json(b'{"results":[%b]}' % b",".join(results))
        except Exception as error:  # noqa: BLE001 here, so that the answer passes through Cors
            return error_response(error)

    # ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _result(self, outcome: Outcome, spell: Spelling, asked_id: str) -> bytes:
        """The result object of a call that was run; `asked_id` is what the client would have the request named."""
        lines = shown_log_lines(outcome.log_lines, self._redact)
        logs = b',"logLines":' + json_text(lines) if lines else b""
        if outcome.failure is None:
            assert outcome.value is not None
            return b'{"status":"success","value":%b%b}' % (spell(outcome.value), logs)
        named = _REQUEST_ID.fullmatch(asked_id) is not None
        request_id = asked_id if named else self._verbs.request_name(outcome.call)
        return self._failure(outcome.failure, spell, request_id, logs)

    def _failure(self, failure: Failure, spell: Spelling, request_id: str, logs: bytes) -> bytes:
        text = json_text(error_message(request_id, failure, self._redact))
        data = b""
        if failure.data is not None:
            data = b',"errorData":' + spell(failure.data)
        return b'{"status":"error","errorMessage":%b%b%b}' % (text, data, logs)


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _from_body(request: Request, body: bytes) -> _CallBody:
    return _call_of(_parse(body), request.headers.get("convex-client"))


def _queries_in(request: Request, body: bytes) -> list[_CallBody]:
    """`{"queries": [call, …]}`."""
    fields = _parse(body)
    if fields.queries is None:
        raise BadRequest("BadJsonBody", "The body has no `queries`")
    return [_call_of(each, request.headers.get("convex-client")) for each in fields.queries]


def _timestamp_in(body: bytes) -> int:
    text = _parse(body).ts
    if text is None:
        raise BadRequest("BadJsonBody", "The body has no `ts`: take one from /api/query_ts")
    try:
        return decode_ts(text)
    except InvalidValue:
        raise BadRequest("BadJsonBody", "`ts` is no timestamp: take one from /api/query_ts") from None


def _call_of(fields: _Body, client_header: str | None) -> _CallBody:
    if fields.path is None:
        raise BadRequest("BadJsonBody", "The body has no `path`: which function?")
    args = bytes(fields.args)
    if not args.startswith(b"{"):  # else it is one object: it was cut out of a text that was read
        args = _one_object(fields.args)
    return _CallBody(fields.path, args, _spelling(fields.format, client_header))


def _from_address(request: Request, body: bytes) -> _CallBody:
    """`GET /api/query?path=&args=&format=`."""
    del body
    query = request.query_params
    path = query.get("path")
    if path is None:
        raise BadRequest("BadQueryArgs", "The address has no `path`: which function?")
    args = _one_object(msgspec.Raw(query.get("args", "{}").encode()))
    return _CallBody(path, args, _spelling(query.get("format"), request.headers.get("convex-client")))


def _from_path(request: Request, body: bytes) -> _CallBody:
    """`POST /api/run/dir/module/fn`: the address names the function, and plain JSON is what everybody gets."""
    segments = request.path_params["path"].split("/")
    if len(segments) < 2 or not all(segments):
        raise BadRequest("MissingIdentifier", "The address must be /api/run/<module>/<function>")
    fields = _parse(body or b"{}")
    path = "/".join(segments[:-1]) + ":" + segments[-1]
    return _CallBody(
        path, _one_object(fields.args), _spelling(fields.format or "json", request.headers.get("convex-client"))
    )


def _parse(body: bytes) -> _Body:
    try:
        body.decode()
        fields = _decode_body(body)
    except msgspec.ValidationError as error:
        raise BadRequest("BadJsonBody", f"The body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest("BadJsonBody", "The body is not JSON") from None
    for each in (fields, *(fields.queries or ())):
        if each.component_path:
            raise NotFound("ComponentNotFound", "This server has no components")
    return fields


def _one_object(args: msgspec.Raw) -> bytes:
    """The object in `args`, which may stand alone or in an array of one."""
    data = bytes(args).strip()
    try:
        items = _decode_args(data if data.startswith(b"[") else b"[%b]" % data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        items = []
    if len(items) == 1:
        data = bytes(items[0])
        if data.startswith(b"{"):
            return data
    raise BadRequest("BadJsonBody", "`args` must be an object, or an array that holds one")


def _asked_id(request: Request) -> str:
    return request.headers.get("convex-request-id", "")


def _spelling(format_name: str | None, client_header: str | None) -> Spelling:
    client = ClientInfo.of_header(client_header) if client_header else _UNKNOWN_CLIENT
    if format_name not in (None, *_ENCODED, *_CLEAN):
        raise BadRequest("BadFormat", f"Unknown format {format_name!r}: take convex_encoded_json or json")
    if format_name in _CLEAN or (format_name is None and client.version >= _FIRST_CLEAN.get(client.name, (0, 0, 0))):
        return _cleaned
    return _fractional if client.name == "python" else bytes


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _refused(outcome: Outcome) -> Response | None:
    """The answer to a call that was not carried out, through no fault of the function's."""
    failure = outcome.failure
    if failure is None:
        return None
    if failure.retry:
        return error_response(Overloaded(failure.code, failure.text))
    return refusal(500, INTERNAL, INTERNAL_TEXT) if failure.code == INTERNAL else None


class _Json(Response):
    """A result: always with the same headers, which are spelt once."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        del headers
        self.raw_headers = [*_HEADERS, (b"content-length", b"%d" % len(self.body))]


_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


def _json(body: bytes) -> Response:
    return _Json(body)


def _cleaned(data: bytes) -> bytes:
    if b'"$' not in data:  # no special value: what a runner wrote is plain JSON as it is
        return data
    return orjson.dumps(to_clean_json(decode(data)))


def _fractional(data: bytes) -> bytes:
    """The same values, every number with a fraction: the Python HTTP client takes `1` for no number of Convex's."""
    return orjson.dumps(_floats(orjson.loads(data)))


def _floats(tree: Any) -> Any:
    if type(tree) is int:
        return float(tree)
    if isinstance(tree, dict):
        return {key: _floats(item) for key, item in tree.items()}
    return [_floats(item) for item in tree] if isinstance(tree, list) else tree
