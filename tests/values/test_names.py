"""From Python's names to the wire's (design §2)."""

import pytest

from reactor.values.names import is_identifier, wire_name


@pytest.mark.parametrize(
    ("python_name", "name"),
    [
        ("created_at", "createdAt"),
        ("s3_key", "s3Key"),
        ("sha256sum", "sha256sum"),
        ("from_", "from"),
        ("class_", "class"),
        ("json_", "json"),
        ("avatar_url_2x", "avatarUrl2x"),
        ("alreadyCamel", "alreadyCamel"),
        ("parse_HTML_page", "parseHTMLPage"),
        ("a__b", "aB"),
        ("x", "x"),
        ("_id", "_id"),
        ("_creationTime", "_creationTime"),
        ("__private_name", "__privateName"),
        ("_", "_"),
        ("", ""),
    ],
)
def test_names_follow_the_one_rule(python_name: str, name: str) -> None:
    assert wire_name(python_name) == name


@pytest.mark.parametrize("name", ["a", "A1", "_x", "__a", "_0", "a" * 64])
def test_identifiers(name: str) -> None:
    assert is_identifier(name)


@pytest.mark.parametrize("name", ["", "_", "___", "1a", "a-b", "a b", "é", "a\n", "a" * 65, "$a"])
def test_no_identifiers(name: str) -> None:
    assert not is_identifier(name)
