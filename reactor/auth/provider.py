"""Who may sign tokens: the records `Oidc` and `CustomJwt` of functions/auth_config.py (reference §4.10).

A record that exists can be used: what it says was checked when it was made. Fetching keys is not done here.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeGuard, cast
from urllib.parse import unquote_to_bytes, urlsplit

from reactor.errors import DefinitionError

Algorithm: TypeAlias = Literal["RS256", "ES256", "EdDSA"]

_ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")
_OIDC_ALGORITHMS: frozenset[Algorithm] = frozenset(("RS256", "EdDSA"))
_JWKS_SIZE = 65_536  # characters of a data: URI; fetched sets have the same limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """An OpenID Connect provider: Clerk, Auth0, WorkOS, Google and most others.

    Its keys are found through `<domain>/.well-known/openid-configuration`. Tokens must name the domain as their issuer
    and the application id among their audiences.
    """

    domain: str  # "https://your-app.clerk.accounts.dev"; `https://` may be left out
    application_id: str  # the `aud` of tokens meant for this application

    def __post_init__(self) -> None:
        _check_text("Oidc", "domain", self.domain)
        _check_text("Oidc", "application_id", self.application_id)
        _check_address("Oidc", "domain", self.issuer)

    @property
    def issuer(self) -> str:
        """The issuer as an address, without a slash at its end."""
        return issuer_address(self.domain)

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """How its tokens may be signed."""
        return _OIDC_ALGORITHMS

    def accepts(self, issuer: str, audiences: Sequence[str]) -> bool:
        """Whether a token that says this of itself is this provider's to verify."""
        return issuer_address(issuer) == self.issuer and self.application_id in audiences

    def __str__(self) -> str:
        return f"OIDC(domain={self.domain}, app_id={self.application_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomJwt:
    """Anybody who signs JWTs and publishes the keys, without the rest of OpenID Connect.

    `jwks` is where the keys are: an https address, or a `data:` URI that holds them. Keys and tokens must have a `kid`.
    Without an application id, tokens that the issuer made for other applications are accepted too.
    """

    issuer: str
    jwks: str
    algorithm: Algorithm = "RS256"
    application_id: str | None = None

    def __post_init__(self) -> None:
        _check_text("CustomJwt", "issuer", self.issuer)
        _check_text("CustomJwt", "jwks", self.jwks, _JWKS_SIZE)
        if self.application_id is not None:
            _check_text("CustomJwt", "application_id", self.application_id)
        if self.algorithm not in _ALGORITHMS:
            raise DefinitionError(
                f"CustomJwt: `algorithm` must be one of {', '.join(_ALGORITHMS)}, not {self.algorithm!r}."
            )
        if self.jwks.startswith("data:"):
            data_of(self.jwks)
        else:
            _check_address("CustomJwt", "jwks", self.jwks)

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """How its tokens may be signed."""
        return frozenset((self.algorithm,))

    def accepts(self, issuer: str, audiences: Sequence[str]) -> bool:
        """Whether a token that says this of itself is this provider's to verify."""
        if self.application_id is not None and self.application_id not in audiences:
            return False
        return issuer_address(issuer) == issuer_address(self.issuer)

    def __str__(self) -> str:
        return f"CustomJWT(issuer={self.issuer}, app_id={self.application_id or 'none'})"


Provider: TypeAlias = Oidc | CustomJwt


def holds_keys(provider: Provider) -> TypeGuard[CustomJwt]:
    """Whether the record holds the keys themselves."""
    return isinstance(provider, CustomJwt) and provider.jwks.startswith("data:")


def to_tree(provider: Provider) -> dict[str, Any]:
    """The record as JSON."""
    if isinstance(provider, Oidc):
        return {"type": "oidc", "domain": provider.domain, "application_id": provider.application_id}
    return {
        "type": "customJwt",
        "issuer": provider.issuer,
        "jwks": provider.jwks,
        "algorithm": provider.algorithm,
        "application_id": provider.application_id,
    }


def from_tree(tree: dict[str, Any]) -> Provider:
    """The record that `to_tree` wrote."""
    fields = {name: value for name, value in tree.items() if name != "type"}
    return Oidc(**fields) if tree["type"] == "oidc" else CustomJwt(**fields)


def issuer_address(issuer: str) -> str:
    """Two names of one issuer give the same address: `https://` may be missing, one slash may end it (reference §4.10)."""
    address = issuer if issuer.startswith(("https://", "http://")) else f"https://{issuer}"
    return address.removesuffix("/")


def data_of(uri: str) -> bytes:
    """What a `data:` URI holds. Raises DefinitionError."""
    head, comma, body = uri.partition(",")
    if comma:
        try:
            data = unquote_to_bytes(body)
            return b64decode(data, validate=True) if head.endswith(";base64") else data
        except (binascii.Error, ValueError):
            pass
    raise DefinitionError("CustomJwt: `jwks` is no data: URI. It looks like data:application/json;base64,eyJrZXlz…")


def _check_text(record: str, name: str, value: object, longest: int = 2048) -> None:
    if value is None or value == "":
        raise DefinitionError(
            f"{record}: `{name}` is {value!r}. If it comes from the environment: is the variable set?"
        )
    if not isinstance(value, str) or len(value) > longest or not value.isprintable() or " " in value:
        raise DefinitionError(f"{record}: `{name}` must be a text without spaces, not {value!r}.")


def _check_address(record: str, name: str, address: str) -> None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError for what is no port
    except ValueError:
        parts = urlsplit("")
    wrong = parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None
    wrong = wrong or "//" in parts.path or bool(parts.fragment) or (bool(parts.query) and name == "domain")
    if wrong:
        raise DefinitionError(f"{record}: `{name}` must be an address like https://login.example.com, not {address!r}.")


def as_providers(values: object) -> tuple[Provider, ...]:
    """The values, if they are a list of providers. Raises DefinitionError."""
    if not isinstance(values, list | tuple):
        raise DefinitionError("AuthConfig: `providers` must be a list: AuthConfig(providers=[Oidc(…)]).")
    for value in values:
        if not isinstance(value, Oidc | CustomJwt):
            raise DefinitionError(f"AuthConfig: {value!r} is no provider. Use Oidc(…) or CustomJwt(…).")
    return tuple(cast("Sequence[Provider]", values))
