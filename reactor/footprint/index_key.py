"""From values to stretches of index keys: what `eq`, `gt`, `lte` … on an index mean in bytes.

An index row's key is `index_key([field values…, creation time, id])` (values/order.py). The index `by_id` is the
exception: its key is the id's text itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reactor.footprint.key_range import EVERYTHING, KeyRange
from reactor.values.order import Undefined, index_key, order_key, prefix_end
from reactor.values.value import Value


class Bound(NamedTuple):
    """One end of a range, on the field after the equal ones."""

    value: Value | Undefined
    inclusive: bool


def range_of(
    equal: Sequence[Value | Undefined] = (), lower: Bound | None = None, upper: Bound | None = None
) -> KeyRange:
    """Keys whose first fields are `equal` and whose next one lies between the bounds. May be empty."""
    prefix = index_key(equal)
    start: bytes | None = prefix
    end = prefix_end(prefix)
    if lower is not None:
        start = prefix + order_key(lower.value)
        if not lower.inclusive:
            start = prefix_end(start)
    if upper is not None:
        bound = prefix + order_key(upper.value)
        end = prefix_end(bound) if upper.inclusive else bound
    if start is None:  # nothing sorts after the bound; no value encodes so today, yet the bytes allow it
        return KeyRange(b"", b"")
    return KeyRange(start, end)


def id_range_of(
    equal: Sequence[Value | Undefined] = (), lower: Bound | None = None, upper: Bound | None = None
) -> KeyRange:
    """The same for `by_id`, whose only field is `_id`. A bound that is no string sorts before or after every id."""
    found = EVERYTHING
    for value in equal:
        found = found.intersection(_ids_from(Bound(value, True))).intersection(_ids_to(Bound(value, True)))
    if lower is not None:
        found = found.intersection(_ids_from(lower))
    if upper is not None:
        found = found.intersection(_ids_to(upper))
    return found


def _ids_from(lower: Bound) -> KeyRange:
    if isinstance(lower.value, str):
        key = lower.value.encode()
        return KeyRange(key if lower.inclusive else key + b"\0", None)
    return EVERYTHING if _sorts_before_strings(lower.value) else KeyRange(b"", b"")


def _ids_to(upper: Bound) -> KeyRange:
    if isinstance(upper.value, str):
        key = upper.value.encode()
        return KeyRange(b"", key + b"\0" if upper.inclusive else key)
    return KeyRange(b"", b"") if _sorts_before_strings(upper.value) else EVERYTHING


def _sorts_before_strings(value: Value | Undefined) -> bool:
    return order_key(value) < order_key("")
