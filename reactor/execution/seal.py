"""Seal: makes a text of bytes that clients carry but can neither read, change nor make.

Deterministic (AES-SIV): the same bytes give the same text, which is what lets a cursor be part of a live query's
arguments. What a text is bound to is not in it; it opens only for the same.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from os import urandom
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_SIZE = 64  # bytes: two keys of AES-256


class Seal:
    """Made of a deployment's key, once for each bundle."""

    __slots__ = ("_cipher", "_key")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher: AESSIV | None = None  # made when it is first needed

    @classmethod
    def random(cls) -> Seal:
        """One whose texts nobody else can open, the next process of this program included."""
        return cls(urandom(KEY_SIZE))

    def close(self, data: bytes, *bound_to: bytes) -> str:
        """The text of these bytes (at least one)."""
        return urlsafe_b64encode(self._ready().encrypt(data, list(bound_to))).decode().rstrip("=")

    def open(self, text: str, *bound_to: bytes) -> bytes | None:
        """The bytes; None when the text was not made by this seal for the same."""
        try:
            sealed = b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:  # no base64; UnicodeEncodeError is one too
            return None
        from cryptography.exceptions import InvalidTag

        try:
            return self._ready().decrypt(sealed, list(bound_to))
        except (ValueError, InvalidTag):  # too short, or not ours
            return None

    def _ready(self) -> AESSIV:
        if self._cipher is None:
            # Here, because it takes a tenth of a server's start, and most calls never paginate.
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV

            self._cipher = AESSIV(self._key)
        return self._cipher
