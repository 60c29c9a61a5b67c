"""Int64 is a Python integer that knows it is the other kind of number."""

import pytest

from reactor.errors import InvalidValue
from reactor.values.int64 import INT64_MAX, INT64_MIN, Int64


@pytest.mark.parametrize("number", [INT64_MIN, -1, 0, 1, INT64_MAX])
def test_every_64_bit_integer_fits(number: int) -> None:
    assert int(Int64(number)) == number


@pytest.mark.parametrize("number", [INT64_MIN - 1, INT64_MAX + 1])
def test_one_past_64_bits_is_refused_with_advice(number: int) -> None:
    with pytest.raises(InvalidValue, match=r"does not fit into an Int64.*Store it as a string"):
        Int64(number)


def test_people_see_the_number_and_programmers_see_the_type() -> None:
    assert str(Int64(5)) == "5"
    assert f"{Int64(5)} {Int64(5):03d}" == "5 005"
    assert repr([Int64(-5)]) == "[Int64(-5)]"
