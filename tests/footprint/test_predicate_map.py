"""Facts and predicates against brute force: the clever structures say what asking every predicate would say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reactor.footprint.commit import Commit
from reactor.footprint.fact import Fact, filter_value, pack_fact, unpack
from reactor.footprint.key_range import KeyRange
from reactor.footprint.predicate_map import PredicateMap
from reactor.footprint.read_set import ReadSet, ReadSetBuilder
from reactor.footprint.text_predicate import TextPredicate
from reactor.footprint.write_log import WriteLog
from reactor.subscriptions.subscription_set import SubscriptionSet
from reactor.values.order import UNDEFINED, Undefined
from reactor.values.value import Value
from reactor.values.words import terms_of, words_of

indexes = st.integers(1, 2)
VALUES: list[Value | Undefined] = [True, False, UNDEFINED]
texts = st.text("ab 猫の", max_size=8)
facts = st.tuples(st.tuples(st.sampled_from(VALUES), st.sampled_from(VALUES)), texts).map(
    lambda drawn: pack_fact(drawn[0], words_of(drawn[1]))
)
filters = st.dictionaries(st.integers(0, 1), st.sampled_from(VALUES), max_size=2).map(
    lambda chosen: tuple((place, filter_value(chosen[place])) for place in sorted(chosen))
)
predicates = st.builds(TextPredicate, filters, texts.map(terms_of))
touched = st.dictionaries(indexes, st.lists(facts, min_size=1, max_size=3).map(lambda found: tuple(sorted(found))))


@given(st.lists(st.tuples(st.integers(0, 5), indexes, predicates), max_size=30), st.sets(st.integers(0, 5)), facts)
def test_a_stab_finds_every_owner_and_no_other(
    added: list[tuple[int, int, TextPredicate]], removed: set[int], fact: bytes
) -> None:
    watched: PredicateMap[int] = PredicateMap()
    for owner, index, predicate in added:
        watched.add(owner, index, predicate)
    for owner in removed:
        watched.remove(owner)
    for index in (1, 2):
        expected = {
            owner for owner, where, each in added if owner not in removed and where == index and _asked(each, fact)
        }
        assert watched.stab(index, fact) == expected


def _asked(predicate: TextPredicate, fact: bytes) -> bool:
    # A search without terms is never recorded (it finds nothing, for good); one that is has no anchors, and meets nothing.
    return bool(predicate.terms) and predicate.meets(fact)


@given(st.lists(st.tuples(st.integers(0, 5), indexes, predicates), max_size=20))
def test_when_every_owner_has_gone_nothing_is_left(added: list[tuple[int, int, TextPredicate]]) -> None:
    watched: PredicateMap[int] = PredicateMap()
    for owner, index, predicate in added:
        watched.add(owner, index, predicate)
    for owner in range(6):
        watched.remove(owner)
    assert len(watched) == 0
    assert watched._shelves == {}


@st.composite
def read_sets(draw: st.DrawFn) -> ReadSet:
    builder = ReadSetBuilder()
    for index, predicate in draw(st.lists(st.tuples(indexes, predicates), max_size=4)):
        builder.expect(index, predicate)
    if draw(st.booleans()):
        builder.add(3, KeyRange.point(b"k"))
    return builder.build()


@given(read_sets(), touched)
def test_a_commit_meets_a_read_set_if_one_fact_meets_one_predicate(
    reads: ReadSet, written: dict[int, tuple[bytes, ...]]
) -> None:
    assert reads.meets(written) == any(
        each.meets(fact)
        for index, asked in reads.predicates.items()
        for each in asked
        for fact in written.get(index, ())
    )
    assert reads.meets({**written, 3: (b"k",)}) == (reads.meets(written) or 3 in reads.ranges)
    assert ReadSet.from_wire(reads.to_wire()) == reads


@given(st.lists(st.tuples(st.integers(0, 5), read_sets()), max_size=12), touched)
def test_subscriptions_are_met_by_facts_as_by_keys(
    watching: list[tuple[int, ReadSet]], written: dict[int, tuple[bytes, ...]]
) -> None:
    watched: SubscriptionSet[int] = SubscriptionSet()
    for owner, reads in watching:
        watched.watch(owner, reads)
    written = {**written, 3: (b"k",)}
    assert watched.met(written) == {owner for owner, reads in dict(watching).items() if reads.meets(written)}
    for owner in dict(watching):
        watched.forget(owner)
    assert watched.met(written) == set()


@given(
    st.lists(st.tuples(st.integers(1, 5), st.lists(touched, max_size=2)), max_size=8), read_sets(), st.integers(0, 40)
)
def test_the_log_answers_like_a_scan_over_all_batches(
    steps: list[tuple[int, list[dict[int, tuple[bytes, ...]]]]], reads: ReadSet, after: int
) -> None:
    log = WriteLog(10)
    end, met = 10, []
    for step, writes in steps:
        log.append(end + step, [Commit(end + step, end, write, "test") for write in writes])
        end += step
        if any(reads.meets(write) for write in writes):
            met.append(end)
    if after < 10:
        assert log.first_met(reads, after) == after + 1
    else:
        assert log.first_met(reads, after) == next((at for at in met if at > after), None)
        assert log.last_met(reads, min(after, end)) == max([10, *(at for at in met if at <= after)])


def test_a_fact_is_found_under_its_filters_and_a_long_value_by_its_digest() -> None:
    long = "x" * 1000
    fact = pack_fact([long, 1], b" a ")
    assert unpack(fact) == Fact((filter_value(long), filter_value(1.0)), b" a ")
    assert len(filter_value(long)) < 40
    assert filter_value(long) != filter_value(long + "x")


def test_a_commit_is_told_to_the_searches_it_touches_without_asking_the_others() -> None:
    asked: list[str] = []

    class Counted(TextPredicate):
        def meets(self, fact: bytes) -> bool:
            asked.append("")
            return super().meets(fact)

    watched: PredicateMap[int] = PredicateMap()
    for user in range(5000):
        watched.add(user, 1, Counted(((0, filter_value(user)),), terms_of("cat")))
    for word in range(5000):
        watched.add(10_000 + word, 1, Counted((), terms_of(f"word{word} x{word}")))
    assert watched.stab(1, pack_fact([7], words_of("a cat with word77"))) == {7, 10_077}
    assert len(asked) == 2
