"""DocumentQuery: what `ctx.db.query(…)` gives: documents of one index range, to be ordered, filtered and taken.

Immutable: each step gives another query, and nothing is read before a document is asked for. What was looked at is what
is recorded, so `first()` depends on no more than it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple, Protocol

from reactor.database.reading import Reading
from reactor.database.scan import Scan
from reactor.database.text_scan import TextScan
from reactor.definitions.page import Page, PaginationOpts
from reactor.errors import InvalidQuery, NotUnique
from reactor.execution.pagination import Position, fingerprint
from reactor.execution.scope import Scope
from reactor.values.order import Undefined, order_key
from reactor.values.value import Value

_WANTED_PAGE = 6144  # documents: a longer page asks to be split
_WARNING = 0.75  # of a budget: asks to be split
_RESERVE = 1 << 20  # bytes: the largest document; a page stops before the limit itself is passed


class Loader(Protocol):
    """Makes what user code sees of stored documents; a TableDefinition is one."""

    def load(self, data: bytes, id: str, creation_time: float, /) -> Any:
        """One document."""
        ...

    def load_all(self, rows: Sequence[tuple[bytes, bytes]], /) -> list[Any]:
        """Those that a Reading collected: each one's key in an index, and its data."""
        ...


class Source(NamedTuple):
    """The range of an index, as Values."""

    table: str
    index_name: str = "by_creation_time"
    equal: tuple[Value | Undefined, ...] = ()
    lower: tuple[Value | Undefined, bool] | None = None
    upper: tuple[Value | Undefined, bool] | None = None

    def scan(self, reading: Reading, *, descending: bool, **limits: Any) -> Scan | TextScan:
        """Begin to read."""
        return reading.scan(*self, descending=descending, **limits)

    def collect(self, reading: Reading, descending: bool, limit: int | None) -> list[tuple[bytes, bytes]]:
        """Read all at once."""
        return reading.collect(*self, descending, limit)

    def order_parts(self) -> list[bytes]:
        """What, besides index and direction, determines order and extent."""
        bounds = [self.lower, self.upper]
        return [
            *map(order_key, self.equal),
            b"",
            *(b"" if bound is None else order_key(bound[0]) + b"%d" % bound[1] for bound in bounds),
        ]


class SearchSource(NamedTuple):
    """A search in a text index. `filters` are by wire path."""

    table: str
    index_name: str
    text: str
    filters: Mapping[str, Value | Undefined]

    def scan(self, reading: Reading, *, descending: bool, **limits: Any) -> Scan | TextScan:
        """Begin to read."""
        assert not descending, "a search has an order of its own"
        return reading.search(*self, **limits)

    def collect(self, reading: Reading, descending: bool, limit: int | None) -> list[tuple[bytes, bytes]]:
        """Read all at once."""
        assert not descending, "a search has an order of its own"
        return reading.search(*self, limit=limit).collect()

    def order_parts(self) -> list[bytes]:
        """What, besides the index, determines order and extent."""
        return [self.text.encode(), *(f.encode() + b"=" + order_key(self.filters[f]) for f in sorted(self.filters))]


