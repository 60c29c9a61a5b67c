"""Dotenv text: what is written is read back byte for byte, and what people write is understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.cli import dotenv

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ/+==\r\nab cd\n-----END PRIVATE KEY-----\n"
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text("ab'\"`\\\n\r\t #=$", max_size=12)


@given(st.dictionaries(names, values, max_size=4))
def test_what_is_written_is_read_back(variables: dict[str, str]) -> None:
    assert dotenv.read(dotenv.write(variables)) == variables


@pytest.mark.parametrize(
    "value", ["", " ", PEM, "a#b", " # c", "'", '"', "`", "'\"`", "\\n", "\\", "\n", "\r\n", "a=b"]
)
def test_awkward_values_come_back(value: str) -> None:
    assert dotenv.read(dotenv.write({"A": value, "B": "next"})) == {"A": value, "B": "next"}


def test_plain_values_stay_as_they_are() -> None:
    assert dotenv.write({"URL": "https://a.b/c?d=e&f=1", "WORDS": "two words"}) == (
        "URL=https://a.b/c?d=e&f=1\nWORDS=two words\n"
    )


def test_what_people_write_is_understood() -> None:
    text = (
        "# a comment\r\n"
        "\n"
        "A=1\r\n"
        "  export B = two words   # with a comment\n"
        "C=\n"
        "D='single # \\n'\n"
        'E="line\\none \\"quoted\\"" # said\n'
        "F='-----BEGIN-----\nx\n-----END-----\n'\n"
        "G=a#b\n"
        'H="C:\\dir"\n'
        "A=again"
    )
    assert dotenv.read(text) == {
        "A": "again",
        "B": "two words",
        "C": "",
        "D": "single # \\n",
        "E": 'line\none "quoted"',
        "F": "-----BEGIN-----\nx\n-----END-----\n",
        "G": "a#b",
        "H": "C:\\dir",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=1\nsecret", "line 2: expected NAME=value"),
        ("A='secret", "line 1: the value begins with ' and that does not close"),
        ("A='x' secret", "line 1: something follows the closing '"),
        ("=secret", "line 1: expected NAME=value"),
    ],
)
def test_a_mistake_is_told_by_its_line_and_not_by_its_text(text: str, words: str) -> None:
    with pytest.raises(dotenv.DotenvBroken) as caught:
        dotenv.read(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
