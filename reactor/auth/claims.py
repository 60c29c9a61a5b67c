"""From a token's claims to the attributes of an Identity (reference §4.10). The token is verified elsewhere (jwt.py).

What a provider says in a form we do not know is converted or left out, never refused: a user must not be locked out
because a profile picture is a number. What names the user is not taken from a custom claim, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from reactor.auth.identity import STANDARD_TYPES, Identity
from reactor.auth.provider import Oidc, Provider
from reactor.errors import InvalidValue
from reactor.values.value import check_value

_STANDARD = {  # claim of OpenID Connect → attribute
    "name": "name",
    "given_name": "givenName",
    "family_name": "familyName",
    "nickname": "nickname",
    "preferred_username": "preferredUsername",
    "profile": "profileUrl",
    "picture": "pictureUrl",
    "website": "websiteUrl",
    "email": "email",
    "email_verified": "emailVerified",
    "gender": "gender",
    "birthdate": "birthday",
    "zoneinfo": "timezone",
    "locale": "language",
    "phone_number": "phoneNumber",
    "phone_number_verified": "phoneNumberVerified",
    "address": "address",
    "updated_at": "updatedAt",
}
_REGISTERED = frozenset(("iss", "sub", "aud", "exp", "nbf", "iat", "jti"))  # RFC 7519: of the token, not of the user
_CHANGING = frozenset(("fva",))  # Clerk's minutes since the last factor: another identity with every token
_OF_THE_ID_TOKEN = frozenset(("auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash"))
_NAMES = frozenset(("tokenIdentifier", "issuer", "subject"))
_EXACT = 2**53 - 1  # past it whole numbers are floats to every client


def identity_of(claims: Mapping[str, Any], provider: Provider) -> Identity:
    """The user that verified claims speak of. `iss` and `sub` are texts."""
    dropped = _REGISTERED | _CHANGING
    if isinstance(provider, Oidc):
        attributes = {_STANDARD[name]: _converted(name, value) for name, value in claims.items() if name in _STANDARD}
        custom = {
            name: value for name, value in claims.items() if name not in dropped | _OF_THE_ID_TOKEN | set(_STANDARD)
        }
    else:
        attributes = {}
        custom = dict(_flattened({name: value for name, value in claims.items() if name not in dropped}))
    attributes = {name: value for name, value in attributes.items() if value is not None}
    for name, value in custom.items():
        if name not in _NAMES and name not in attributes and _fits(name, value):
            attributes[name] = _readable(value)
    return Identity.from_attributes(attributes | {"issuer": claims["iss"], "subject": claims["sub"]})


def _converted(claim: str, value: Any) -> str | bool | None:
    """The attribute's value, or None if the claim says nothing that can be one."""
    match claim, value:
        case "address", {"formatted": str(text)}:
            return text
        case "updated_at", int() | float() if not isinstance(value, bool):
            return _rfc3339(value)
        case "email_verified" | "phone_number_verified", bool(truth):
            return truth
        case "email_verified" | "phone_number_verified", "true" | "false":  # Cognito and Apple spell it as a text
            return bool(value == "true")
        case "email_verified" | "phone_number_verified", _:
            return None
    return value if isinstance(value, str) and _fits(_STANDARD[claim], value) else None


def _rfc3339(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def _flattened(claims: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Objects inside objects, their names joined by dots."""
    for name, value in claims.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _fits(name: str, value: Any) -> bool:
    """Whether the claim can be an attribute: a Value, under a name that a Value's field may have."""
    expected = STANDARD_TYPES.get(name)
    if value is None or (expected is not None and not isinstance(value, expected)):
        return False
    try:
        check_value({name: _readable(value)}, what="The claim")
    except InvalidValue:
        return False
    return True


def _readable(value: Any) -> Any:
    """The value with whole numbers that no client can read exactly as the floats those clients would see."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_EXACT <= value <= _EXACT else float(value)
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {name: _readable(item) for name, item in value.items()}
    return value
