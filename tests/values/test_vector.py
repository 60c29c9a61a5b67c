from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from reactor import Int64
from reactor.values.order import UNDEFINED
from reactor.values.vector import score, unit_vector


def unpacked(value: Any) -> list[float]:
    return list(struct.unpack("<3f", unit_vector(value, 3)))


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ([3.0, 0.0, 4.0], [0.6, 0, 0.8]),
        ([3, 0, 4], [0.6, 0, 0.8]),
        ([-2.0, 0.0, 0.0], [-1, 0, 0]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
        ([1e308, 1e308, 0.0], [math.sqrt(0.5), math.sqrt(0.5), 0]),
        ([5e-324, 0.0, 0.0], [1, 0, 0]),
        ([1e-200, 1e200, 0.0], [0, 1, 0]),
        ([2**1000, 0.0, 0], [1, 0, 0]),
    ],
)
def test_a_vector_is_kept_with_length_one(value: Any, unit: list[float]) -> None:
    assert unpacked(value) == pytest.approx(unit, abs=1e-7)


@pytest.mark.parametrize(
    "value",
    [
        UNDEFINED,
        None,
        "abc",
        b"abc",
        {},
        [],
        [1.0, 2.0],
        [1.0, 2.0, 3.0, 4.0],
        [1.0, float("nan"), 0.0],
        [float("inf"), 0.0, 0.0],
        [10**400, 0.0, 0.0],
        [Int64(1), Int64(2), Int64(3)],
        [True, False, True],
        ["1", "2", "3"],
        [None, 0.0, 0.0],
        [[1.0], [2.0], [3.0]],
    ],
)
def test_what_is_no_vector_is_not_kept(value: Any) -> None:
    assert unit_vector(value, 3) == b""


def test_the_score_is_the_cosine() -> None:
    one, other, zero = (unit_vector(value, 3) for value in ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]))
    assert score(one, other) == pytest.approx(math.sqrt(0.5))
    assert score(one, unit_vector([-7.0, 0.0, 0.0], 3)) == -1
    assert score(one, zero) == 0
