"""Whether a token holds, and whose it is (RFC 7515, 7519, 8725; reference §4.10). Keys and the time are arguments.

Three steps, so that nothing is fetched for a token that could not hold anyway:

    Token.parse(text)                      what it says: strictly one form, nothing believed yet
    provider_for(token, providers)         whose it claims to be
    verify(token, keys, now, provider)     believed, or refused

The library checks signatures and nothing else. Which algorithm is used is the provider's decision, which key may be
used with it the key set's (key_set.py); the token's header only has to agree. What points elsewhere in a header (`jku`,
`x5u`, `jwk` …) is never read.

Refusals are Unauthenticated with the code of reference §2.1: InvalidAuthHeader, NoAuthProvider, TokenExpired.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reactor.auth.claims import identity_of
from reactor.auth.identity import Identity
from reactor.auth.key_set import KeySet
from reactor.auth.provider import Algorithm, CustomJwt, Provider
from reactor.errors import InvalidValue, Unauthenticated
from reactor.limits import DEFAULT_LIMITS, Limits

EXPIRED = "Convex token identity expired"  # clients' words for it (reference §1.12)

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_LONGEST_KID = 512
_LATEST = 253_402_300_800  # the year 10000: no token means it
_KINDS = frozenset(("jwt", "at+jwt"))  # `typ`: tokens that name users; logout+jwt, secevent+jwt, dpop+jwt … do not
_NOT_OURS = ("crit", "b64", "cty", "zip", "enc")  # header fields that change what a token means


@dataclass(frozen=True, slots=True)
class Token:
    """What a JWT says. Believe it only after `verify`."""

    algorithm: str
    kid: str | None
    claims: Mapping[str, Any]
    issuer: str
    audiences: tuple[str, ...]
    message: bytes  # what was signed
    signature: bytes

    @classmethod
    def parse(cls, text: str, limits: Limits = DEFAULT_LIMITS) -> Token:
        """Take it apart. There is one way to spell a token: canonical base64url, UTF-8, JSON without repeated names."""
        if len(text) > limits.token_size:
            raise _refused(f"The token is longer than {limits.token_size} characters")
        parts = _FORM.fullmatch(text)
        if parts is None:
            raise _refused("Could not parse the token: a JWT has three base64url-encoded parts separated by dots")
        header, claims = _json_object(parts[1], "header"), _json_object(parts[2], "payload")
        _check_header(header)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not issuer:
            raise _refused(
                "The token has no issuer: `iss` must be a text that matches a provider of functions/auth_config.py"
            )
        return cls(
            header["alg"],
            header.get("kid"),
            claims,
            issuer,
            _audiences(claims.get("aud")),
            text[: parts.end(2)].encode(),
            _bytes(parts[3], "signature"),
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that holds: who it names, and until when (seconds since the epoch)."""

    identity: Identity
    expires: float


def provider_for(token: Token, providers: Sequence[Provider]) -> Provider:
    """The first provider whose issuer and audience the token names."""
    for provider in providers:
        if provider.accepts(token.issuer, token.audiences):
            return provider
    if not providers:
        raise Unauthenticated(
            "NoAuthProvider",
            "No auth provider found matching the given token (no providers configured). Check functions/auth_config.py.",
        )
    known = ", ".join(map(str, providers))
    raise Unauthenticated(
        "NoAuthProvider",
        "No auth provider found matching the given token. Check that your JWT's issuer and audience match one of your "
        f"configured providers: [{known}]",
    )


def check_signable(token: Token, provider: Provider) -> Algorithm:
    """The algorithm to verify with, if this provider may have signed the token at all."""
    if token.algorithm not in provider.algorithms:
        allowed = " or ".join(sorted(provider.algorithms))
        raise _refused(f"The token is not signed in the provider's way: `alg` must be {allowed}")
    if isinstance(provider, CustomJwt) and token.kid is None:
        raise _refused("Could not decode token. JWT may be missing a 'kid' (key ID) header.")
    return token.algorithm


