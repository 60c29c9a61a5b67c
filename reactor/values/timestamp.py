"""Timestamp: a place in the one order of commits, and its spelling on the wire (reference §1.2)."""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from typing import NewType

from reactor.errors import InvalidValue

Timestamp = NewType("Timestamp", int)
"""Nanoseconds since the epoch, unsigned 64-bit; strictly increasing in commit order."""

MAX_TIMESTAMP = Timestamp((1 << 64) - 1)

_U64 = struct.Struct("<Q")


def encode_ts(ts: int) -> str:
    """Twelve characters: the base64 of eight little-endian bytes."""
    return wire_ts(ts).decode("ascii")


def wire_ts(ts: int) -> bytes:
    """The same as they are sent."""
    return b2a_base64(_U64.pack(ts), newline=False)


def decode_ts(text: str) -> Timestamp:
    """Raises InvalidValue for a text that `encode_ts` does not make."""
    try:
        (ts,) = _U64.unpack(a2b_base64(text, strict_mode=True))
    except (ValueError, TypeError, struct.error):
        raise InvalidValue(f"{text!r} is not a timestamp: it must be the base64 of 8 bytes.") from None
    if encode_ts(ts) != text:
        raise InvalidValue(f"{text!r} is not a timestamp: it has stray bits at its end.")
    return Timestamp(ts)
