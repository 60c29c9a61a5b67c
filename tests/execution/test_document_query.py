"""Queries of functions: order, filters, taking, and pages that neither skip nor repeat."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.auth.identity import Identity
from reactor.errors import AppError
from reactor.footprint.read_set import ReadSet
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import TestBackend
from reactor.values.value import decode
from tests.execution.backends import backend, failure_text

FUNCTIONS = """
    @mutation
    def add(ctx: MutationCtx, rank: int, text: str = "") -> Id[Note]:
        return ctx.db.insert(Note(text=text, rank=rank))

    @mutation
    def remove(ctx: MutationCtx, rank: int) -> None:
        for note in ctx.db.query(Note.by_rank.eq(rank)):
            ctx.db.delete(note.id)

    @query
    def ranks(ctx: QueryCtx, low: int = 0, high: int = 1000, order: str = "asc") -> list[int]:
        return [note.rank for note in ctx.db.query(Note.by_rank.gte(low).lt(high)).order(order)]

    @query
    def oldest(ctx: QueryCtx, count: Any) -> list[int]:
        return [note.rank for note in ctx.db.query(Note).take(count)]

    @query
    def odd(ctx: QueryCtx, count: int | None = None) -> list[int]:
        found = ctx.db.query(Note.by_rank).filter(lambda note: note.rank % 2).filter(lambda note: note.rank > 2)
        return [note.rank for note in (found.collect() if count is None else found.take(count))]

    @query
    def first_odd(ctx: QueryCtx) -> int | None:
        note = ctx.db.query(Note.by_rank).filter(lambda note: note.rank % 2).first()
        return note and note.rank

    @query
    def the_one(ctx: QueryCtx, rank: int) -> Note | None:
        return ctx.db.query(Note.by_rank.eq(rank)).unique()

    @query
    def ordered_twice(ctx: QueryCtx) -> list[Note]:
        return ctx.db.query(Note).order("asc").order("desc").collect()

    @query
    def ordered_badly(ctx: QueryCtx) -> list[Note]:
        return ctx.db.query(Note).order("up").collect()

    @query
    def filtered_badly(ctx: QueryCtx) -> list[Note]:
        return ctx.db.query(Note).filter(True).collect()

    @query
    def page(ctx: QueryCtx, pagination_opts: PaginationOpts, order: str = "asc", odd: bool = False) -> Page[Note]:
        found = ctx.db.query(Note.by_rank).order(order)
        if odd:
            found = found.filter(lambda note: note.rank % 2)
        return found.paginate(pagination_opts)

    @query
    def other_page(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Note]:
        return ctx.db.query(Note.by_rank.gte(0)).paginate(pagination_opts)

    @query
    def scoped_page(ctx: QueryCtx, pagination_opts: PaginationOpts, rank: int) -> Page[Note]:
        return ctx.db.query(Note.by_rank.eq(rank)).paginate(pagination_opts)

    @query
    def two_pages(ctx: QueryCtx, low: PaginationOpts, high: PaginationOpts) -> list[Page[Note]]:
        notes = ctx.db.query(Note.by_rank.lt(100))
        return [notes.paginate(low), ctx.run_query(page_of_high, high)]

    @internal_query
    def page_of_high(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Note]:
        return ctx.db.query(Note.by_rank.gte(100)).paginate(pagination_opts)

    @query
    def sometimes_a_page(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Note]:
        if ctx.db.query(Note.by_rank.eq(999)).first() is not None:
            raise AppError("not now")
        return ctx.db.query(Note.by_rank).paginate(pagination_opts)

    @query
    def my_page(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Note]:
        ctx.auth.get_user_identity()
        return ctx.db.query(Note.by_rank).paginate(pagination_opts)

    @query
    def counted(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[str]:
        return ctx.db.query(Note.by_rank).paginate(pagination_opts).map(lambda note: f"#{note.rank}")
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TestBackend]:
    with backend(tmp_path, FUNCTIONS) as running:
        yield running


def add(running: TestBackend, *ranks: int) -> None:
    for rank in ranks:
        running.mutation("m:add", {"rank": rank})


# ── order, filters, taking ────────────────────────────────────────────────────────────────────────────────────────────


def test_documents_come_in_the_order_of_the_index(running: TestBackend) -> None:
    add(running, 5, 1, 9, 3)
    assert running.query("m:ranks") == [1, 3, 5, 9]
    assert running.query("m:ranks", {"order": "desc"}) == [9, 5, 3, 1]
    assert running.query("m:ranks", {"low": 3, "high": 9}) == [3, 5]
    assert running.query("m:oldest", {"count": 3}) == [5, 1, 9]
    assert running.query("m:oldest", {"count": 0}) == []


