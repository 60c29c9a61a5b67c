"""Who is asking: what an identity is made from, when two are one, and how functions see it."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from reactor.auth.identity import Identity, UserIdentity
from reactor.errors import InvalidValue

ADA: dict[str, Any] = {
    "issuer": "https://login.example",
    "subject": "google|42",
    "name": "Ada Lovelace",
    "givenName": "Ada",
    "emailVerified": True,
    "orgRole": "admin",
    "limits": {"daily": 5},
}


def test_issuer_and_subject_make_the_token_identifier() -> None:
    identity = Identity.from_attributes(ADA)
    assert identity.token_identifier == "https://login.example|google|42"
    assert identity.attributes == ADA | {"tokenIdentifier": "https://login.example|google|42"}


def test_the_token_identifier_gives_issuer_and_subject() -> None:
    attributes = Identity.from_attributes({"tokenIdentifier": "https://login.example|google|42"}).attributes
    assert attributes["issuer"] == "https://login.example"
    assert attributes["subject"] == "google|42"


def test_what_is_said_is_kept() -> None:
    said = {"tokenIdentifier": "t", "issuer": "i", "subject": "s"}
    assert Identity.from_attributes(said).attributes == said


@pytest.mark.parametrize("attributes", [{}, {"issuer": "i"}, {"subject": "s"}, {"tokenIdentifier": None, "name": "x"}])
def test_nobody_is_not_an_identity(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="need `tokenIdentifier`, or both `issuer` and `subject`"):
        Identity.from_attributes(attributes)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ({"subject": 42}, "`subject` must be a string, not int"),
        ({"name": ["Ada"]}, "`name` must be a string, not list"),
        ({"emailVerified": "true"}, "`emailVerified` must be a boolean, not str"),
        ({"claim": {"$x": 1}}, r"The user attributes at `\.claim`: Field name `\$x`"),
        ({"claim": 2**60}, r"The user attributes at `\.claim`: .* beyond"),
    ],
)
def test_attributes_of_the_wrong_kind_are_refused_by_name(attribute: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        Identity.from_attributes(ADA | attribute)


def test_identities_with_equal_attributes_are_one() -> None:
    backwards = Identity.from_attributes(dict(reversed(ADA.items())))
    assert Identity.from_attributes(ADA) == backwards
    assert len({Identity.from_attributes(ADA), backwards}) == 1
    assert Identity.from_attributes(ADA | {"nickname": None}) == backwards


@pytest.mark.parametrize(
    "other", [{"orgRole": "user"}, {"emailVerified": False}, {"subject": "43"}, {"limits": {"daily": True}}]
)
def test_whatever_a_function_could_see_makes_another_identity(other: dict[str, Any]) -> None:
    assert Identity.from_attributes(ADA) != Identity.from_attributes(ADA | other)


def test_acting_as_a_user_is_not_being_the_user() -> None:
    user, admin = Identity.from_attributes(ADA), Identity.from_attributes(ADA, acting_as=True)
    assert user != admin
    assert user.key != admin.key
    assert UserIdentity.of(user) == UserIdentity.of(admin)


@pytest.mark.parametrize("acting_as", [False, True])
def test_the_key_says_all_of_it(acting_as: bool) -> None:
    identity = Identity.from_attributes(ADA, acting_as=acting_as)
    again = Identity.from_key(identity.key)
    assert again == identity
    assert again.attributes == identity.attributes
    assert again.acting_as is acting_as


@pytest.mark.parametrize("key", [b"", b"null", b"[]", b'["other",{}]', b'["actingAs",1]', b"{"])
def test_other_bytes_are_no_key(key: bytes) -> None:
    with pytest.raises(InvalidValue):
        Identity.from_key(key)


def test_functions_see_python_names_and_custom_claims_apart() -> None:
    user = UserIdentity.of(Identity.from_attributes(ADA))
    assert (user.token_identifier, user.issuer, user.subject) == (
        "https://login.example|google|42",
        "https://login.example",
        "google|42",
    )
    assert (user.name, user.given_name, user.email_verified, user.email) == ("Ada Lovelace", "Ada", True, None)
    assert dict(user.claims) == {"orgRole": "admin", "limits": {"daily": 5}}
    assert user["orgRole"] == "admin"
    assert "orgRole" in user
    assert "name" not in user
    with pytest.raises(KeyError):
        user["missing"]


def test_every_standard_attribute_of_the_reference_has_its_place() -> None:
    names = "name givenName familyName nickname preferredUsername profileUrl pictureUrl websiteUrl email emailVerified "
    names += "gender birthday timezone language phoneNumber phoneNumberVerified address updatedAt"
    said = {name: True if name.endswith("Verified") else name for name in names.split()}
    assert not UserIdentity.of(Identity.from_attributes({"tokenIdentifier": "i|s"} | said)).claims


def test_a_user_is_not_changed() -> None:
    user = UserIdentity.of(Identity.from_attributes(ADA))
    with pytest.raises(FrozenInstanceError):
        user.name = "Eve"  # type: ignore[misc]
    with pytest.raises(TypeError):
        user.claims["orgRole"] = "owner"  # type: ignore[index]
