"""One call: what it comes to, and that nothing of a failed one remains but the word of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor.auth.identity import Identity
from reactor.errors import StorageError
from reactor.execution.caller import StaleCode
from reactor.execution.frames import Call
from reactor.footprint.read_set import ReadSet
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import TestBackend
from tests.execution.backends import backend, failure_text

FUNCTIONS = """
    @query
    def echo(ctx: QueryCtx, value: Any = None) -> Any:
        return value

    @query
    def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in ctx.db.query(Note)]

    @query
    def wrong(ctx: QueryCtx) -> int:
        return "seven"

    @query
    def large(ctx: QueryCtx, size: int) -> str:
        return "x" * size

    @mutation
    def add(ctx: MutationCtx, text: str = "x") -> Id[Note]:
        print("adding", text)
        return ctx.db.insert(Note(text=text))

    @mutation
    def add_and_fail(ctx: MutationCtx) -> None:
        ctx.db.insert(Note(text="lost"))
        ctx.scheduler.run_after(0, add)
        raise AppError({"code": "no"})

    @mutation
    def add_and_exit(ctx: MutationCtx) -> None:
        ctx.db.insert(Note(text="lost"))
        raise SystemExit

    @mutation
    def wrong_result(ctx: MutationCtx) -> int:
        ctx.db.insert(Note(text="lost"))
        return "seven"

    @mutation
    def nothing(ctx: MutationCtx) -> None:
        pass

    @mutation
    def back_and_forth(ctx: MutationCtx) -> None:
        ctx.db.delete(ctx.db.insert(Note(text="gone")))

    # limits and time

    @mutation
    def swallow_a_limit(ctx: MutationCtx) -> str:
        try:
            for _ in range(100):
                ctx.db.insert(Note(text="many"))
        except Exception:
            pass
        return "fine"

    @query
    def swallow_a_read_limit(ctx: QueryCtx) -> str:
        try:
            ctx.db.query(Note).collect()
        except Exception:
            pass
        return "fine"

    @query
    def loop(ctx: QueryCtx) -> None:
        while True:
            pass

    @mutation
    def swallow_the_timeout(ctx: MutationCtx) -> str:
        def spin() -> None:
            while True:
                pass
        try:
            spin()
        except Exception:
            pass
        return "fine"

    @mutation
    def write_for_ever(ctx: MutationCtx) -> None:
        while True:
            ctx.db.patch(ctx.db.insert(Note(text="x")), text="y")

    @query
    def fill_memory(ctx: QueryCtx) -> None:
        raise MemoryError

    @query
    def recurse(ctx: QueryCtx) -> None:
        recurse(ctx)

    # identity, time, chance

    @query
    def who(ctx: QueryCtx, ask: bool = True) -> str | None:
        user = ctx.auth.get_user_identity() if ask else None
        return user and user.email

    @query
    def who_nested(ctx: QueryCtx) -> str | None:
        return ctx.run_query(who)

    @query
    def who_failing(ctx: QueryCtx) -> None:
        ctx.run_query(who)
        raise ValueError

    @query
    def chance(ctx: QueryCtx, tag: str = "") -> list[float]:
        import random
        return [random.random(), random.random()]

    @mutation
    def token(ctx: MutationCtx) -> str:
        import secrets
        return secrets.token_hex()

    @query
    def clocks(ctx: QueryCtx) -> list[float]:
        return [ctx.now.timestamp(), time.time(), ctx.run_query(inner_clock)]

    @internal_query
    def inner_clock(ctx: QueryCtx) -> float:
        return time.time()

    @query
    def environment(ctx: QueryCtx, name: str) -> str | None:
        return ctx.env.get(name)

    @query
    def read_a_file(ctx: QueryCtx) -> str:
        return open(__file__).read()

    @query
    def chatty(ctx: QueryCtx, word: str) -> int:
        print(word)
        return 1
