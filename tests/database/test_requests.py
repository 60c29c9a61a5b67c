"""What must not be done twice: clients' requests (engine A13) and calls of the server (A3)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from reactor.database.database import Database
from reactor.errors import StorageError
from reactor.limits import Limits
from reactor.storage import fail_point
from reactor.storage.sqlite_requests import FILED_AT_ONCE

from .conftest import Open, StillClock
from .stories import call, insert

DAY = 86_400 * 10**9


def mutate(db: Database, session: str, request: int, outcome: bytes = b"done", binding: bytes = b"me:f") -> int:
    """A writing mutation of a client; its timestamp."""
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {"request": request})
        t.record_request(session, request, outcome, binding)
    batch.commit()
    return t.ts


def count(path: Path, table: str) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    connection.close()
    return found


def test_a_repeated_request_is_found_with_its_outcome_and_binding(db: Database) -> None:
    ts = mutate(db, "session", 7, b"outcome", b"alice:notes:add")
    batch = db.begin()
    recorded = batch.recorded_request("session", 7)
    assert recorded is not None
    assert (recorded.outcome, recorded.binding, recorded.ts) == (b"outcome", b"alice:notes:add", ts)
    assert batch.recorded_request("session", 8) is None
    assert batch.recorded_request("another", 7) is None
    batch.abandon()


def test_session_and_request_are_no_text_glued_together(db: Database) -> None:
    mutate(db, "a1", 1)
    batch = db.begin()
    assert batch.recorded_request("a", 11) is None
    batch.abandon()


def test_a_repetition_within_the_batch_is_found(db: Database) -> None:
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {})
        t.record_request("session", 1, b"first", b"")
    recorded = batch.recorded_request("session", 1)
    assert recorded is not None
    assert recorded.ts == t.ts
    batch.abandon()


def test_requests_outlive_a_restart(db: Database, opened: Open) -> None:
    mutate(db, "session", 1)
    db.close()
    again = opened(boot="another server")
    batch = again.begin()
    assert batch.recorded_request("session", 1) is not None
    batch.abandon()


def test_a_rolled_back_call_leaves_no_record(db: Database) -> None:
    batch = db.begin()
    t = batch.transaction("test")
    t.insert("notes", {})
    t.record_request("session", 1, b"", b"")
    t.rollback()
    assert batch.recorded_request("session", 1) is None
    batch.abandon()


def test_an_abandoned_batch_takes_back_the_numbers_of_its_sessions(db: Database) -> None:
    """A number remembered wrongly would give one client the outcomes of another."""
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {})
        t.record_request("lost", 1, b"lost", b"")
    failing = batch.transaction("test")
    failing.rollback()
    assert batch.recorded_request("lost", 1) is not None
    batch.abandon()
    mutate(db, "other", 1, b"other's")
    mutate(db, "lost", 2, b"second")
    batch = db.begin()
    assert batch.recorded_request("lost", 1) is None
    found = batch.recorded_request("lost", 2)
    assert found is not None
    assert found.outcome == b"second"
    batch.abandon()


def test_a_recorded_timestamp_is_never_past_the_head(db: Database, clock: StillClock) -> None:
    """A client waits for a Transition at the timestamp it is answered with: it must be one that comes."""
    batch = db.begin()
    with call(batch) as writing:
        writing.insert("notes", {})
    clock.now += 10**9
    with call(batch) as idle:
        idle.record_request("session", 1, b"", b"")
    done = batch.commit()
    batch = db.begin()
    recorded = batch.recorded_request("session", 1)
    batch.abandon()
    assert recorded is not None
    assert recorded.ts == writing.ts == done.ts
    assert idle.ts > done.ts


def test_a_batch_of_calls_that_wrote_nothing_keeps_no_records(db: Database) -> None:
    insert(db, "notes", {})
    head = db.head
    batch = db.begin()
    with call(batch) as t:
        t.record_request("session", 1, b"", b"")
    batch.record_call("boot", 1, b"outcome")
    assert batch.commit().ts == head.ts
    assert db.recorded_calls("boot", [1]) == {}


def test_the_last_requests_of_a_session_are_kept_and_older_ones_go(opened: Open, path: Path) -> None:
    db = opened(limits=Limits(session_requests=50))
    batch = db.begin()
    for request in range(0, 1000, 3):  # numbers need not follow each other: actions share them
        with call(batch) as t:
            t.insert("notes", {})
            t.record_request("session", request, b"", b"")
    batch.commit()
    kept = count(path, "_session_requests")
    assert 50 <= kept <= 150
    batch = db.begin()
    newest = list(range(0, 1000, 3))[-50:]
    assert all(batch.recorded_request("session", request) for request in newest)
    assert batch.recorded_request("session", 0) is None
    batch.abandon()


def test_requests_are_found_before_and_after_they_are_filed_and_by_the_next_writer(opened: Open, path: Path) -> None:
    db = opened()
    for request in range(FILED_AT_ONCE // 2):
        for session in ("a", "b", "c"):
            mutate(db, session, request)
        abandoned = db.begin()
        with call(abandoned) as t:
            t.insert("notes", {})
            t.record_request("a", 10_000 + request, b"", b"")
        abandoned.abandon()
    assert count(path, "_session_requests") > 0, "some are filed by now"
    assert count(path, "_recent_requests") > 0, "and some are not"
    _expect(db)
    db.close()
    _expect(opened())


def _expect(db: Database) -> None:
    batch = db.begin()
    for session in ("a", "b", "c"):
        assert all(batch.recorded_request(session, request) for request in range(FILED_AT_ONCE // 2))
    assert not any(batch.recorded_request("a", 10_000 + request) for request in range(FILED_AT_ONCE // 2))
    batch.abandon()


def test_a_mutation_that_wrote_nothing_is_kept_with_what_others_of_its_batch_wrote(db: Database) -> None:
    mutate(db, "session", 1)
    for request in (2, 3):
        batch = db.begin()
        with call(batch) as t:
            t.record_request("session", request, b"nothing", b"")
        with call(batch) as t:
            t.insert("notes", {})
        batch.commit()
    batch = db.begin()
    assert all(batch.recorded_request("session", request) for request in (1, 2, 3))
    batch.abandon()


def test_large_outcomes_are_filed_soon(opened: Open, path: Path) -> None:
    """What is not filed is held in memory, by the next writer too."""
    db = opened()
    for request in range(8):
        mutate(db, "session", request, bytes(300_000))
    assert count(path, "_recent_requests") < 4
    db.close()
    batch = opened().begin()
    assert all(batch.recorded_request("session", request) for request in range(8))
    batch.abandon()


def test_a_session_not_heard_of_for_long_is_dropped(opened: Open, clock: StillClock, path: Path) -> None:
    db = opened()
    mutate(db, "old", 1)
    mutate(db, "faithful", 1)
    clock.now += 10 * DAY
    mutate(db, "faithful", 2)
    clock.now += 10 * DAY
    mutate(db, "new", 1)
    clock.now += DAY // 24
    mutate(db, "new", 2)
    batch = db.begin()
    assert batch.recorded_request("old", 1) is None
    assert batch.recorded_request("faithful", 1) is not None
    batch.abandon()
    assert count(path, "_sessions") == 2
    assert count(path, "_session_requests") + count(path, "_recent_requests") == 4


def test_requests_of_a_session_stand_together_in_the_order_of_first_mutations(opened: Open, path: Path) -> None:
    db = opened()
    for session in ("zzz", "aaa", "mmm"):
        mutate(db, session, 1)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        numbers = connection.execute("SELECT session FROM _sessions ORDER BY number").fetchall()
    connection.close()
    assert numbers == [("zzz",), ("aaa",), ("mmm",)]


# ── calls of the server (engine A3) ───────────────────────────────────────────────────────────────────────────────────


def test_outcomes_of_calls_are_found_by_the_next_writer_of_the_same_server(db: Database, opened: Open) -> None:
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {})
    batch.record_call("boot", 5, b"five")
    batch.record_call("boot", 6, b"a failed call's too")
    batch.commit()
    db.close()
    following = opened(boot="boot")
    assert following.recorded_calls("boot", [4, 5, 6]) == {5: b"five", 6: b"a failed call's too"}
    assert following.recorded_calls("another", [5]) == {}


def test_outcomes_of_an_abandoned_batch_do_not_exist(db: Database) -> None:
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {})
    batch.record_call("boot", 5, b"five")
    batch.abandon()
    assert db.recorded_calls("boot", [5]) == {}


def test_forgotten_outcomes_go_with_the_next_commit(db: Database) -> None:
    for n in (1, 2):
        batch = db.begin()
        with call(batch) as t:
            t.insert("notes", {})
        batch.record_call("boot", n, b"")
        batch.commit()
    idle = db.begin()
    idle.forget_calls("boot", [1])
    idle.commit()
    assert db.recorded_calls("boot", [1, 2]) == {1: b"", 2: b""}
    passed: list[str] = []
    with fail_point.installed(passed.append):
        insert(db, "notes", {})
        assert passed.count("DELETE FROM _calls WHERE call = ?") == 1
        insert(db, "notes", {})
        assert passed.count("DELETE FROM _calls WHERE call = ?") == 1, "and are not deleted for ever after"
    assert db.recorded_calls("boot", [1, 2]) == {2: b""}


def test_a_new_server_forgets_the_outcomes_of_the_old_one(db: Database, opened: Open) -> None:
    batch = db.begin()
    with call(batch) as t:
        t.insert("notes", {})
    batch.record_call("boot", 1, b"old")
    batch.commit()
    db.close()
    new = opened(boot="new")
    assert new.recorded_calls("new", [1]) == {}
    assert new.recorded_calls("boot", [1]) == {}


def test_calls_of_another_server_are_refused(db: Database) -> None:
    batch = db.begin()
    with pytest.raises(StorageError, match="another"):
        batch.record_call("another", 1, b"")
    batch.abandon()