def verify(token: Token, keys: KeySet, now: float, provider: Provider, limits: Limits = DEFAULT_LIMITS) -> Verified:
    """Believe the token, or refuse it. `now` is in seconds since the epoch."""
    algorithm = check_signable(token, provider)
    if not provider.accepts(token.issuer, token.audiences):
        raise _refused("The token's issuer or audience is not the provider's")
    candidates = keys.named(token.kid, algorithm)
    if not candidates or (token.kid is None and len(candidates) > 1):
        which = "names no key (`kid`)" if token.kid is None else "names a key (`kid`)"
        raise _refused(f"Could not decode token. It {which} and the provider's keys have {len(candidates)} that fit")
    if not any(key.signed(token.message, token.signature) for key in candidates):
        raise _refused("Could not verify the token: its signature does not hold")
    expires = _checked_times(token.claims, now, provider, limits)
    subject = token.claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise _refused("The token has no subject: `sub` must be a text")
    try:
        return Verified(identity_of(token.claims, provider), expires)
    except InvalidValue as error:
        raise _refused(f"The token's claims cannot be read: {error}") from None


# ── the form ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _json_object(part: str, what: str) -> dict[str, Any]:
    try:
        tree = json.loads(
            _bytes(part, what).decode(),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits),
        )
    except (ValueError, RecursionError):  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise _refused(f"Could not parse the token: its {what} is not JSON") from None
    if not isinstance(tree, dict):
        raise _refused(f"Could not parse the token: its {what} is not a JSON object")
    return tree


def _bytes(part: str, what: str) -> bytes:
    """Decode base64url, refusing other spellings of the same bytes."""
    try:
        data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        data = b""
    if urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise _refused(f"Could not parse the token: its {what} is not base64url")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a name is repeated")
    return tree


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check_header(header: Mapping[str, Any]) -> None:
    for name in _NOT_OURS:
        if name in header:
            raise _refused(f"The token's header has `{name}`, which this server does not understand")
    if not isinstance(header.get("alg"), str):
        raise _refused("The token's header has no `alg`")
    kid = header.get("kid")
    if "kid" in header and not (isinstance(kid, str) and 0 < len(kid) <= _LONGEST_KID):
        raise _refused("The token's `kid` is no name of a key")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _KINDS:
        raise _refused("The token is of another kind: its `typ` must be JWT")


def _audiences(claim: Any) -> tuple[str, ...]:
    if claim is None:
        return ()
    listed = claim if isinstance(claim, list) else [claim]
    if not all(isinstance(each, str) for each in listed):
        raise _refused("The token's `aud` must be a text or a list of texts")
    return tuple(listed)


# ── the times ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _checked_times(claims: Mapping[str, Any], now: float, provider: Provider, limits: Limits) -> float:
    """When the token expires, if its times hold now."""
    leeway = limits.token_leeway
    expires = _time(claims, "exp")
    issued = _time(claims, "iat")
    not_before = _time(claims, "nbf")
    if expires is None:
        raise _refused("The token never expires: `exp` is missing")
    if issued is None and not isinstance(provider, CustomJwt):
        raise _refused("The token does not say when it was made: `iat` is missing")
    if issued is not None and issued > now + leeway:
        raise _refused("The token was made in the future: look at `iat`, and at the clocks of both machines")
    if not_before is not None and not_before > now + leeway:
        raise _refused("The token does not hold yet: look at `nbf`, and at the clocks of both machines")
    if expires + leeway <= now:
        raise Unauthenticated("TokenExpired", f"{EXPIRED}. Fetch a new token.")
    if expires - (now if issued is None else issued) > limits.token_lifetime:
        raise _refused("The token lives too long: `exp` is too far from `iat`. See the setting `token_lifetime`")
    return expires + leeway


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise _refused(f"The token's `{name}` is no time: it must be a number of seconds")
    return float(value)


def _refused(text: str) -> Unauthenticated:
    return Unauthenticated("InvalidAuthHeader", text)
