"""What an operator asks over HTTP besides calling functions (reference §5.2), always with the admin key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reactor.database.variable import VariableChange
from reactor.errors import BadRequest, Forbidden
from reactor.limits import Limits
from reactor.server.credentials import caller_of
from reactor.server.errors import error_response
from reactor.server.request_body import read_body
from reactor.server.verbs import Verbs
from reactor.storage.call_log import StoredCall

_CALLS = 1000  # records in an answer
_LOOK, _LONGEST_LOOK = 10.0, 60.0  # seconds a look at the profile keeps it counting
_WAIT = 30.0  # seconds; proxies cut what is silent for a minute
_NUMBERS = 1 << 53
_ENVELOPE = 64 << 10  # bytes a request may have beside the values
_ESCAPED = 6  # bytes one byte may take in JSON: \\u001b


class _Change(msgspec.Struct):
    name: str
    value: str | None = None


class _Changes(msgspec.Struct):
    changes: list[_Change]


class _Migrations(msgspec.Struct):
    names: list[str] = []
    restart: bool = False
    dry_run: bool = False
    status: bool = False  # only tell how far they are


_decode_migrations = msgspec.json.Decoder(_Migrations).decode
_decode_changes = msgspec.json.Decoder(_Changes).decode


class OperatorApi:
    """The operator's endpoints, as Starlette routes."""

    def __init__(self, verbs: Verbs, limits: Limits) -> None:
        self._verbs = verbs
        self._limits = limits
        self._most = limits.environment_size * _ESCAPED + _ENVELOPE

    def routes(self) -> list[BaseRoute]:
        """See the table of reference §5.2."""
        return [
            Route("/api/update_environment_variables", self._endpoint(self._change_variables), methods=["POST"]),
            Route("/api/_reactor/deploy", self._endpoint(self._deploy), methods=["POST"]),
            Route("/api/migrate", self._endpoint(self._migrate), methods=["POST"]),
            Route("/api/_reactor/profile", self._endpoint(self._profile), methods=["POST"]),
            Route("/api/stream_function_logs", self._endpoint(self._stream_calls), methods=["GET"]),
        ]

    def guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint, for whoever has the admin key."""
        return self._endpoint(answer)

    def _endpoint(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                if not (await caller_of(request, self._verbs)).admin:
                    raise Forbidden("BadDeployKey", "This needs the admin key of the server")
                return await answer(request)
            except Exception as error:  # noqa: BLE001 here, so that the answer passes through Cors
                return error_response(error)

        return endpoint

    async def _change_variables(self, request: Request) -> Response:
        body = await read_body(request, self._most)
        try:
            told = _decode_changes(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):  # whose text may quote a value
            raise BadRequest(
                "BadJsonBody", 'The body must be {"changes": [{"name": …, "value": …}, …]}; no value removes.'
            ) from None
        await self._verbs.change_variables([VariableChange(each.name, each.value) for each in told.changes])
        return Response(status_code=200)

    async def _deploy(self, request: Request) -> Response:
        """Ours: the body is a gzipped tar of a project's sources; `?dryRun=true` only says what it would change."""
        archive = await read_body(request, self._limits.deploy_size)
        dry_run = request.query_params.get("dryRun") == "true"
        delivery = await asyncio.shield(self._verbs.receive_code(archive, dry_run=dry_run))  # it ends, whoever leaves
        told = {
            "status": delivery.status,
            "digest": delivery.digest,
            "changes": [
                {"sign": each.sign, "what": each.what, "name": each.name, "notes": each.notes}
                for each in delivery.plan.changes
            ],
            "modules": delivery.plan.modules,
            "work": delivery.work,
            "warnings": delivery.warnings,
            "obstacle": delivery.obstacle,
        }
        return Response(orjson.dumps(told), media_type="application/json", headers={"Cache-Control": "no-store"})

    async def _migrate(self, request: Request) -> Response:
        """Ours. Answers when all have been run."""
        body = await read_body(request, _ENVELOPE)
        try:
            asked = _decode_migrations(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise BadRequest("BadJsonBody", f"The body must be an object with `names`: {error}") from None
        if asked.status:
            found = await self._verbs.migrations()
        else:
            found = await self._verbs.migrate(asked.names, restart=asked.restart, dry_run=asked.dry_run)
        return Response(orjson.dumps({"migrations": found}), media_type="application/json")

    async def _profile(self, request: Request) -> Response:
        """Ours: what functions cost since somebody looks; `?seconds=` keeps it counting for so long.

        `processor` is what this process has used in its life, user code not included: that runs in others.
        """
        seconds = min(_number(request, "seconds", _LOOK), _LONGEST_LOOK)
        told = {"functions": self._verbs.profile(seconds), "processor": time.process_time()}
        return Response(msgspec.json.encode(told), media_type="application/json", headers={"Cache-Control": "no-store"})

    async def _stream_calls(self, request: Request) -> Response:
        """Long poll. `limit` and `wait` (seconds) are ours: official clients send the cursor only."""
        cursor = _number(request, "cursor", 0)
        limit = min(_number(request, "limit", _CALLS), _CALLS)
        wait = min(_number(request, "wait", _WAIT), _WAIT)
        calls, next_cursor = await self._verbs.read_calls(int(cursor), int(limit), wait)
        told = {"entries": [entry_of(call) for call in calls], "newCursor": next_cursor}
        return Response(orjson.dumps(told), media_type="application/json", headers={"Cache-Control": "no-store"})


def _number(request: Request, name: str, otherwise: float) -> float:
    text = request.query_params.get(name)
    try:
        number = otherwise if text is None else float(text)
        if 0 <= number < _NUMBERS:
            return number
    except ValueError:
        pass
    raise BadRequest("BadQueryArgs", f"`{name}` must be a number from 0")


def entry_of(stored: StoredCall) -> dict[str, Any]:
    """A call as `npx convex logs` reads it."""
    call = stored.call
    return {
        "kind": "Completion",
        "udfType": call.kind[0].upper() + call.kind[1:],
        "identifier": call.path,
        "logLines": call.lines,
        "timestamp": call.at / 1000,
        "executionTimestamp": call.at / 1000 - call.seconds,
        "executionTime": call.seconds,
        "success": None,
        "error": call.error,
        "requestId": call.request,
        "executionId": f"{call.request}-{stored.number}",
        "cachedResult": False,
    }
