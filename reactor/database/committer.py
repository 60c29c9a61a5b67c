"""Committer: begins batches, one after another, for the one process that writes. It owns what lives longer than a batch.

Every writer is an epoch: it raises `_head.epoch` when it opens, so that a writer of an older one, should it still run,
is told so at its next batch. The first writer of a server (another `boot`) also makes an empty commit, so that every
timestamp it issues is later than any issued before (engine A9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import urandom  # taken before any guard replaces it: ids are made inside deterministic user code

from reactor.clock import Clock
from reactor.database.batch import Batch, CommittedBatch
from reactor.database.catalog import Catalog
from reactor.database.structure import create_system_tables
from reactor.errors import StorageError
from reactor.limits import Limits
from reactor.storage.storage import LogRow, Storage

__all__ = ["Batch", "CommittedBatch", "Committer"]

_BLOCK = 4096  # bytes of entropy fetched at once
_EXPIRE_EVERY = 600 * 10**9  # ns between two looks for old sessions
_EXPIRE_AT_ONCE = 20
_TRIM_SLACK = 16  # log rows a batch removes beyond twice what it adds: retention catches up, no batch pays for all


class Committer:
    """State of the writer between batches."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        boot: str,
        limits: Limits,
        entropy: Callable[[int], bytes] = urandom,
    ) -> None:
        """Open the epoch; from here on `begin` works."""
        self.storage = storage
        self.clock = clock
        self.limits = limits
        self.boot = boot
        self.forgettable: set[int] = (
            set()
        )  # grows in Batch.forget_calls(), emptied when a batch that carries it commits
        self.retained: int | None = None  # log rows later than this are kept however old; set by Batch.retain()
        self._random = entropy
        self._block = b""
        self._at = 0
        self._expired_at = 0  # timestamp of the last look for old sessions
        before = storage.read_head()
        self.epoch = before.epoch
        self._oldest_log: int | None = None
        self._catalog = self._open_epoch()

    def begin(self) -> Batch:
        """Begin a batch. Raises StaleWriter and ForeignCommit, after which this process has to end."""
        head = self.storage.begin_batch(self.epoch)
        if head.catalog != self._catalog.version:
            self._catalog = Catalog.load(head.catalog, self.storage.structure)
        return Batch(self, head, self._catalog)

    @property
    def catalog(self) -> Catalog:
        """As of the last commit."""
        return self._catalog

    def committed(self, catalog: Catalog) -> None:
        """A batch is durable."""
        self._catalog = catalog
        self.forgettable.clear()

    def require_boot(self, boot: str) -> None:
        """Call ids mean something only within one server process."""
        if boot != self.boot:
            raise StorageError(f"calls of server {boot!r} cannot be kept by the writer of {self.boot!r}")

    def entropy(self) -> bytes:
        """Eight random bytes."""
        if self._at == len(self._block):
            self._block = self._random(_BLOCK)
            self._at = 0
        at = self._at
        self._at = at + 8
        return self._block[at : at + 8]

    def clean_up(self, ts: int, written: int) -> None:
        """Forget, a little with each commit, what has outlived its time: log rows, sessions, outcomes received."""
        if self.forgettable:
            self.storage.calls.forget(self.forgettable)
        before = ts - int(self.limits.log_retention * 1e9)
        if self.retained is not None:
            before = min(before, self.retained)
        if self._oldest_log is None or self._oldest_log < before:
            self.storage.log.trim(before, 2 * written + _TRIM_SLACK)
            self._oldest_log = self.storage.log.oldest() or ts
        if ts - self._expired_at > _EXPIRE_EVERY:
            self._expired_at = ts
            self.storage.requests.expire(ts - int(self.limits.session_retention * 1e9), _EXPIRE_AT_ONCE)

    def _open_epoch(self) -> Catalog:
        storage = self.storage
        head = storage.begin_batch(self.epoch)
        try:
            catalog = create_system_tables(storage, Catalog.load(head.catalog, storage.structure))
            opened = replace(head, epoch=head.epoch + 1, catalog=catalog.version)
            if head.boot != self.boot:
                opened = replace(opened, boot=self.boot, ts=max(self.clock.now_ns(), head.ts + 1))
                storage.calls.clear()
                storage.log.append([LogRow(opened.ts, head.ts, opened.ts, "start", {}, {})])
            storage.commit(opened)
        except BaseException:
            storage.abandon()
            raise
        self.epoch = opened.epoch
        return catalog