def test_filters_are_joined_and_take_counts_what_they_let_through(running: TestBackend) -> None:
    add(running, 0, 1, 2, 3, 4, 5, 6, 7)
    assert running.query("m:odd") == [3, 5, 7]
    assert running.query("m:odd", {"count": 2}) == [3, 5]
    assert running.query("m:firstOdd") == 1


def test_unique_is_none_one_or_an_error_with_the_ids(running: TestBackend) -> None:
    assert running.query("m:theOne", {"rank": 1}) is None
    ids = [running.mutation("m:add", {"rank": 1})]
    assert running.query("m:theOne", {"rank": 1})["_id"] == ids[0]
    ids.append(running.mutation("m:add", {"rank": 1}))
    text = failure_text(running, "m:theOne", {"rank": 1}, "query")
    expected = f"unique() query returned more than one result from table notes:\n[{', '.join(ids)}]"
    assert text == f"Uncaught NotUnique: {expected}"


@pytest.mark.parametrize(
    ("path", "words"),
    [("orderedTwice", "call `order` once"), ("orderedBadly", '"asc" or "desc"'), ("filteredBadly", "takes a function")],
)
def test_misuse_says_what_to_write(running: TestBackend, path: str, words: str) -> None:
    assert words in failure_text(running, f"m:{path}", kind="query")


@pytest.mark.parametrize("count", [-1, 1.5, True, "3", None])
def test_take_needs_a_number_of_documents(running: TestBackend, count: Any) -> None:
    assert "`take` needs how many documents" in failure_text(running, "m:oldest", {"count": count}, "query")


def reads(running: TestBackend, path: str, args: dict[str, Any] | None = None) -> ReadSet:
    return ReadSet.from_wire(running.outcome("query", path, args).reads)


def keys_of_last_write(running: TestBackend) -> dict[int, tuple[bytes, ...]]:
    return dict(running._database.commits_after(0)[-1].commits[-1].keys)


def test_a_query_depends_on_what_it_examined_and_on_no_more(running: TestBackend) -> None:
    add(running, 0, 1, 2, 3)
    first_odd, low, everything = (
        reads(running, "m:firstOdd"),
        reads(running, "m:ranks", {"high": 3}),
        reads(running, "m:ranks"),
    )
    add(running, 2)
    touched = keys_of_last_write(running)
    assert not first_odd.meets(touched)  # stopped at 1
    assert low.meets(touched)
    assert everything.meets(touched)
    add(running, 5)
    touched = keys_of_last_write(running)
    assert not low.meets(touched)
    assert everything.meets(touched)


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def opts(count: int = 2, cursor: str | None = None, **more: Any) -> dict[str, Any]:
    return {"numItems": count, "cursor": cursor, **more}


