"""Chance: the randomness one call sees, all of it derived from one seed.

A query's seed follows from what was asked, so running it again gives the same answer and nobody is woken for nothing.
A mutation's seed is new each time and unpredictable: tokens made from it are as good as the machine's own. Nothing is
computed before somebody asks for randomness.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable

_Random = random.Random
_system_entropy = os.urandom
_BLOCK = 512


class Chance:
    """A seeded `random.Random` and a seeded stand-in for `os.urandom`."""

    __slots__ = ("_blocks", "_key", "_pool", "_random", "_seed")

    def __init__(self, seed: Callable[[], bytes]) -> None:
        """`seed` is called at most once, at the first use."""
        self._seed = seed
        self._key = b""  # set at first use
        self._pool = b""  # bytes made and not yet given out
        self._blocks = 0  # how many pools were made
        self._random: random.Random | None = None  # made by `random`

    @classmethod
    def unpredictable(cls) -> Chance:
        """Chance for a mutation."""
        return cls(lambda: _system_entropy(32))

    @classmethod
    def repeatable(cls, secret: bytes, *parts: bytes) -> Chance:
        """Chance that is the same for the same parts, and cannot be guessed without the secret."""
        return cls(lambda: seed_of(secret, *parts))

    @property
    def random(self) -> random.Random:
        """What the functions of module `random` are methods of, during this call."""
        if self._random is None:
            self._random = _Random(int.from_bytes(self.bytes(32), "little"))
        return self._random

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes of a cryptographic stream keyed by the seed."""
        if count < 0:
            raise ValueError("negative argument not allowed")
        while len(self._pool) < count:
            self._key = self._key or self._seed()
            block = hashlib.shake_256(self._key + self._blocks.to_bytes(8, "little")).digest(max(count, _BLOCK))
            self._blocks += 1
            self._pool += block
        given, self._pool = self._pool[:count], self._pool[count:]
        return given


def seed_of(secret: bytes, *parts: bytes) -> bytes:
    """The seed of repeatable chance."""
    hasher = hashlib.blake2b(key=secret)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little") + part)
    return hasher.digest()
