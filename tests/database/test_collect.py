"""Documents collected at once are those a scan hands out one by one, and as much is read and counted."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.database.database import Database
from reactor.errors import LimitExceeded
from reactor.values.order import UNDEFINED, tail_of

from .stories import MESSAGES, declare, insert

EQUAL: list[tuple[str, tuple[Any, ...], Any, Any]] = [
    ("by_creation_time", (), None, None),
    ("by_id", (), None, None),
    ("by_channel", ("a",), None, None),
    ("by_channel", ("b",), None, None),
    ("by_channel", ("nobody's",), None, None),
    ("by_score", (), (3, True), (150, False)),
    ("by_score", (), (150, False), (3, True)),
    ("by_score", (UNDEFINED,), None, None),
]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [None, 0, 1, 2, 20, 32, 128, 129, 1000])
def test_collected_and_scanned_are_the_same(db: Database, limit: int | None, descending: bool) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", *({"channel": "a", "score": n, "n": n} for n in range(200)), {"channel": "b", "n": 1})
    with db.snapshot() as snapshot:
        for index, equal, lower, upper in EQUAL:
            one, other = snapshot.for_call(), snapshot.for_call()
            scan = one.scan("messages", index, equal, lower, upper, descending=descending, limit=limit)
            scanned = list(scan)
            collected = other.collect("messages", index, equal, lower, upper, descending, limit)
            assert [data for _, data in collected] == [stored.data for stored in scanned]
            for (key, _), stored in zip(collected, scanned, strict=True):
                creation_time, own_id = tail_of(key)
                assert own_id == stored.id
                assert creation_time == (None if index == "by_id" else stored.creation_time)
            assert other.reads.build() == one.reads.build()
            assert other.reads.to_wire() == one.reads.build().to_wire()
            assert (other.usage.documents_read, other.usage.bytes_read, other.usage.index_ranges) == (
                one.usage.documents_read,
                one.usage.bytes_read,
                one.usage.index_ranges,
            )


def test_what_passed_a_limit_was_read_all_the_same(db: Database) -> None:
    declare(db, MESSAGES)
    insert(db, "messages", *({"channel": "a", "n": n} for n in range(10)))
    with db.snapshot() as snapshot:
        reading = snapshot.for_call()
        reading.usage.documents_read = reading.usage.limits.documents_read - 5
        with pytest.raises(LimitExceeded, match="Too many documents read"):
            reading.collect("messages", "by_channel", ("a",), None, None, False, None)
        assert reading.reads.to_wire()
        assert reading.usage.exceeded is not None
