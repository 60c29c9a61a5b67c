"""KeySet: the public keys of an issuer, from the JSON it publishes (RFC 7517).

Only keys that one of our algorithms can use are kept, each for that algorithm alone: what a key may verify is decided
here and never by a token. Whoever publishes private or symmetric keys publishes nothing for us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.auth.provider import Algorithm, Provider, data_of, holds_keys
from reactor.errors import InvalidValue

if TYPE_CHECKING:
    from jwt import PyJWK

MOST_KEYS = 100  # of one issuer: those with many have a few dozen
_RSA_BITS = range(2048, 8193)  # smaller can be broken, larger are slow to no one's benefit
_FIELDS = ("kty", "n", "e", "crv", "x", "y")  # the public parts; `alg`, `d` and the like never reach the library


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key, for one algorithm."""

    kid: str | None
    algorithm: Algorithm
    jwk: PyJWK

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether the holder of the private key signed the message."""
        return bool(self.jwk.Algorithm.verify(message, self.jwk.key, signature))


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer."""

    keys: tuple[PublicKey, ...]

    @classmethod
    def from_json(cls, data: bytes) -> KeySet:
        """Read a JWKS. Keys that are of no use to us are left out. Raises InvalidValue for what is no JWKS."""
        try:
            tree = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise InvalidValue("The key set is not JSON") from None
        listed = tree.get("keys") if isinstance(tree, dict) else None
        if not isinstance(listed, list):
            raise InvalidValue('The key set has no list `keys`: it must be {"keys": [...]}')
        if len(listed) > MOST_KEYS:
            raise InvalidValue(f"The key set has more than {MOST_KEYS} keys")
        return cls(tuple(key for each in listed if (key := _usable(each)) is not None))

    def named(self, kid: str | None, algorithm: Algorithm) -> tuple[PublicKey, ...]:
        """The keys a token with this header may be signed with; with no kid, every key of the algorithm."""
        return tuple(key for key in self.keys if key.algorithm == algorithm and (kid is None or key.kid == kid))


def keys_held_by(provider: Provider) -> KeySet | None:
    """The keys of a provider whose configuration holds them; None when they must be fetched. Raises InvalidValue."""
    return KeySet.from_json(data_of(provider.jwks)) if holds_keys(provider) else None


def _usable(jwk: Any) -> PublicKey | None:
    if not isinstance(jwk, dict):
        return None
    algorithm = _algorithm_of(jwk)
    kid = jwk.get("kid")
    if algorithm is None or not (kid is None or isinstance(kid, str)):
        return None
    if jwk.get("alg", algorithm) not in (algorithm, "Ed25519" if algorithm == "EdDSA" else algorithm):
        return None
    if jwk.get("use", "sig") != "sig" or "verify" not in _operations(jwk):
        return None
    # Here, because they take a tenth of a server's start, and a project without users needs neither.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        key = PyJWK({name: jwk[name] for name in _FIELDS if name in jwk}, algorithm=algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size not in _RSA_BITS:
        return None
    return PublicKey(kid, algorithm, key)


def _algorithm_of(jwk: dict[str, Any]) -> Algorithm | None:
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            return "RS256"
        case "EC", "P-256":
            return "ES256"
        case "OKP", "Ed25519":
            return "EdDSA"
    return None


def _operations(jwk: dict[str, Any]) -> list[Any]:
    operations = jwk.get("key_ops", ["verify"])
    return operations if isinstance(operations, list) else []
