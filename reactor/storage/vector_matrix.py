"""VectorMatrix: the vectors of one index in memory, row by row as they stand in the database, and the search in them.

The search is exact. One product of the matrix and the vector gives every score to some six digits, which tells the few
that can be among the wanted ones; theirs are computed again, exactly, and decide. 100,000 vectors of 384 numbers take
5 ms. An approximate index (HNSW) is quicker still at that size, but takes half a millisecond and more for each insert, and does
not find everything: which of two runs of a query is right could not be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from reactor.footprint.fact import unpack
from reactor.footprint.vector_predicate import Either
from reactor.storage.storage import VectorHit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_BLOCK_BYTES = 4 << 20
_FEWEST_ROWS = 256  # of a block
_SPARSE = 4  # where fewer than one row in so many passes, rows are picked before they are multiplied
_AT_ONCE = 1024  # candidates whose exact score is computed in one step
_FIRST_ROWS = 1024
_FLOAT32_STEP = 2.0**-24  # half the distance of 1 to the next number; a sum of n products errs by n of them at most
_SLACK = 16  # of them, for rounding to length one


class VectorRow(NamedTuple):
    """A row as it is stored. Without a document its place is free."""

    slot: int
    seq: int
    id: str | None
    fact: bytes | None


Stored = Callable[[int, int], Sequence[VectorRow]]
"""Reads the rows from one slot up to another."""


class VectorMatrix:
    """Rows by slot. Blocks beyond the room there is are not kept; a search asks for them again."""

    def __init__(self, dimensions: int, may_keep: Callable[[int], bool]) -> None:
        """`may_keep` says whether so many more bytes may stay in memory."""
        import numpy as np  # only where there are vectors (values/vector.py)

        self._dimensions = dimensions
        self._may_keep = may_keep
        self.block_rows = max(_FEWEST_ROWS, _BLOCK_BYTES // (4 * dimensions))
        self._blocks: list[Floats | None] = []
        self._ids: list[str] = []  # by slot; "" where it is free
        self._taken: NDArray[np.bool_] = np.zeros(_FIRST_ROWS, dtype=np.bool_)  # longer than _ids
        self._codes: list[NDArray[np.int32]] = []  # of each filter field: a number for the value, by slot
        self._numbers: list[dict[bytes, int]] = []  # of each filter field: value → its number; never shrinks

    @property
    def block_bytes(self) -> int:
        """Of one block."""
        return self.block_rows * self._dimensions * 4

    @property
    def kept_bytes(self) -> int:
        """Of the blocks in memory."""
        return self.block_bytes * sum(block is not None for block in self._blocks)

    def put(self, rows: Sequence[VectorRow]) -> None:
        """Bring rows up to date."""
        import numpy as np

        if rows:
            self._reach(max(row.slot for row in rows))
        taken = []
        for row in rows:
            self._ids[row.slot] = row.id or ""
            self._taken[row.slot] = row.id is not None
            if row.id is not None:
                taken.append(row)
        if not taken:
            return
        facts = [unpack(row.fact or b"") for row in taken]
        slots = np.array([row.slot for row in taken])
        self._file(slots, [fact.filters for fact in facts])
        vectors = np.frombuffer(b"".join([fact.held for fact in facts]), dtype="<f4").reshape(-1, self._dimensions)
        numbers = slots // self.block_rows
        for number in np.unique(numbers):
            block = self._blocks[number]
            if block is not None:
                here = numbers == number
                block[slots[here] % self.block_rows] = vectors[here]

    def clear(self, slot: int) -> None:
        """The row at a slot is gone."""
        if slot < len(self._ids):
            self._ids[slot] = ""
            self._taken[slot] = False

    def nearest(self, vector: bytes, either: Either, count: int, stored: Stored) -> list[VectorHit]:
        """The best `count`, or all there are: by score, of equal ones the newest first.

        `stored` reads blocks that are not kept.
        """
        import numpy as np

        wanted = np.frombuffer(vector, dtype="<f4")
        slots = np.flatnonzero(self._passing(either))
        if not len(slots):
            return []
        if len(slots) > count:
            rough = self._rough(slots, wanted, stored)
            last = np.partition(rough, len(rough) - count)[len(rough) - count]
            slots = slots[rough >= last - 2 * (self._dimensions + _SLACK) * _FLOAT32_STEP]
        scores = self._exact(slots, wanted, stored)
        hits = sorted(zip(scores, [self._ids[slot] for slot in slots], strict=True), reverse=True)
        return [VectorHit(found, score) for score, found in hits[:count]]

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _reach(self, slot: int) -> None:
        """Make room up to a slot."""
        import numpy as np

        missing = slot + 1 - len(self._ids)
        if missing > 0:
            self._ids += [""] * missing
        if slot >= len(self._taken):
            longer = max(slot + 1, 2 * len(self._taken)) - len(self._taken)
            self._taken = np.pad(self._taken, (0, longer))
            self._codes = [np.pad(codes, (0, longer)) for codes in self._codes]
        while slot >= len(self._blocks) * self.block_rows:
            fits = self._may_keep(self.block_bytes)
            shape = (self.block_rows, self._dimensions)
            self._blocks.append(np.zeros(shape, dtype="<f4") if fits else None)

    def _file(self, slots: NDArray[np.intp], filters: Sequence[tuple[bytes, ...]]) -> None:
        """Note the values of filter fields."""
        import numpy as np

        while len(self._codes) < len(filters[0]):
            self._codes.append(np.zeros(len(self._taken), dtype=np.int32))
            self._numbers.append({})
        for place, (codes, numbers) in enumerate(zip(self._codes, self._numbers, strict=True)):
            codes[slots] = [numbers.setdefault(values[place], len(numbers)) for values in filters]

    def _passing(self, either: Either) -> NDArray[np.bool_]:
        import numpy as np

        taken = self._taken[: len(self._ids)]
        if not either or not taken.any():
            return taken
        passing = np.zeros(len(taken), dtype=np.bool_)
        for conjunction in either:
            fitting = taken.copy()
            for place, allowed in conjunction:
                numbers = self._numbers[place]
                known = [numbers[value] for value in allowed if value in numbers]
                fitting &= np.isin(self._codes[place][: len(taken)], known)
            passing |= fitting
        return passing

    def _rough(self, slots: NDArray[np.intp], wanted: Floats, stored: Stored) -> Floats:
        """Scores to some six digits."""
        import numpy as np

        parts = []
        for block, rows in self._by_block(slots, stored):
            is_sparse = len(rows) * _SPARSE < len(block)
            parts.append(block[rows] @ wanted if is_sparse else (block @ wanted)[rows])
        return np.concatenate(parts)

    def _exact(self, slots: NDArray[np.intp], wanted: Floats, stored: Stored) -> list[float]:
        """Scores that do not depend on what else there is: each row is added up by itself."""
        import numpy as np

        doubles = wanted.astype(np.float64)
        scores: list[float] = []
        for block, rows in self._by_block(slots, stored):
            for start in range(0, len(rows), _AT_ONCE):
                products = block[rows[start : start + _AT_ONCE]].astype(np.float64) * doubles
                scores += (np.clip(products.sum(axis=1), -1, 1) + 0.0).tolist()  # no minus zero
        return scores

    def _by_block(self, slots: NDArray[np.intp], stored: Stored) -> Iterator[tuple[Floats, NDArray[np.intp]]]:
        """Every block that holds some of these slots, which are sorted, and the rows of it."""
        import numpy as np

        bounds = np.searchsorted(slots, np.arange(len(self._blocks) + 1) * self.block_rows)
        for number, block in enumerate(self._blocks):
            rows = slots[bounds[number] : bounds[number + 1]] - number * self.block_rows
            if len(rows):
                yield self._read(number, stored) if block is None else block, rows

    def _read(self, number: int, stored: Stored) -> Floats:
        import numpy as np

        first = number * self.block_rows
        block = np.zeros((self.block_rows, self._dimensions), dtype="<f4")
        for row in stored(first, first + self.block_rows):
            if row.fact is not None:
                block[row.slot - first] = np.frombuffer(unpack(row.fact).held, dtype="<f4")
        return block
