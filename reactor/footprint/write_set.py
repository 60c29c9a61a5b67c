"""WriteSet: what a call has changed, in order, so that a savepoint can take the newest part back (engine A7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Version(NamedTuple):
    """One state of a document: its bytes, and its key in every index of its table."""

    data: bytes
    keys: Mapping[int, bytes]


class Change(NamedTuple):
    """A document before and after. None where it was not there."""

    id: str
    old: Version | None
    new: Version | None


class WriteSet:
    """The changes of one call. What counts in the end is the net change: first old against last new."""

    __slots__ = ("_changes", "_touched")

    def __init__(self) -> None:
        self._changes: list[Change] = []  # grows in record(), shrinks in truncate()
        self._touched: list[tuple[int, bytes]] = []  # keys of no document: grows in touch(), shrinks in truncate()

    def record(self, change: Change) -> None:
        """Add a change; it must start from the state the last change of the same document ended in."""
        self._changes.append(change)

    def touch(self, index: int, key: bytes) -> None:
        """Add a key that belongs to no document (a table came to be, the bundle changed)."""
        self._touched.append((index, key))

    def mark(self) -> tuple[int, int]:
        """The present state, for `truncate`."""
        return len(self._changes), len(self._touched)

    def truncate(self, mark: tuple[int, int]) -> None:
        """Forget everything after `mark`."""
        del self._changes[mark[0] :]
        del self._touched[mark[1] :]

    def net(self) -> Iterator[Change]:
        """One change per document whose bytes differ in the end, in order of first touch."""
        if len(self._changes) == 1:
            candidates = self._changes
        else:
            by_id: dict[str, Change] = {}
            for change in self._changes:
                first = by_id.get(change.id)
                by_id[change.id] = change if first is None else Change(change.id, first.old, change.new)
            candidates = list(by_id.values())
        for change in candidates:
            old, new = change.old, change.new
            if (old.data if old else None) != (new.data if new else None):
                yield change

    def keys(self, changes: list[Change]) -> dict[int, tuple[bytes, ...]]:
        """Index number → sorted old and new keys of `changes`, and the touched keys: what a Commit carries."""
        if len(changes) == 1 and not self._touched:
            old, new = changes[0].old, changes[0].new
            if old is None or new is None:
                version = new or old
                assert version is not None, "a net change has at least one side"
                return {index: (key,) for index, key in version.keys.items()}
        found: dict[int, set[bytes]] = {}
        for change in changes:
            for version in (change.old, change.new):
                if version is not None:
                    for index, key in version.keys.items():
                        found.setdefault(index, set()).add(key)
        for index, key in self._touched:
            found.setdefault(index, set()).add(key)
        return {index: tuple(sorted(keys)) for index, keys in found.items()}
