"""Who makes an HTTP request, from its `Authorization` header or `?adminKey=` (reference §2.1)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

from starlette.requests import Request

from reactor.auth.identity import Identity
from reactor.errors import BadRequest, InvalidValue
from reactor.server.verbs import Verbs

_SHORTEST = len("Convex ")


@dataclass(frozen=True, slots=True)
class Caller:
    """`identity` is what functions see; `admin` may reach internal functions."""

    identity: Identity | None = None
    admin: bool = False


async def caller_of(request: Request, verbs: Verbs) -> Caller:
    """Raises BadRequest for a header that cannot be read, Unauthenticated for a credential that does not hold,
    Overloaded when that cannot be told just now.

    A request without one is nobody's, and may call public functions.
    """
    header = request.headers.get("authorization")
    if header is None:
        key = request.query_params.get("adminKey")
        return Caller() if key is None else _admin(key, verbs, request)
    if len(header) < _SHORTEST:
        raise BadRequest("InvalidHeaderFailure", "The Authorization header is too short to be one")
    scheme, _, credential = header.partition(" ")
    match scheme.lower():
        case "bearer":
            return Caller((await verbs.identify_user(credential.strip())).identity)
        case "convex":
            return _admin(credential.strip(), verbs, request)
        case _:
            raise BadRequest("InvalidAdminKey", "The Authorization header must be `Bearer <token>` or `Convex <key>`")


def _admin(credential: str, verbs: Verbs, request: Request) -> Caller:
    name, bar, secret = credential.rpartition("|")  # "type:name|secret": only the secret's colon parts
    secret, colon, encoded = secret.partition(":")
    acting_as = None
    if colon:
        try:
            acting_as = b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest("HeaderParseFailure", "The identity to act as is not base64") from None
    try:
        address = "" if request.client is None else request.client.host
        return Caller(verbs.identify_admin(name + bar + secret, acting_as, address), admin=True)
    except InvalidValue as error:
        raise BadRequest("HeaderParseFailure", str(error)) from None
