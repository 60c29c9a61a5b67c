"""The words of a text, as a text search sees them, and the terms of what somebody looks for.

- Words are runs of letters, digits and the marks written on them, in any script; everything else separates.
- Compared without regard to case, width and form (NFKC, case folding), nor to accents on Latin, Greek and Cyrillic
  letters: `CAFÉ`, `café` and `cafe` are one word. Voiced kana (が) and vowel signs stay what they are.
- Scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) and Korean, which joins particles to its
  words, are cut into overlapping pairs: 猫の写真 has 猫の, の写, 写真 and, so that the last character is found too, 真.
- A word of more than 32 bytes is none (reference §4.12): such things are keys and hashes.

Only classes of characters are matched, so no text takes longer than its length says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice

MAX_WORD = 32  # bytes
MAX_TERMS = 16  # of one search; further ones are left out
MAX_RUN = 32  # characters of a term that is a run of a script without spaces; further ones are left out

_KEPT, _KEPT_SIZE = 64, 4096  # a document is most often changed in another field: its text was cut just before

_ASCII_WORD = re.compile(r"[a-z0-9]+")
_ACCENTS = dict.fromkeys(range(768, 880))
_SCANNED, _LAST_HAN = 0x20000, 0x3FFFF  # from the one to the other there is nothing but Han
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # signs that repeat, and zero
    (0x3040, 0x30FF),  # kana
    (0x3130, 0x318F),  # Hangul
    (0x31F0, 0x31FF),  # kana
    (0x3400, 0x9FFF),  # Han
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),  # Han
    (_SCANNED, _LAST_HAN),
)


def words_of(text: str) -> bytes:
    """All words in order, a space before and after each; b"" when there is none. UTF-8, of letters and digits only."""
    return _kept_words(text) if len(text) <= _KEPT_SIZE else _words(text)


def _words(text: str) -> bytes:
    found: list[str] = []
    if text.isascii():  # what _runs gives, several times as quick: this is a good part of what an insert costs
        found = [word for word in _ASCII_WORD.findall(text.lower()) if len(word) <= MAX_WORD]
    else:
        for run, is_unspaced in _runs(text):
            found += _pairs(run) if is_unspaced else (run,)
    return f" {' '.join(found)} ".encode() if found else b""


_kept_words = lru_cache(_KEPT)(_words)


def terms_of(text: str) -> tuple[bytes, ...]:
    """What to look for in `words_of` others, each a piece of such bytes; a document is found by any of them.

    The last one is found at the beginning of a longer word as well: somebody may still be typing it. A run of a script
    without spaces is one term, found where all of it stands.
    """
    runs = list(islice(_runs(text), MAX_TERMS + 1))
    terms: dict[bytes, None] = {}
    for at, (run, is_unspaced) in enumerate(runs[:MAX_TERMS]):
        is_last = at + 1 == len(runs)
        if is_unspaced and len(run) > 1:
            # The pairs without the last character alone, which in a longer text need not stand alone.
            term, is_prefix = " ".join(_pairs(run[:MAX_RUN])[:-1]), False
        else:
            term, is_prefix = run, is_last or is_unspaced
        terms[f" {term}{'' if is_prefix else ' '}".encode()] = None
    return tuple(terms)


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The words of the text, lower case; and whether it is a run of a script without spaces, to be cut."""
    if text.isascii():
        for match in _ASCII_WORD.finditer(text.lower()):
            if match.end() - match.start() <= MAX_WORD:
                yield match[0], False
        return
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()).translate(_ACCENTS)
    for match in _word().finditer(unicodedata.normalize("NFC", folded)):
        unspaced = match[1]
        if unspaced is not None:
            yield unspaced, True
        elif len(match[0].encode()) <= MAX_WORD:
            yield match[0], False


def _pairs(run: str) -> list[str]:
    """Every two characters that follow each other, and the last one alone."""
    return [run[at : at + 2] for at in range(len(run))]


@cache
def _word() -> re.Pattern[str]:
    """A run of a script without spaces (group 1), or any other word. Made once, when a text is not ASCII: to look at
    every character there is takes some hundredths of a second."""
    unspaced: list[str] = []
    others: list[str] = []
    for low, high in _stretches():
        (unspaced if _is_unspaced(low) else others).append(f"{chr(low)}-{chr(high)}")
    return re.compile(f"([{''.join(unspaced)}]+)|[{''.join(others)}]+")


def _stretches() -> Iterator[tuple[int, int]]:
    """First and last of the characters words are made of, cut where scripts without spaces begin and end."""
    last: tuple[int, bool] | None = None
    first = 0
    for code in range(0x30, _SCANNED):
        char = chr(code)
        here = (code, _is_unspaced(code)) if char.isalnum() or unicodedata.category(char) in ("Mn", "Mc") else None
        if last is not None and here != (last[0] + 1, last[1]):
            yield first, last[0]
            last = None
        if here is not None:
            first = code if last is None else first
            last = here
    yield _SCANNED, _LAST_HAN


def _is_unspaced(code: int) -> bool:
    return any(low <= code <= high for low, high in _UNSPACED)
