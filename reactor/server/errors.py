"""How errors leave the house: the one table of HTTP statuses and WebSocket close codes."""

from __future__ import annotations

import json
import logging
import math

from starlette.responses import Response

from reactor.errors import BadRequest, CallerError, Forbidden, NotFound, OutOfRetention, Overloaded, Unauthenticated

_log = logging.getLogger("reactor.server")

INTERNAL = "InternalServerError"
INTERNAL_TEXT = "Your request couldn't be completed. Try again later."

_STATUS: dict[type[Exception], int] = {
    BadRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    OutOfRetention: 503,
    Overloaded: 503,
}
_STATUS_OF_CODE = {  # where the code says more than the class
    "BadDeployKey": 403,
    "MethodNotAllowed": 405,
    "RequestTooSlow": 408,
    "RequestTooLarge": 413,
    "TooManyAuthFailures": 429,
}

_CLOSE_CODES = {
    "ServerStopping": 1001,  # going away: clients reconnect and do not report it
    "BinaryFrame": 1003,
    # the client's own doing
    "WSMessageInvalidJson": 1008,
    "UnexpectedMessage": 1008,
    "BaseVersionMismatch": 1008,
    "InvalidQuerySet": 1008,
    "AuthError": 1008,
    "TokenExpired": 1008,
    "Unauthorized": 1008,
    "NoConnect": 1008,
    "TooManyFragments": 1008,
    "TooManyPings": 1008,
    # come back later
    "SlowReader": 1013,
    "StorageUnavailable": 1013,
    "TooMuchWriterTime": 1013,
    "TooManyConcurrentMutations": 1013,
    "TooManyInflightActionsForSingleClient": 1013,
    "TooManyConcurrentRequests": 1013,
    "TooManyAuthFailures": 1013,
    "ExpiredInQueue": 1013,
    "AuthProviderDiscoveryFailed": 1013,
}


def close_code(code: str) -> int:
    """The number a socket is closed with for a short code, which is the close's reason. Unknown codes are our bugs."""
    return _CLOSE_CODES.get(code, 1011)


def error_response(error: Exception) -> Response:
    """The answer to a request that was not carried out. An exception that is not ours is logged and not shown."""
    if isinstance(error, CallerError | Overloaded):
        status = _STATUS_OF_CODE.get(error.code) or _STATUS.get(type(error), 400)
        headers = {"Retry-After": str(math.ceil(error.retry_after))} if isinstance(error, Overloaded) else None
        return refusal(status, error.code, error.message, headers)
    _log.error("request failed", exc_info=error)
    return refusal(500, INTERNAL, INTERNAL_TEXT)


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """`{"code", "message"}` under a status: what clients expect of every answer that is not a result."""
    body = json.dumps({"code": code, "message": message}, ensure_ascii=True)
    return Response(body, status, headers, media_type="application/json")
