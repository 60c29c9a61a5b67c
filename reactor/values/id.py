"""DocumentId: the name of one document of one table, and the text it is written as (reference §3.5).

bytes = varint(table number) ‖ 16-byte internal id ‖ Fletcher-16 of both; text = Crockford base32 of them. Ids of one
table have one length and the alphabet is in ASCII order, so texts sort as their bytes do: by creation (`internal_id`).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from reactor.errors import InvalidId

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
MAX_TABLE_NUMBER = (1 << 32) - 1

_INTERNAL = 16
_FOOTER = 2

# Python itself reads base 32 quickly, with the digits 0-9 a-v. What is no Crockford symbol becomes `!`, which it refuses.
_PYTHON_DIGITS = bytearray(b"!" * 256)
for _symbol, _digit in zip(ALPHABET, "0123456789abcdefghijklmnopqrstuv", strict=True):
    _PYTHON_DIGITS[ord(_symbol)] = ord(_digit)

_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)  # two symbols for ten bits
_SHIFTS = tuple(range(180, -1, -10))  # of the pairs of the longest id, 37 symbols


class DocumentId(NamedTuple):
    """What an id says. (A named tuple: every read of a document makes one, and this is the quick immutable record.)"""

    table_number: int
    internal: bytes


def encode_id(table_number: int, internal: bytes) -> str:
    """The text of an id. Raises ValueError unless the number is 1 … 2^32 - 1 and `internal` has 16 bytes."""
    if len(internal) != _INTERNAL or not 1 <= table_number <= MAX_TABLE_NUMBER:
        raise ValueError(f"no id for table number {table_number} and {len(internal)} bytes")
    body = _varint(table_number) + internal
    data = body + _footer(body)
    bits = len(data) * 8
    symbols = -(-bits // 5)
    pairs = (symbols + 1) // 2
    number = int.from_bytes(data) << (pairs * 10 - bits)
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS[-pairs:]])[:symbols]


@lru_cache(maxsize=2048)  # a call names a document more than once, and calls name the same ones
def decode_id(text: str) -> DocumentId:
    """What the id says. Strict: whatever `encode_id` does not make raises InvalidId."""
    try:
        number = int(text.encode("ascii").translate(_PYTHON_DIGITS), 32)
    except ValueError:
        raise _no_id(text) from None
    size, padding = divmod(len(text) * 5, 8)
    if padding >= 5 or number & ((1 << padding) - 1):
        raise _no_id(text)
    data = (number >> padding).to_bytes(size)
    body = data[:-_FOOTER]
    table_number = _table_number(body[:-_INTERNAL])
    if table_number is None or _footer(body) != data[-_FOOTER:]:
        raise _no_id(text)
    return DocumentId(table_number, body[-_INTERNAL:])


def internal_id(stamp: int, entropy: bytes) -> bytes:
    """An internal id that sorts by `stamp`: the creation time in units of 2^-10 ms. `entropy` is 8 random bytes."""
    if len(entropy) != 8:
        raise ValueError(f"entropy must be 8 bytes, not {len(entropy)}")
    return stamp.to_bytes(8) + entropy


@lru_cache(maxsize=1024)
def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


@lru_cache(maxsize=1024)  # there are few tables
def _table_number(varint: bytes) -> int | None:
    """The number; None unless these are all the bytes of its shortest form."""
    number = 0
    for group in reversed(varint):
        number = number << 7 | group & 127
    return number if 1 <= number <= MAX_TABLE_NUMBER and _varint(number) == varint else None


def _footer(body: bytes) -> bytes:
    """Fletcher-16: the sum of the bytes, and the sum of their running sums."""
    return bytes((sum(body) & 255, sum(accumulate(body)) & 255))


def _no_id(text: str) -> InvalidId:
    shown = text if len(text) <= 64 else text[:64] + "…"
    return InvalidId(f"{shown!r} is not a document id. Pass the `_id` of a document as it was received.")
