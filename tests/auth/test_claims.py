"""What a verified token says becomes what `ctx.auth.get_user_identity()` gives (reference §4.10)."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.auth.claims import identity_of
from reactor.auth.identity import UserIdentity
from reactor.auth.provider import CustomJwt, Oidc

ISSUER = "https://login.example"
OIDC = Oidc(domain=ISSUER, application_id="app")
CUSTOM = CustomJwt(issuer=ISSUER, jwks=f"{ISSUER}/keys")
BASE = {"iss": ISSUER, "sub": "google|42", "aud": "app", "iat": 1, "exp": 2}
NAMES = {"issuer": ISSUER, "subject": "google|42", "tokenIdentifier": f"{ISSUER}|google|42"}


def attributes(provider: Oidc | CustomJwt = OIDC, **claims: Any) -> dict[str, Any]:
    """All but what is always there, which is as it must be."""
    found = identity_of({**BASE, **claims}, provider).attributes
    assert {name: found[name] for name in NAMES} == NAMES
    return {name: value for name, value in found.items() if name not in NAMES}


def test_standard_claims_have_the_names_of_the_reference() -> None:
    said = {
        "name": "Ada Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "nickname": "ada",
        "preferred_username": "al",
        "profile": "https://ada.example",
        "picture": "https://ada.example/a.png",
        "website": "https://ada.example/w",
        "email": "ada@example.org",
        "email_verified": True,
        "gender": "female",
        "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London",
        "locale": "en-GB",
        "phone_number": "+44",
        "phone_number_verified": False,
        "address": {"formatted": "12 St James's Square\nLondon", "country": "UK"},
        "updated_at": 1_800_000_000,
    }
    user = UserIdentity.of(identity_of({**BASE, **said}, OIDC))
    assert user == UserIdentity(
        token_identifier=f"{ISSUER}|google|42",
        issuer=ISSUER,
        subject="google|42",
        name="Ada Lovelace",
        given_name="Ada",
        family_name="Lovelace",
        nickname="ada",
        preferred_username="al",
        profile_url="https://ada.example",
        picture_url="https://ada.example/a.png",
        website_url="https://ada.example/w",
        email="ada@example.org",
        email_verified=True,
        gender="female",
        birthday="1815-12-10",
        timezone="Europe/London",
        language="en-GB",
        phone_number="+44",
        phone_number_verified=False,
        address="12 St James's Square\nLondon",
        updated_at="2027-01-15T08:00:00Z",
    )


@pytest.mark.parametrize(
    ("claim", "value", "attribute", "seen"),
    [
        ("updated_at", "2027-01-15", "updatedAt", "2027-01-15"),
        ("updated_at", 1.5, "updatedAt", "1970-01-01T00:00:01.500000Z"),
        ("updated_at", 1e300, "updatedAt", None),
        ("updated_at", True, "updatedAt", None),
        ("email_verified", "true", "emailVerified", True),
        ("email_verified", "false", "emailVerified", False),
        ("email_verified", "yes", "emailVerified", None),
        ("email_verified", 1, "emailVerified", None),
        ("address", "12 St James's Square", "address", "12 St James's Square"),
        ("address", {"country": "UK"}, "address", None),
        ("name", 5, "name", None),
        ("name", None, "name", None),
        ("name", {"first": "Ada"}, "name", None),
        ("name", "\ud800", "name", None),
        ("picture", ["a"], "pictureUrl", None),
    ],
)
def test_a_standard_claim_of_another_type_is_converted_or_left_out(
    claim: str, value: Any, attribute: str, seen: Any
) -> None:
    assert attributes(**{claim: value}) == ({} if seen is None else {attribute: seen})


def test_custom_claims_keep_their_names_and_their_shape() -> None:
    said = {"org_role": "admin", "limits": {"daily": 5, "of": [1, "x", None]}, "https://example.com/roles": ["a"]}
    assert attributes(**said) == said


def test_what_speaks_of_the_token_is_no_claim_of_the_user() -> None:
    """Reference §4.10: everything non-standard except jti, nbf, fva."""
    spoken = {
        "jti": "x",
        "nbf": 0,
        "fva": [1, 2],
        "auth_time": 5,
        "nonce": "n",
        "acr": "0",
        "amr": ["pwd"],
        "azp": "app",
    }
    assert attributes(**spoken, at_hash="h", c_hash="h", sid="s") == {"sid": "s"}


def test_a_new_token_of_the_same_user_is_the_same_identity() -> None:
    """So that a refresh sends no result again."""
    first = identity_of({**BASE, "jti": "1", "fva": [0, -1], "email": "a@b"}, OIDC)
    assert first == identity_of({**BASE, "jti": "2", "fva": [9, -1], "email": "a@b", "iat": 9, "exp": 99}, OIDC)


def test_custom_tokens_are_flattened_and_keep_every_name() -> None:
    """Reference §4.10: all other claims are copied, nested ones flattened with dots."""
    said = {"email": "a@b", "given_name": "Ada", "org": {"id": 7, "plan": {"name": "pro"}}, "roles": [{"x": 1}]}
    assert attributes(CUSTOM, **said, jti="x", nbf=1, fva=[1]) == {
        "email": "a@b",
        "given_name": "Ada",
        "org.id": 7,
        "org.plan.name": "pro",
        "roles": [{"x": 1}],
    }


@pytest.mark.parametrize("provider", [OIDC, CUSTOM], ids=["oidc", "custom"])
@pytest.mark.parametrize("name", ["tokenIdentifier", "issuer", "subject"])
def test_no_claim_can_name_another_user(provider: Oidc | CustomJwt, name: str) -> None:
    assert attributes(provider, **{name: "https://login.example|admin"}) == {}


@pytest.mark.parametrize("provider", [OIDC, CUSTOM], ids=["oidc", "custom"])
def test_a_custom_claim_under_an_attributes_name_must_be_of_its_type(provider: Oidc | CustomJwt) -> None:
    assert attributes(provider, emailVerified="yes", givenName=5, pictureUrl="https://p") == {"pictureUrl": "https://p"}


def test_a_standard_claim_wins_over_a_custom_one_of_its_attributes_name() -> None:
    assert attributes(email_verified=False, emailVerified=True) == {"emailVerified": False}


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ({"$oops": 1}, None),
        ({"a": {"$oops": 1}}, None),
        (2**53 - 1, 2**53 - 1),
        (2**53, float(2**53)),
        (2**60, float(2**60)),
        ([2**60], [float(2**60)]),
        ("\ud800", None),
        (None, None),
    ],
)
def test_a_custom_claim_that_is_no_value_is_left_out(value: Any, seen: Any) -> None:
    assert attributes(x=value) == ({} if seen is None else {"x": seen})


def test_claims_under_impossible_names_are_left_out() -> None:
    assert attributes(**{"$x": 1, "": 2, "é": 3, "_x": 4}).get("$x") is None
    assert attributes(CUSTOM, **{"$x": {"y": 1}, "ok": 1}) == {"ok": 1}


def test_deep_nesting_is_left_out() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert attributes(x=deep, y=1) == {"y": 1}
