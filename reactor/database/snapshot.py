"""Snapshot: the data at the head of a moment, for reading. Several calls may share one, each with its own ReadSet."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from reactor.database.catalog import Catalog
from reactor.database.reading import Reading, Writes
from reactor.database.usage import Usage
from reactor.footprint.read_set import ReadSetBuilder
from reactor.limits import Limits
from reactor.storage.storage import Head, Storage, Variables

_STILL = Writes(may_come=False)


class Snapshot(Reading):
    """A context manager: inside, everything read is true at `ts`. `for_call` begins another call in the same snapshot."""

    __slots__ = ("_catalog", "_close", "head", "storage", "stored_variables")

    def __init__(
        self, storage: Storage, head: Head, catalog: Catalog, limits: Limits, close: Callable[[], None]
    ) -> None:
        """Made by Database.snapshot()."""
        super().__init__(storage.documents, head.ts, ReadSetBuilder(), Usage(limits), _STILL)
        self.head = head
        self._catalog = catalog
        self._close = close
        self.storage = storage
        self.stored_variables = storage.variables

    @property
    def catalog(self) -> Catalog:
        return self._catalog

    @property
    def bundle(self) -> str:
        return self.head.bundle

    @property
    def _storage(self) -> Storage:
        return self.storage

    @property
    def _variables(self) -> Variables:
        return self.stored_variables

    def for_call(self) -> Reading:
        """The same data, nothing read and nothing counted yet."""
        return _Call(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


class _Call(Reading):
    """One call in a shared snapshot."""

    __slots__ = ("_snapshot",)

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot.documents, snapshot.ts, ReadSetBuilder(), Usage(snapshot.usage.limits), _STILL)
        self._snapshot = snapshot

    @property
    def catalog(self) -> Catalog:
        return self._snapshot.catalog

    @property
    def bundle(self) -> str:
        return self._snapshot.head.bundle

    @property
    def _storage(self) -> Storage:
        return self._snapshot.storage

    @property
    def _variables(self) -> Variables:
        return self._snapshot.stored_variables
