from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.values.words import MAX_RUN, MAX_TERMS, terms_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World", " hello world "),
        ("café CAFÉ Straße ﬁne", " cafe cafe strasse fine "),
        ("黒い猫、東京", " 黒い い猫 猫 東京 京 "),
        ("iPhone用ケース", " iphone 用ケ ケー ース ス "),
        ("ＦＵＬＬ ｶﾞｷﾞ", " full ガギ ギ "),  # as wide, and as narrow, as one types it
        ("カキ ガギ", " カキ キ ガギ ギ "),  # voiced kana are other letters
        ("한국어", " 한국 국어 어 "),
        ("हिन्दी में", " हिन्दी में "),  # vowel signs belong to their words
        ("Привет Ёлка", " привет елка "),
        ("foo_bar don't 3.14", " foo bar don t 3 14 "),
        ("x" * 32 + " " + "x" * 33, " " + "x" * 32 + " "),
        ("日本・東京", " 日本 本 東京 京 "),
        ("", ""),
        ("?! …", ""),
    ],
)
def test_words_are_letters_digits_and_marks_without_case_width_and_accents(text: str, words: str) -> None:
    """Reference §4.12, with accents and scripts without spaces taken care of."""
    assert words_of(text).decode() == words


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("red fo", (" red ", " fo")),
        ("fox fox", (" fox ", " fox")),
        ("猫", (" 猫",)),
        ("猫 fox", (" 猫", " fox")),
        ("猫の写真", (" 猫の の写 写真 ",)),
        ("?", ()),
    ],
)
def test_the_last_term_is_a_beginning_and_a_run_without_spaces_is_one(text: str, terms: tuple[str, ...]) -> None:
    assert tuple(term.decode() for term in terms_of(text)) == terms


def test_terms_are_few_and_short() -> None:
    many = terms_of(" ".join(f"term{n}" for n in range(10_000)))
    assert len(many) == MAX_TERMS
    assert all(term.endswith(b" ") for term in many), "the last of these is not the last that was typed"
    (run,) = terms_of("猫の" * 100_000)
    assert len(run.split()) == MAX_RUN - 1


anything = st.text(max_size=30) | st.text("aé猫の ガ한국", max_size=12)


@given(anything)
def test_a_text_is_found_by_each_of_its_words_and_by_itself(text: str) -> None:
    words = words_of(text)
    assert all(term in words for term in terms_of(text))
    for word in words.split():
        assert any(term in words for term in terms_of(word.decode()))


@given(anything)
def test_words_need_no_quoting_and_stay_what_they_are(text: str) -> None:
    words = words_of(text)
    assert all(word.isalnum() or not word.isascii() for word in words.split())
    assert not set(words) & set(b"\"'*^:+-(){}\0")
    assert max(map(len, words.split()), default=0) <= 32


@given(st.text(min_size=1, max_size=5), st.text("猫の写真東京", min_size=1, max_size=6))
def test_a_run_is_found_wherever_it_stands(before: str, run: str) -> None:
    assert all(term in words_of(f"東{run}京") for term in terms_of(run))
    assert all(term in words_of(f"x {run} y") for term in terms_of(run))


@pytest.mark.parametrize("piece", ["(a+)+$ ", "é ", "\u0301", "猫", "x", "🙂", "ﷺ"])
def test_a_megabyte_takes_as_long_as_its_length_says(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    words_of(piece)
    began = time.process_time()
    words_of(text)
    terms_of(text)
    assert time.process_time() - began < 5, "a backtracking pattern would take for ever"


@given(st.text("aB9_é \t.-", max_size=40))
def test_the_short_way_for_ascii_gives_what_the_long_way_gives(text: str) -> None:
    plain = text.replace("é", "e")
    assert words_of(plain) == words_of(plain + " é").removesuffix(b"e ").rstrip() + (b" " if words_of(plain) else b"")