"""
ADA = Identity.from_attributes({"issuer": "https://issuer", "subject": "ada", "email": "ada@x.org"})
BOB = Identity.from_attributes({"issuer": "https://issuer", "subject": "bob", "email": "bob@x.org"})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TestBackend]:
    limits = dataclasses.replace(
        DEFAULT_LIMITS, function_cpu=0.3, documents_written=50, result_size=10_000, arguments_size=20_000
    )
    with backend(tmp_path, FUNCTIONS, limits=limits) as running:
        yield running


# ── arguments and results ─────────────────────────────────────────────────────────────────────────────────────────────


def raw(running: TestBackend, args: bytes, path: str = "m:echo") -> Any:
    return running._run(Call(id=7, kind="query", path=path, args=args))


def test_arguments_are_an_object_or_a_list_of_one(running: TestBackend) -> None:
    assert raw(running, b'{"value":1}').value == raw(running, b'[{"value":1}]').value == b"1"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (b"[]", "Expected one argument object, got 0."),
        (b"[{},{}]", "Expected one argument object, got 2."),
        (b"5", "Arguments are one object"),
        (b"{", "JSON"),
        (b'{"value":{"$what":1}}', "$what"),
        (b'{"other":1}', "Object contains extra field `other` that is not in the validator."),
        (b'{"value":[' + b"1," * 8192 + b"1]}", "Array length is too long"),
        (b'{"value":[' + b"1," * 4 + b"1" * 19990 + b"]}", "Arguments are too large"),
    ],
)
def test_bad_arguments_are_an_outcome_and_say_why(running: TestBackend, args: bytes, words: str) -> None:
    failure = raw(running, args).failure
    assert failure.code == "ArgumentValidationError"
    assert failure.text.startswith("ArgumentValidationError: ")
    assert words in failure.text


def test_a_result_that_is_not_what_was_declared_is_an_error(running: TestBackend) -> None:
    assert failure_text(running, "m:wrong", kind="query").startswith("ReturnsValidationError: Value does not match")
    assert "too large" in failure_text(running, "m:large", {"size": 20_000}, "query")
    assert failure_text(running, "m:wrongResult").startswith("ReturnsValidationError: ")
    assert running.query("m:texts") == []


def test_an_outcome_carries_the_id_of_its_call(running: TestBackend) -> None:
    assert raw(running, b"{}").call == raw(running, b"nonsense").call == 7


# ── success and failure ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mutation_that_fails_leaves_nothing(running: TestBackend) -> None:
    before = running._database.head
    for path in ("m:addAndFail", "m:addAndExit", "m:wrongResult"):
        outcome = running.outcome("mutation", path)
        assert outcome.failure is not None
        assert outcome.ts == 0
    assert running.query("m:texts") == []
    assert running.run_due() == 0
    assert running._database.head.ts == before.ts


def test_an_app_error_carries_its_data(running: TestBackend) -> None:
    failure = running.outcome("mutation", "m:addAndFail").failure
    assert failure is not None
    assert (failure.code, failure.data) == ("AppError", b'{"code":"no"}')
    assert failure.text.startswith('Uncaught ConvexError: {"code":"no"}\n    at add_and_fail (functions/m.py:')


def test_the_timestamp_is_the_calls_own_and_none_when_nothing_changed(running: TestBackend) -> None:
    first, second = running.outcome("mutation", "m:add"), running.outcome("mutation", "m:add")
    assert 0 < first.ts < second.ts == running._database.head.ts
    assert running.outcome("mutation", "m:nothing").ts == 0
    assert running.outcome("mutation", "m:backAndForth").ts == 0
    assert running.outcome("query", "m:texts").ts == second.ts


def test_what_was_printed_is_told_also_when_the_call_failed(running: TestBackend) -> None:
    assert running.outcome("mutation", "m:add", {"text": "a"}).log_lines == ["[LOG] 'adding' 'a'"]
    assert running.outcome("query", "m:chatty", {"word": "w"}).log_lines == ["[LOG] 'w'"]


def test_a_public_caller_cannot_reach_internal_and_system_functions(running: TestBackend) -> None:
    for path in ("m:innerClock", "_system/scheduler:pending"):
        assert failure_text(running, path, kind="query") == f"Could not find public function for '{path}'."
    assert failure_text(running, "m:add", kind="query") == (
        "Trying to execute m.js:add as Query, but it is defined as Mutation."
    )


def test_code_of_another_bundle_is_not_run(running: TestBackend) -> None:
    batch = running._database.begin()
    batch.set_bundle("another", {})
    batch.commit()
    with pytest.raises(StaleCode):
        running.query("m:texts")


def test_every_query_is_met_by_a_push(running: TestBackend) -> None:
    reads = [ReadSet.from_wire(running.outcome("query", path).reads) for path in ("m:texts", "m:gone", "m:wrong")]
    batch = running._database.begin()
    batch.set_bundle("another", {})
    (commit,) = batch.commit().commits
    assert all(each.meets(commit.keys) for each in reads)


# ── limits and time ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_limit_passed_cannot_be_swallowed(running: TestBackend) -> None:
    outcome = running.outcome("mutation", "m:swallowALimit")
    assert outcome.failure is not None
    assert outcome.failure.code == "TooManyWrites"
    assert "Too many writes in a single function execution (limit: 50)." in outcome.failure.text
    assert running.query("m:texts") == []


def test_a_read_limit_cannot_be_swallowed_either(tmp_path: Path) -> None:
    with backend(tmp_path, FUNCTIONS, limits=dataclasses.replace(DEFAULT_LIMITS, documents_read=3)) as running:
        for _ in range(4):
            running.mutation("m:add")
        outcome = running.outcome("query", "m:swallowAReadLimit")
    assert outcome.failure is not None
    assert outcome.failure.code == "TooManyDocumentsRead"


def test_an_endless_loop_ends_with_a_timeout(running: TestBackend) -> None:
    outcome = running.outcome("query", "m:loop")
    assert outcome.failure is not None
    assert outcome.failure.code == "FunctionTimeout"
    assert outcome.failure.text.startswith(
        "Function execution timed out (maximum duration: 0.3s). The setting is `function_cpu` in [tool.reactor.limits].\n    at loop ("
    )


def test_a_timeout_cannot_be_swallowed(running: TestBackend) -> None:
    assert failure_text(running, "m:swallowTheTimeout").startswith("Function execution timed out")
    assert running.query("m:echo", {"value": 1}) == 1


def test_a_timeout_amid_writes_leaves_the_database_whole(tmp_path: Path) -> None:
    limits = dataclasses.replace(DEFAULT_LIMITS, function_cpu=0.05)
    with backend(tmp_path, FUNCTIONS, limits=limits) as running:
        for _ in range(5):
            assert failure_text(running, "m:writeForEver").startswith("Function execution timed out")
        running.mutation("m:add", {"text": "kept"})
        assert running.query("m:texts") == ["kept"]
        with running._database.snapshot() as snapshot:
            table = snapshot.table("notes")
            assert table is not None
            for index in ("by_rank", "by_creation_time", "by_id"):
                assert len(list(snapshot.scan("notes", index))) == 1


def test_runaway_recursion_is_an_error_of_that_call(running: TestBackend) -> None:
    assert failure_text(running, "m:recurse", kind="query").startswith("Uncaught RecursionError")


def test_want_of_memory_is_nobodys_outcome(running: TestBackend) -> None:
    with pytest.raises(MemoryError):
        running.query("m:fillMemory")


def test_an_engine_error_ends_the_batch_whatever_user_code_catches(
    running: TestBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reactor.database.transaction import Transaction

    def broken(*_args: object, **_kwargs: object) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(Transaction, "insert", broken)
    with pytest.raises(StorageError, match="disk full"):
        running.mutation("m:swallowALimit")
    monkeypatch.undo()
    assert running.query("m:texts") == []


def test_a_bug_in_the_engine_fails_the_call_even_if_it_is_caught(
    running: TestBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reactor.database.transaction import Transaction

    def broken(*_args: object, **_kwargs: object) -> None:
        raise TypeError("half a write")

    monkeypatch.setattr(Transaction, "insert", broken)
    assert failure_text(running, "m:swallowALimit") == "Uncaught TypeError: half a write"


# ── identity, time, chance ────────────────────────────────────────────────────────────────────────────────────────────


def test_asking_who_it_is_is_noted_also_when_it_was_nested_or_failed(running: TestBackend) -> None:
    assert running.query("m:who", identity=ADA) == "ada@x.org"
    assert running.query("m:whoNested", identity=BOB) == "bob@x.org"
    assert running.query("m:who") is None
    for path in ("m:who", "m:whoNested", "m:whoFailing"):
        assert running.outcome("query", path, identity=ADA).identity_read
    assert not running.outcome("query", "m:who", {"ask": False}, identity=ADA).identity_read
    assert not running.outcome("query", "m:texts", identity=ADA).identity_read


def test_a_query_asked_again_draws_the_same_and_another_one_something_else(running: TestBackend) -> None:
    first = running.query("m:chance")
    assert running.query("m:chance") == first
    assert running.query("m:chance", {"tag": "a"}) != first
    assert running.query("m:chance", identity=ADA) != first
    assert first[0] != first[1]


def test_tokens_of_two_mutations_differ(running: TestBackend) -> None:
    assert running.mutation("m:token") != running.mutation("m:token")


def test_one_time_for_the_whole_call(running: TestBackend) -> None:
    times = running.query("m:clocks")
    assert times == pytest.approx([times[0]] * 3, abs=2e-6)  # a datetime counts microseconds, a float rounds them
    assert abs(times[0] - running.clock.now_ns() / 1e9) < 60


def test_the_environment_can_be_read(running: TestBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_TEST_VALUE", "yes")
    assert running.query("m:environment", {"name": "PROJECT_TEST_VALUE"}) == "yes"
    assert running.query("m:environment", {"name": "REACTOR_TEST_NOTHING"}) is None


def test_a_query_has_no_files(running: TestBackend) -> None:
    assert "Use an action" in failure_text(running, "m:readAFile", kind="query")


def test_the_digest_knows_value_and_lines(running: TestBackend) -> None:
    def digest(word: str) -> bytes:
        return running.outcome("query", "m:chatty", {"word": word}).digest

    assert digest("a") == digest("a") != digest("b")


# ── mutations sent twice ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mutation_sent_again_is_answered_and_not_run_again(running: TestBackend) -> None:
    first = running.outcome("mutation", "m:add", session="s", request=1)
    running.mutation("m:add")
    again = running.outcome("mutation", "m:add", session="s", request=1)
    assert (again.value, again.ts, again.log_lines) == (first.value, first.ts, first.log_lines)
    assert again.call != first.call
    assert len(running.query("m:texts")) == 2
    running.outcome("mutation", "m:add", session="s", request=2)
    running.outcome("mutation", "m:add", session="t", request=1)
    assert len(running.query("m:texts")) == 4


def test_a_request_of_one_user_is_not_that_of_another(running: TestBackend) -> None:
    first = running.outcome("mutation", "m:add", identity=ADA, session="s", request=1)
    other = running.outcome("mutation", "m:add", identity=BOB, session="s", request=1)
    assert first.value != other.value
    assert running.outcome("mutation", "m:add", identity=ADA, session="s", request=1).value == first.value
    assert running.outcome("mutation", "m:add", identity=BOB, session="s", request=1).value == other.value


def test_a_request_number_used_for_another_function_runs_nothing(running: TestBackend) -> None:
    running.outcome("mutation", "m:add", session="s", request=1)
    outcome = running.outcome("mutation", "m:token", session="s", request=1)
    assert outcome.failure is not None
    assert outcome.failure.code == "RequestIdMismatch"


def test_a_failed_mutation_may_be_sent_again(running: TestBackend) -> None:
    for _ in range(2):
        outcome = running.outcome("mutation", "m:addAndFail", session="s", request=1)
        assert outcome.failure is not None
