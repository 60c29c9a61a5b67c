"""Vectors as a vector index holds them: 32-bit numbers of length one, so that a product of two is the cosine.

The score of two is computed with 64-bit numbers, one pair at a time, and so is the same wherever and beside whatever it
is computed. numpy does the work; it is imported where it is used, because most projects have no vectors and numpy takes
60 ms and 25 MB.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from reactor.values.order import Undefined
from reactor.values.value import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDING = 1e-9
"""What two ways of adding up a score may differ by, generously."""


def unit_vector(value: Value | Undefined, dimensions: int) -> bytes:
    """The bytes of a field that holds so many finite numbers; of any other, none.

    A vector of zeros has no direction: it stays what it is, and its score is 0 with every other.
    """
    if type(value) is not list or len(value) != dimensions or not {*map(type, value)} <= _NUMBERS:
        return b""
    import numpy as np

    try:
        numbers = np.array(value, dtype=np.float64)
    except OverflowError:  # an integer beyond all floats
        return b""
    greatest = float(np.abs(numbers).max())
    if not np.isfinite(greatest):  # NaN, if there is one, is the greatest
        return b""
    if greatest > 0:
        numbers /= greatest  # squares of the largest and smallest floats are not floats any more
        numbers /= np.sqrt(np.square(numbers).sum())
    return numbers.astype("<f4").tobytes()


_NUMBERS = {float, int}


def score(one: bytes, other: bytes) -> float:
    """The cosine of two vectors of the same length, up to ROUNDING."""
    import numpy as np

    return float(np.dot(_doubles(one), _doubles(other)))


@lru_cache(maxsize=1024)  # what is watched is compared with every vector that comes
def _doubles(unit: bytes) -> NDArray[np.float64]:
    import numpy as np

    return np.frombuffer(unit, dtype="<f4").astype(np.float64)
