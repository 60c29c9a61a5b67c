"""The slow way to the nearest vectors, and what a vector index must hold whatever happened."""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from reactor.footprint.fact import unpack
from reactor.storage.storage import VectorHit


def unit(vector: Any, dimensions: int) -> tuple[float, ...] | None:
    """What an index has of a field: numbers of 32 bits, of length one."""
    if not isinstance(vector, list) or len(vector) != dimensions:
        return None
    if not all(type(number) in (float, int) and math.isfinite(number) for number in vector):
        return None
    greatest = max(map(abs, vector)) or 1
    scaled = [number / greatest for number in vector]
    length = math.sqrt(math.fsum(number * number for number in scaled)) or 1
    return struct.unpack(f"<{dimensions}f", struct.pack(f"<{dimensions}f", *(number / length for number in scaled)))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def assert_nearest(
    hits: Sequence[VectorHit], vector: list[float], candidates: Mapping[str, list[float]], count: int
) -> None:
    """The hits are the best `count` of the candidates (id → vector), of equal ones the newest first."""
    wanted = unit(vector, len(vector))
    assert wanted is not None
    all_units = {name: unit(each, len(vector)) for name, each in candidates.items()}
    units = {name: each for name, each in all_units.items() if each is not None}
    scores = {name: max(-1, min(1, cosine(wanted, each))) for name, each in units.items()}
    best = sorted(scores.values(), reverse=True)[:count]
    assert len({hit.id for hit in hits}) == len(hits) == len(best)
    for hit, score in zip(hits, best, strict=True):
        assert abs(hit.score - score) < 1e-7
        assert abs(scores[hit.id] - score) < 1e-7
    found = [hit.id for hit in hits]
    for alike in set(units.values()):
        same = sorted((name for name, each in units.items() if each == alike), reverse=True)
        shown = [name for name in found if name in same]
        assert shown == same[: len(shown)]


def passing(documents: Mapping[str, dict[str, Any]], **filters: Collection[Any]) -> dict[str, list[float]]:
    """Id → vector of the documents whose fields have one of these values each."""
    return {
        name: fields.get("vector")  # type: ignore[misc]
        for name, fields in documents.items()
        if all(fields.get(field) in allowed for field, allowed in filters.items())
    }


def assert_vector_indexes_are_whole(path: Path) -> int:
    """Every ready vector index of the file against its table; how many."""
    checked = 0
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        tables = dict(db.execute("SELECT number, place FROM _tables"))
        for table, description, place in db.execute(
            "SELECT table_number, fields, place FROM _indexes WHERE state = 'ready' AND fields LIKE '%\"vector\"%'"
        ).fetchall():
            about = json.loads(description)
            (field,), dimensions = about["fields"], about["dimensions"]
            expected = {}
            for stored, text in db.execute(f'SELECT _id, doc FROM "{tables[table]}"'):
                vector = unit(json.loads(text).get(field), dimensions)
                if vector is not None:
                    expected[stored] = vector
            rows = db.execute(f'SELECT id, fact FROM "{place}" WHERE id IS NOT NULL').fetchall()
            held = {name: struct.unpack(f"<{dimensions}f", unpack(fact).held) for name, fact in rows}
            assert held.keys() == expected.keys()
            for name, vector in held.items():
                assert all(abs(a - b) < 1e-6 for a, b in zip(vector, expected[name], strict=True))
            assert db.execute(f'SELECT count(*) FROM "{place}" WHERE (id IS NULL) <> (fact IS NULL)').fetchone() == (0,)
            checked += 1
    return checked
