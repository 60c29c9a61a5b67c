"""Ranking: which documents a text search examines, and in which order it gives them.

The order is a pure function of the documents that match: BM25 whose statistics are taken among them, and not over the
whole index as is usual. So a document that does not match can come, change or go without changing a result, which is
what lets a watched search rest until one that matches does; and nobody learns from the order what others have stored.

At most `most` documents are examined. When more match, they are the newest that hold all terms, then for each term,
from the rarest to the most frequent, the newest that hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log
from typing import NamedTuple

from reactor.storage.storage import TextRow
from reactor.values.order import index_key

_SATURATION = 1.2  # BM25's k1: how soon a repeated word stops counting
_LENGTH = 0.75  # BM25's b: how much long texts are held back
_PART = 0.5  # what a word counts that only begins like the last term
_NEXT = 0.5  # what it adds that two terms stand next to each other

Matches = Callable[[Sequence[bytes], int], list[int]]
"""Terms, limit → numbers of documents that hold all of them, the newest first."""


class Candidates(NamedTuple):
    """What is examined. `found` has the number of documents by term, counted up to the limit."""

    numbers: list[int]
    found: list[int]
    distinct: int  # documents found by any term, counted so
    is_cut: bool  # there are more


class Ranked(NamedTuple):
    """A document and its place; these sort as results do."""

    badness: float
    age: float
    id: str

    @property
    def position(self) -> bytes:
        """The place as bytes that sort so too: what a cursor holds."""
        return index_key(self)


def matches_among(rows: Sequence[TextRow]) -> Matches:
    """The documents of `rows` that hold terms, for when those are few enough to look through."""
    newest = sorted(rows, reverse=True)

    def matches(terms: Sequence[bytes], limit: int) -> list[int]:
        return [row.number for row in newest if all(term in row.words for term in terms)][:limit]

    return matches


def candidates(terms: Sequence[bytes], matches: Matches, most: int) -> Candidates:
    """The documents to examine for these terms."""
    by_term = [matches([term], most + 1) for term in terms]
    is_cut = any(len(each) > most for each in by_term)
    by_term = [each[:most] for each in by_term]
    chosen: dict[int, None] = {}
    if len(terms) > 1 and is_cut:
        chosen.update(dict.fromkeys(matches(terms, most)))
    for each in sorted(by_term, key=len):
        chosen.update(dict.fromkeys(each))
    numbers = list(chosen)
    return Candidates(numbers[:most], [len(each) for each in by_term], len(numbers), is_cut or len(numbers) > most)


def rank(terms: Sequence[bytes], examined: Candidates, rows: Sequence[TextRow]) -> list[Ranked]:
    """The examined documents, best first; of equally good ones the newest first."""
    if not rows:
        return []
    # Among documents of which each holds some term, a frequent one would weigh next to nothing; with 1 added, a document
    # that holds two terms comes before one that holds the rarer of them.
    weights = [1 + log(1 + (examined.distinct - found + 0.5) / (found + 0.5)) for found in examined.found]
    lengths = [len(row.words) for row in rows]
    average = sum(lengths) / len(lengths)
    pairs = [
        (first.rstrip() + second, _NEXT * min(weights[at], weights[at + 1]))
        for at, (first, second) in enumerate(pairwise(terms))
    ]
    weighted = list(zip(terms, weights, strict=True))
    ranked = []
    for row, length in zip(rows, lengths, strict=True):
        words = row.words
        held_back = _SATURATION * (1 - _LENGTH + _LENGTH * length / average)
        score = 0.0
        for term, weight in weighted:
            count = _count(term, words)
            if count:
                score += weight * count * (_SATURATION + 1) / (count + held_back)
        for pair, weight in pairs:
            if pair in words:
                score += weight
        ranked.append(Ranked(-round(score, 9), -row.creation_time, row.id))
    ranked.sort()
    return ranked


def _count(term: bytes, words: bytes) -> float:
    """How often a term stands in a text."""
    found = words.count(term)
    if not found or term.endswith(b" "):
        return found
    whole = words.count(term + b" ")
    return whole + _PART * (found - whole)
