from __future__ import annotations

import pytest

from reactor.footprint.fact import filter_value, pack_fact
from reactor.footprint.predicate_map import PredicateMap
from reactor.footprint.read_set import ReadSet, ReadSetBuilder
from reactor.footprint.vector_predicate import Either, VectorPredicate
from reactor.values.order import UNDEFINED
from reactor.values.value import Value
from reactor.values.vector import unit_vector

X = unit_vector([1.0, 0.0], 2)
ANN, BOB, YES = filter_value("ann"), filter_value("bob"), filter_value(True)
OF_ANN: Either = (((0, (ANN,)),),)
OF_ANN_OR_PUBLIC: Either = (((0, (ANN,)),), ((1, (YES,)),))
OF_BOTH: Either = (((0, (ANN, BOB)), (1, (YES,))),)


def fact(vector: list[float], owner: Value = "ann", public: Value = False) -> bytes:
    return pack_fact([owner, public], unit_vector(vector, 2))


@pytest.mark.parametrize(
    ("predicate", "told", "met"),
    [
        (VectorPredicate((), X, 0.9), fact([1.0, 0.1]), True),
        (VectorPredicate((), X, 0.9), fact([1.0, 1.0]), False),
        (VectorPredicate((), X, 0.9), fact([-1.0, 0.0]), False),
        (VectorPredicate((), X, 1.0), fact([5.0, 0.0]), True),  # as near as the last one found
        (VectorPredicate((), X, None), fact([-1.0, 0.0]), True),  # fewer were found than asked for
        (VectorPredicate(OF_ANN, X, None), fact([1.0, 0.0], "bob"), False),
        (VectorPredicate(OF_ANN, X, None), fact([1.0, 0.0], "ann"), True),
        (VectorPredicate(OF_ANN_OR_PUBLIC, X, None), fact([1.0, 0.0], "bob", True), True),
        (VectorPredicate(OF_ANN_OR_PUBLIC, X, None), fact([1.0, 0.0], "bob", False), False),
        (VectorPredicate(OF_BOTH, X, None), fact([1.0, 0.0], "bob", True), True),
        (VectorPredicate(OF_BOTH, X, None), fact([1.0, 0.0], "cyd", True), False),
        (VectorPredicate(OF_BOTH, X, None), fact([1.0, 0.0], "bob", None), False),
        (VectorPredicate((((1, (filter_value(UNDEFINED),)),),), X, None), pack_fact(["ann", UNDEFINED], X), True),
        (VectorPredicate((((0, ()),),), X, None), fact([1.0, 0.0]), False),  # any_of() of nothing
    ],
)
def test_a_fact_meets_it_or_does_not_wherever_it_is_filed(predicate: VectorPredicate, told: bytes, met: bool) -> None:
    assert predicate.meets(told) == met
    filed: PredicateMap[str] = PredicateMap()
    filed.add("owner", 7, predicate)
    assert filed.stab(7, told) == ({"owner"} if met else set())
    builder = ReadSetBuilder()
    builder.expect(7, predicate)
    crossed = ReadSet.from_wire(builder.build().to_wire())
    assert crossed.predicates == {7: (predicate,)}
    assert crossed.meets({7: (told,)}) == met
