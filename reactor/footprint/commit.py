"""Commit: what one writing call touched, as everyone who has read something needs to know it. Keys only, no documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class Commit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One writing call of a batch, as it also travels from the writer to the server.

    `prev_ts` is the timestamp of the commit before it, so that a missing one is noticed. `keys` maps index number to the
    sorted old and new keys of every document whose net content changed; to facts, where the index is searched (fact.py).
    """

    ts: int
    prev_ts: int
    keys: Mapping[int, Sequence[bytes]]
    source: str

    @property
    def size(self) -> int:
        """Bytes of keys, roughly what it costs to remember."""
        return sum(len(key) + 33 for keys in self.keys.values() for key in keys)