class DocumentQuery:
    """Made by DatabaseReader.query."""

    __slots__ = ("_descending", "_filters", "_loader", "_scope", "_source")

    def __init__(
        self,
        scope: Scope,
        source: Source | SearchSource,
        loader: Loader,
        descending: bool | None = None,
        filters: tuple[Callable[[Any], object], ...] = (),
    ) -> None:
        self._scope = scope
        self._source = source
        self._loader = loader
        self._descending = descending  # None: not said, which is ascending
        self._filters = filters

    def order(self, direction: str, /) -> DocumentQuery:
        """Documents by their place in the index: "asc" (as without it) or "desc"."""
        if isinstance(self._source, SearchSource):
            raise InvalidQuery("A search gives what fits best first and takes no `order`. Sort the list it gives.")
        if self._descending is not None:
            raise InvalidQuery("This query has an order already: call `order` once.")
        if direction not in ("asc", "desc"):
            raise InvalidQuery(f'`order` takes "asc" or "desc", not {direction!r}.')
        return DocumentQuery(self._scope, self._source, self._loader, direction == "desc", self._filters)

    def filter(self, keep: Callable[[Any], object], /) -> DocumentQuery:
        """Only documents for which `keep` says yes. Those it refuses were read all the same."""
        if not callable(keep):
            raise InvalidQuery("`filter` takes a function of a document, e.g. `.filter(lambda doc: doc.views > 10)`.")
        return DocumentQuery(self._scope, self._source, self._loader, self._descending, (*self._filters, keep))

    # ── taking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def __iter__(self) -> Iterator[Any]:
        scan, engine, load = self._scan(), self._scope.run.engine, self._loader.load
        while (stored := engine(next, scan, None)) is not None:
            document = load(stored.data, stored.id, stored.creation_time)
            if self._keeps(document):
                yield document

    def collect(self) -> list[Any]:
        """All of them."""
        if self._filters:
            return list(self)
        return self._collected(None)

    def take(self, count: Any, /) -> list[Any]:
        """The first `count`."""
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise InvalidQuery(f"`take` needs how many documents, a number from 0, not {count!r}.")
        if self._filters:
            return list(islice(iter(self), count))
        return self._collected(count)

    def first(self) -> Any:
        """The first one, or None."""
        found = self.take(1)
        return found[0] if found else None

    def unique(self) -> Any:
        """The only one, or None. Raises NotUnique when there are more."""
        found = self.take(2)
        if len(found) > 1:
            ids = ", ".join(document["_id"] if isinstance(document, dict) else document.id for document in found)
            raise NotUnique(f"unique() query returned more than one result from table {self._source.table}:\n[{ids}]")
        return found[0] if found else None

    def _scan(self, *, after: bytes | None = None, until: bytes | None = None) -> Scan | TextScan:
        scope = self._scope
        return scope.run.engine(
            self._source.scan,
            scope.reading,
            descending=bool(self._descending),
            after=after,
            until=until,
        )

    def _collected(self, limit: int | None) -> list[Any]:
        scope = self._scope
        rows = scope.run.engine(self._source.collect, scope.reading, self._descending is True, limit)
        return self._loader.load_all(rows)

    def _keeps(self, document: Any) -> bool:
        return all(keep(document) for keep in self._filters)

    # ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def paginate(self, opts: PaginationOpts, /) -> Page[Any]:
        """The page that `opts` asks for; running it again, in a live query, gives the same stretch (reference §4.5)."""
        if opts.num_items < 1:
            raise InvalidQuery("Must request at least 1 document while paginating.")
        query = self._fingerprint()
        pages = self._scope.pages
        number, end = pages.begin(query)
        start = None if opts.cursor is None else pages.read_cursor(opts.cursor, query)
        if opts.end_cursor is not None:
            end = pages.read_cursor(opts.end_cursor, query)
        if start is not None and start.key is None:
            reader = _PageReader(start)
        elif end is None:
            reader = self._fill_page(start, opts)
        else:
            reader = self._repeat_page(start, end, opts)
        pages.end(number, query, reader.end)
        return Page(
            page=reader.page,
            is_done=reader.end.key is None,
            continue_cursor=pages.write_cursor(query, reader.end),
            split_cursor=None if (middle := reader.middle()) is None else pages.write_cursor(query, middle),
            page_status=reader.status,
        )

    def _fill_page(self, start: Position | None, opts: PaginationOpts) -> _PageReader:
        """A page whose end is not known: until it is full, the range ends, or a budget is used up."""
        reader = self._page_reader(opts)
        for key, document in self._examined(start, None, reader):
            if self._keeps(document):
                reader.page.append(document)
                if len(reader.page) >= opts.num_items:
                    reader.end = Position(key)
                    break
            if reader.has_spent_its_budget():
                reader.end = Position(key)
                reader.status = "SplitRequired"
                break
        return reader

    def _repeat_page(self, start: Position | None, end: Position, opts: PaginationOpts) -> _PageReader:
        """A page whose end is known: everything up to there, however much that is by now."""
        reader = self._page_reader(opts)
        reader.end = end
        reader.page = [document for _key, document in self._examined(start, end.key, reader) if self._keeps(document)]
        return reader

    def _page_reader(self, opts: PaginationOpts) -> _PageReader:
        usage = self._scope.reading.usage
        rows = max(1, usage.limits.documents_read - usage.documents_read)
        size = max(1, usage.limits.bytes_read - usage.bytes_read - _RESERVE)
        return _PageReader(
            Position(None),
            rows=rows if opts.maximum_rows_read is None else max(1, min(rows, opts.maximum_rows_read)),
            size=size if opts.maximum_bytes_read is None else max(1, min(size, opts.maximum_bytes_read)),
        )

    def _examined(
        self, start: Position | None, until: bytes | None, reader: _PageReader
    ) -> Iterator[tuple[bytes, Any]]:
        scan = self._scan(after=None if start is None else start.key, until=until)
        while (stored := self._scope.run.engine(next, scan, None)) is not None:
            key = scan.position
            assert key is not None, "a document was examined"
            reader.note(key, len(stored.data))
            yield key, self._loader.load(stored.data, stored.id, stored.creation_time)

    def _fingerprint(self) -> bytes:
        source = self._source
        table = self._scope.reading.catalog.table(source.table)
        number = (
            0 if table is None or source.index_name not in table.indexes else table.indexes[source.index_name].number
        )
        direction = b"desc" if self._descending else b"asc"
        return fingerprint([b"%d" % number, direction, *source.order_parts()])


class _PageReader:
    """A page being read: what is on it, what it cost, where it ends."""

    __slots__ = ("_bytes", "_keys", "_row_budget", "_size_budget", "end", "page", "status")

    def __init__(self, end: Position, *, rows: int = 1, size: int = 1) -> None:
        self.page: list[Any] = []
        self.end = end
        self.status: Literal["SplitRecommended", "SplitRequired"] | None = None  # changed by note(), and where it stops
        self._keys: list[bytes] = []  # of every document examined
        self._bytes = 0
        self._row_budget = rows
        self._size_budget = size

    def note(self, key: bytes, size: int) -> None:
        """One more document was examined."""
        self._keys.append(key)
        self._bytes += size
        used = max(len(self._keys) / self._row_budget, self._bytes / self._size_budget)
        if used > _WARNING or len(self._keys) > _WANTED_PAGE:
            self.status = "SplitRecommended"

    def has_spent_its_budget(self) -> bool:
        """Whether no further document may be examined."""
        return len(self._keys) >= self._row_budget or self._bytes >= self._size_budget

    def middle(self) -> Position | None:
        """Where to split."""
        return Position(self._keys[(len(self._keys) - 1) // 2]) if len(self._keys) > 2 else None
