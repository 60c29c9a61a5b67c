from __future__ import annotations

import pytest

from reactor.footprint.commit import Commit
from reactor.footprint.key_range import KeyRange
from reactor.footprint.read_set import EMPTY, ReadSet
from reactor.footprint.write_log import WriteLog

READS = ReadSet({1: (KeyRange(b"a", b"c"),)})


def batch(log: WriteLog, end: int, *keys: bytes) -> None:
    log.append(end, [Commit(end - at, log.head, {1: (key,)}, "test") for at, key in enumerate(keys)])


def test_answers_are_batch_ends_and_never_timestamps_inside_a_batch() -> None:
    log = WriteLog(100)
    log.append(120, [Commit(110, 100, {1: (b"b",)}, "first"), Commit(120, 110, {1: (b"z",)}, "second")])
    assert log.first_met(READS, 100) == 120
    assert log.last_met(READS, 130) == 120
    assert log.previous(120) == 100


def test_an_outcome_holds_from_the_last_batch_that_met_it_to_the_next() -> None:
    log = WriteLog(100)
    batch(log, 110, b"b")
    batch(log, 120, b"z")
    batch(log, 130, b"z")
    batch(log, 140, b"a")
    assert log.last_met(READS, 130) == 110
    assert log.first_met(READS, 130) == 140
    assert log.previous(140) == 130
    assert log.first_met(READS, 110, upto=130) is None


def test_what_read_nothing_is_met_by_nothing() -> None:
    log = WriteLog(100)
    batch(log, 110, b"b")
    assert log.first_met(EMPTY, 100) is None
    assert log.last_met(EMPTY, 110) == 100


def test_what_is_forgotten_counts_as_met() -> None:
    log = WriteLog(100, max_bytes=250)
    batch(log, 110, b"z")
    batch(log, 120, b"z")
    batch(log, 130, b"z")
    batch(log, 140, b"z")
    assert log.floor > 100
    assert log.first_met(READS, 100) == 101
    assert log.previous(101) == 100
    assert log.first_met(READS, log.floor) is None


def test_a_batch_larger_than_the_log_is_forgotten_and_still_moves_the_head() -> None:
    log = WriteLog(100, max_bytes=10)
    batch(log, 110, b"z")
    assert log.head == log.floor == 110
    assert log.first_met(READS, 109) == 110


def test_old_batches_go_by_age() -> None:
    log = WriteLog(0, max_age=1.0)
    batch(log, 1, b"b")
    batch(log, 10**9, b"z")
    assert log.first_met(READS, 0) == 1
    batch(log, 10**9 + 2, b"z")
    assert log.floor == 1
    assert log.first_met(READS, 1) is None


def test_a_batch_cannot_go_back() -> None:
    log = WriteLog(100)
    with pytest.raises(ValueError, match="cannot follow"):
        batch(log, 100, b"z")


def test_an_empty_batch_moves_the_head_and_meets_nobody() -> None:
    log = WriteLog(100)
    log.append(200, [])
    assert log.head == 200
    assert log.first_met(READS, 100) is None