def page(running: TestBackend, count: int = 2, cursor: str | None = None, **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = running.query("m:page", {"paginationOpts": opts(count, cursor), **more})
    return result


def ranks(result: dict[str, Any]) -> list[int]:
    return [note["rank"] for note in result["page"]]


def test_pages_follow_each_other_to_the_end(running: TestBackend) -> None:
    add(running, 4, 2, 1, 3)
    first = page(running)
    second = page(running, cursor=first["continueCursor"])
    third = page(running, cursor=second["continueCursor"])
    assert [ranks(each) for each in (first, second, third)] == [[1, 2], [3, 4], []]
    assert [each["isDone"] for each in (first, second, third)] == [False, False, True]  # a full page never says done
    assert isinstance(third["continueCursor"], str)
    assert ranks(page(running, cursor=third["continueCursor"])) == []
    assert ranks(page(running, 3, order="desc")) == [4, 3, 2]


def test_a_page_counts_what_its_filters_let_through(running: TestBackend) -> None:
    add(running, *range(8))
    first = page(running, odd=True)
    assert (ranks(first), ranks(page(running, cursor=first["continueCursor"], odd=True))) == ([1, 3], [5, 7])


def test_a_page_can_be_mapped(running: TestBackend) -> None:
    add(running, 1, 2, 3)
    assert running.query("m:counted", {"paginationOpts": opts()})["page"] == ["#1", "#2"]


def test_equal_places_are_equal_cursors_whoever_asks(running: TestBackend) -> None:
    add(running, 1, 2, 3)
    assert page(running)["continueCursor"] == page(running)["continueCursor"]
    one = page(running, 1)
    assert page(running, 1, one["continueCursor"])["continueCursor"] == page(running, 2)["continueCursor"]


@pytest.mark.parametrize("path", ["m:otherPage", "m:scopedPage"])
def test_a_cursor_of_another_query_makes_the_client_begin_again(running: TestBackend, path: str) -> None:
    add(running, 1, 2, 3)
    cursor = page(running)["continueCursor"]
    args = {"paginationOpts": opts(cursor=cursor)} | ({"rank": 1} if path == "m:scopedPage" else {})
    with pytest.raises(AppError) as caught:
        running.query(path, args)
    assert caught.value.data == {"isConvexSystemError": True, "paginationError": "InvalidCursor"}
    assert "InvalidCursor" in failure_text(running, path, args, "query")


def test_a_page_needs_an_item(running: TestBackend) -> None:
    text = failure_text(running, "m:page", {"paginationOpts": opts(0)}, "query")
    assert text.endswith("Must request at least 1 document while paginating.")


def test_a_cursor_holds_for_whoever_it_was_given_to_and_for_no_other_database(
    running: TestBackend, tmp_path: Path
) -> None:
    add(running, 1, 2, 3)
    ann, bob = (Identity.from_attributes({"issuer": "https://i", "subject": name}) for name in ("ann", "bob"))
    first = running.query("m:myPage", {"paginationOpts": opts()}, identity=ann)
    args = {"paginationOpts": opts(cursor=first["continueCursor"])}
    assert ranks(running.query("m:myPage", args, identity=ann)) == [3]
    ours = {"paginationOpts": opts(cursor=page(running)["continueCursor"])}
    with backend(tmp_path / "other", FUNCTIONS) as other:
        for refusing, identity, refused in ((running, bob, args), (running, None, args), (other, ann, ours)):
            with pytest.raises(AppError) as caught:
                refusing.query("m:myPage", refused, identity=identity)
            assert caught.value.data == {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


def test_ends_the_wrong_way_round_enclose_nothing(running: TestBackend) -> None:
    add(running, 1, 2, 3)
    early, late = page(running, 1)["continueCursor"], page(running, 2)["continueCursor"]
    assert ranks(running.query("m:page", {"paginationOpts": opts(9, late, endCursor=early)})) == []
    assert ranks(running.query("m:page", {"paginationOpts": opts(9, late, endCursor=late)})) == []


def test_the_number_of_a_hook_changes_nothing(running: TestBackend) -> None:
    add(running, 1, 2, 3)
    assert running.query("m:page", {"paginationOpts": opts(id=-1)}) == page(running)


def test_a_budget_stops_the_page_and_asks_to_split_it(running: TestBackend) -> None:
    add(running, *range(10))
    result = running.query("m:page", {"paginationOpts": opts(9, maximumRowsRead=4)})
    assert (ranks(result), result["isDone"], result["pageStatus"]) == ([0, 1, 2, 3], False, "SplitRequired")
    assert ranks(page(running, 9, result["continueCursor"])) == [4, 5, 6, 7, 8, 9]
    near = running.query("m:page", {"paginationOpts": opts(4, maximumRowsRead=5)})
    assert (len(near["page"]), near["pageStatus"]) == (4, "SplitRecommended")
    small = running.query("m:page", {"paginationOpts": opts(2, maximumBytesRead=1)})
    assert (len(small["page"]), small["pageStatus"]) == (1, "SplitRequired")


def test_a_page_stops_before_the_limit_of_the_function(tmp_path: Path) -> None:
    limits = dataclasses.replace(DEFAULT_LIMITS, documents_read=5)
    with backend(tmp_path, FUNCTIONS, limits=limits) as running:
        add(running, *range(8))
        result = page(running, 8)
    assert (ranks(result), result["pageStatus"]) == ([0, 1, 2, 3, 4], "SplitRequired")


def test_a_page_is_split_where_its_split_cursor_says(running: TestBackend) -> None:
    add(running, *range(6))
    whole = page(running, 6)
    left = running.query("m:page", {"paginationOpts": opts(1, endCursor=whole["splitCursor"])})
    right = running.query(
        "m:page", {"paginationOpts": opts(1, whole["splitCursor"], endCursor=whole["continueCursor"])}
    )
    assert (ranks(left), ranks(right)) == ([0, 1, 2], [3, 4, 5])
    assert (left["continueCursor"], right["continueCursor"]) == (whole["splitCursor"], whole["continueCursor"])
    assert "splitCursor" not in page(running, 2) or page(running, 2)["splitCursor"] is None


def live_page(running: TestBackend, args: dict[str, Any], journal: str | None) -> tuple[dict[str, Any], str | None]:
    """The page as a subscription sees it when it is run again."""
    outcome = running.outcome("query", "m:page", args, journal=journal)
    assert outcome.value is not None
    return decode(outcome.value), outcome.journal  # type: ignore[return-value]


def test_a_journal_keeps_the_right_edge_while_documents_come_and_go(running: TestBackend) -> None:
    add(running, 10, 20, 30, 40)
    args = {"paginationOpts": opts()}
    first, journal = live_page(running, args, None)
    add(running, 5, 15, 25)
    again, same = live_page(running, args, journal)
    assert ranks(again) == [5, 10, 15, 20]
    assert same == journal
    assert again["continueCursor"] == first["continueCursor"]
    assert ranks(page(running, 9, first["continueCursor"])) == [25, 30, 40]
    running.mutation("m:remove", {"rank": 20})  # the edge itself
    assert ranks(live_page(running, args, journal)[0]) == [5, 10, 15]


def test_a_journal_of_the_end_lets_the_last_page_grow(running: TestBackend) -> None:
    add(running, 1)
    args = {"paginationOpts": opts()}
    _first, journal = live_page(running, args, None)
    add(running, 2, 3, 4)
    again, _journal = live_page(running, args, journal)
    assert (ranks(again), again["isDone"]) == ([1, 2, 3, 4], True)


def test_a_journal_of_other_arguments_or_no_journal_at_all_is_ignored(running: TestBackend) -> None:
    add(running, 1, 2, 3)
    _page, journal = live_page(running, {"paginationOpts": opts(1)}, None)
    assert ranks(live_page(running, {"paginationOpts": opts(2)}, journal)[0]) == [1, 2]
    assert ranks(live_page(running, {"paginationOpts": opts(2)}, "nonsense")[0]) == [1, 2]
    assert running.outcome("query", "m:ranks").journal is None


def test_a_function_makes_several_pages_and_each_keeps_its_edge(running: TestBackend) -> None:
    """Convex allows one `paginate` a function (reference §4.5); the second is in a query that this one calls."""
    add(running, 10, 20, 30, 110, 120, 130)
    args = {"low": opts(), "high": opts(1)}

    def seen(journal: str | None) -> tuple[list[list[int]], str | None]:
        outcome = running.outcome("query", "m:twoPages", args, journal=journal)
        assert outcome.value is not None, outcome.failure
        return [ranks(each) for each in decode(outcome.value)], outcome.journal  # type: ignore[union-attr, arg-type]

    first, journal = seen(None)
    assert first == [[10, 20], [110]]
    add(running, 15, 25, 105, 115)
    assert seen(None)[0] == [[10, 15], [105]]
    assert seen(journal) == ([[10, 15, 20], [105, 110]], journal)


def test_a_page_that_fails_for_a_while_comes_back_with_its_edge(running: TestBackend) -> None:
    add(running, 10, 20, 30)
    args = {"paginationOpts": opts()}
    journal = running.outcome("query", "m:sometimesAPage", args).journal
    add(running, 15, 999)
    failed = running.outcome("query", "m:sometimesAPage", args, journal=journal)
    assert (failed.value, failed.journal) == (None, journal)
    running.mutation("m:remove", {"rank": 999})
    again = running.outcome("query", "m:sometimesAPage", args, journal=failed.journal)
    assert again.value is not None
    assert ranks(decode(again.value)) == [10, 15, 20]  # type: ignore[arg-type]


EDITS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=6)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 9), max_size=9), st.integers(1, 3), st.lists(EDITS, min_size=1, max_size=4), st.booleans()
)
def test_live_pages_together_are_always_exactly_the_query(
    start: list[int], size: int, rounds: list[list[tuple[bool, int]]], descending: bool
) -> None:
    order = "desc" if descending else "asc"
    with tempfile.TemporaryDirectory() as folder, backend(Path(folder), FUNCTIONS) as running:
        add(running, *start)
        held: list[tuple[dict[str, Any], str | None]] = []  # arguments and journal of each page subscribed to
        cursor = None
        while True:
            args = {"paginationOpts": opts(size, cursor), "order": order}
            result, journal = live_page(running, args, None)
            held.append((args, journal))
            cursor = result["continueCursor"]
            if result["isDone"]:
                break
        for edits in rounds:
            for added, rank in edits:
                running.mutation("m:add" if added else "m:remove", {"rank": rank})
            pages = [live_page(running, args, journal)[0] for args, journal in held]
            seen = [rank for each in pages for rank in ranks(each)]
            assert seen == running.query("m:ranks", {"order": order})
