"""Identity: who is asking, as a token or an administrator says (reference §1.3, §4.10).

`Identity` is what the engine passes around and what results are cached by; `UserIdentity` is how a function sees it.
Whether a token may be believed is decided elsewhere (jwt.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from reactor.errors import InvalidValue
from reactor.values.names import wire_name
from reactor.values.value import Value, check_value, decode, encode

ANY_ISSUER = "https://reactor.invalid"  # of a user whose issuer does not matter
_ACTING_AS = "actingAs"  # marks the key of an identity an administrator took on


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A user. Equal when `key` is equal, which is when no function could tell them apart."""

    attributes: dict[str, Value]  # camelCase, nulls left out; not to be changed
    acting_as: bool = False  # an administrator speaks for the user
    key: bytes = field(init=False, repr=False)  # canonical encoded JSON; made once, in __post_init__

    def __post_init__(self) -> None:
        shown: Value = [_ACTING_AS, self.attributes] if self.acting_as else self.attributes
        object.__setattr__(self, "key", encode(shown))

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], *, acting_as: bool = False) -> Identity:
        """The user with these attributes: `tokenIdentifier`, or `issuer` and `subject`; any others.

        What is missing of the three is derived from the rest (`tokenIdentifier` is issuer + `|` + subject); nulls are
        left out; keys that are no standard attribute are custom claims. Raises InvalidValue, naming the attribute.
        """
        present = {name: value for name, value in attributes.items() if value is not None}
        for name, expected in STANDARD_TYPES.items():
            value = present.get(name)
            if value is not None and not isinstance(value, expected):
                wanted = "a boolean" if expected is bool else "a string"
                raise InvalidValue(f"The user attribute `{name}` must be {wanted}, not {type(value).__name__}.")
        named = present | _names_of(present)
        check_value(named, what="The user attributes")
        return cls(named, acting_as)

    @classmethod
    def of_user(cls, who: Mapping[str, Any] | str) -> Identity:
        """A user somebody vouches for: by their attributes, or by their subject alone. No issuer means that none matters."""
        attributes = {"subject": who} if isinstance(who, str) else who
        if "tokenIdentifier" not in attributes and "issuer" not in attributes:
            attributes = {"issuer": ANY_ISSUER, **attributes}
        return cls.from_attributes(attributes)

    @classmethod
    def from_key(cls, key: bytes) -> Identity:
        """The identity that has this `key`."""
        match decode(key):
            case dict(attributes):
                return cls(attributes)
            case [str(marker), dict(attributes)] if marker == _ACTING_AS:
                return cls(attributes, acting_as=True)
        raise InvalidValue("This is not the key of an identity.")

    @property
    def token_identifier(self) -> str:
        """What names the user among all issuers."""
        return str(self.attributes["tokenIdentifier"])

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Identity) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """The signed-in user, as `ctx.auth.get_user_identity()` gives it.

    Only what the token said: an attribute it left out is None. Custom claims are in `claims`, and `identity["role"]`
    is short for `identity.claims["role"]`.
    """

    token_identifier: str
    issuer: str
    subject: str
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    nickname: str | None = None
    preferred_username: str | None = None
    profile_url: str | None = None
    picture_url: str | None = None
    website_url: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    gender: str | None = None
    birthday: str | None = None
    timezone: str | None = None
    language: str | None = None
    phone_number: str | None = None
    phone_number_verified: bool | None = None
    address: str | None = None
    updated_at: str | None = None
    claims: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, identity: Identity) -> UserIdentity:
        """The view of an Identity."""
        standard: dict[str, Any] = {}
        claims: dict[str, Value] = {}
        for name, value in identity.attributes.items():
            python_name = _PYTHON_NAMES.get(name)
            if python_name is None:
                claims[name] = value
            else:
                standard[python_name] = value
        return cls(**standard, claims=MappingProxyType(claims))

    def __getitem__(self, claim: str) -> Value:
        """A custom claim; KeyError when the token has none of this name."""
        return self.claims[claim]

    def __contains__(self, claim: object) -> bool:
        return claim in self.claims


_PYTHON_NAMES = {wire_name(each.name): each.name for each in fields(UserIdentity) if each.name != "claims"}
STANDARD_TYPES = {name: bool if name.endswith("Verified") else str for name in _PYTHON_NAMES}


def _names_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The three that are always there."""
    token_identifier = attributes.get("tokenIdentifier")
    issuer, subject = attributes.get("issuer"), attributes.get("subject")
    if token_identifier is None:
        if issuer is None or subject is None:
            raise InvalidValue("User attributes need `tokenIdentifier`, or both `issuer` and `subject`.")
        token_identifier = f"{issuer}|{subject}"
    head, _, tail = token_identifier.partition("|")  # an issuer is a URL without `|`; a subject may have one
    return {
        "tokenIdentifier": token_identifier,
        "issuer": head if issuer is None else issuer,
        "subject": tail if subject is None else subject,
    }
