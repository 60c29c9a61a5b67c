"""Reading: the read half that snapshots and transactions share. Every read leaves its range in the ReadSet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from reactor.database.catalog import (
    BY_CREATION_TIME,
    BY_ID,
    SYSTEM_INDEX,
    VARIABLE_NAMES_KEY,
    Catalog,
    IndexInfo,
    TableInfo,
    code_key,
    path_of,
    table_name_key,
    table_number_key,
    variable_key,
)
from reactor.database.scan import CHUNK, FIRST_CHUNK, Scan
from reactor.database.stored import Stored
from reactor.database.text_scan import TextScan
from reactor.database.usage import Usage
from reactor.database.vector_search import VectorSearch
from reactor.errors import IndexNotReady, InvalidId, InvalidQuery
from reactor.footprint.fact import filter_value
from reactor.footprint.index_key import Bound, id_range_of, range_of
from reactor.footprint.key_range import EVERYTHING, KeyRange
from reactor.footprint.read_set import ReadSetBuilder
from reactor.footprint.text_predicate import TextPredicate
from reactor.footprint.vector_predicate import VectorPredicate
from reactor.limits import setting
from reactor.storage.storage import Documents, IndexKind, Storage, VariableRow, Variables, VectorHit
from reactor.values.id import decode_id
from reactor.values.order import Undefined
from reactor.values.value import Value
from reactor.values.words import terms_of

_VARIABLE_NAMES = KeyRange.point(VARIABLE_NAMES_KEY)


class Writes:
    """How often a call has written, for scans that are open meanwhile."""

    __slots__ = ("born", "count", "may_come")

    def __init__(self, *, may_come: bool) -> None:
        self.may_come = may_come  # False in a snapshot: nothing ever changes
        self.count = 0  # rises with every write and every rollback
        self.born: dict[str, int] = {}  # id of each document inserted → `count` right after


class Reading:
    """Reads of one call. `reads` and `usage` are the call's, nested calls included."""

    __slots__ = ("documents", "reads", "ts", "usage", "writes")

    def __init__(self, documents: Documents, ts: int, reads: ReadSetBuilder, usage: Usage, writes: Writes) -> None:
        self.documents = documents
        self.ts = ts
        self.reads = reads
        self.usage = usage
        self.writes = writes

    @property
    def catalog(self) -> Catalog:
        """The tables there are."""
        raise NotImplementedError

    @property
    def _storage(self) -> Storage:
        raise NotImplementedError

    @property
    def _variables(self) -> Variables:
        raise NotImplementedError

    @property
    def bundle(self) -> str:
        """The bundle the database belongs to. Not a reading: an outcome depends on parts of it, see `read_code`."""
        raise NotImplementedError

    def read_code(self, part: str) -> None:
        """Say that what this call does is told by this part of the code: a push that changes it meets the call."""
        self.reads.cover(SYSTEM_INDEX, *_code_range(part))

    def get(self, id: str) -> Stored | None:
        """The document, or None. Raises InvalidId for a text that is no id; one of no known table gives None."""
        table = self._table_of(id)
        if table is None:
            return None
        row = self._look_up(table, id)
        if row is not None:
            self.usage.count_read(len(row.data))
        return row

    def scan(
        self,
        table: str,
        index: str = BY_CREATION_TIME,
        equal: tuple[Value | Undefined, ...] | list[Value | Undefined] = (),
        lower: tuple[Value | Undefined, bool] | None = None,
        upper: tuple[Value | Undefined, bool] | None = None,
        *,
        descending: bool = False,
        limit: int | None = None,
        after: bytes | None = None,
        until: bytes | None = None,
    ) -> Scan:
        """Documents whose first index fields are `equal` and whose next lies between the bounds (value, inclusive).

        `limit` is the most that will be taken: it saves fetching what nobody asks for. `after` and `until` are
        positions of an earlier scan: begin behind the one, end with the other, in this scan's direction. Raises
        InvalidQuery for an unknown index, IndexNotReady for one being filled.
        """
        info, found = self._index(table, index)
        within = _extent(index, equal, lower, upper)
        if after is not None:
            within = within.intersection(_before(after) if descending else _behind(after))
        if until is not None:
            within = within.intersection(KeyRange(until, None) if descending else KeyRange(b"", until + b"\0"))
        return Scan(self, info, found, within, descending=descending, limit=limit)

    def collect(
        self,
        table: str,
        index: str,
        equal: tuple[Value | Undefined, ...],
        lower: tuple[Value | Undefined, bool] | None,
        upper: tuple[Value | Undefined, bool] | None,
        descending: bool,
        limit: int | None,
    ) -> list[tuple[bytes, bytes]]:
        """All that a scan of this gives, at once: the key and the data of each document."""
        info, found = self._index(table, index)
        rest = within = _extent(index, equal, lower, upper)
        collected: list[tuple[bytes, bytes]] = []
        if limit == 0 or info is None or found is None:
            return collected
        usage, number = self.usage, found.number
        usage.count_range()
        size = FIRST_CHUNK if limit is None else min(limit, CHUNK)
        while True:
            rows = self.documents.collect(info.place, found.place, rest, size, descending=descending)
            collected = collected + rows if collected else rows
            wanted = limit is None or len(collected) < limit
            if wanted and len(rows) < size:  # nothing is behind them
                self.reads.cover(number, *within)
            elif rows:
                last = rows[-1][0]
                rest = KeyRange(rest.start, last) if descending else KeyRange(last + b"\0", rest.end)
                self.reads.cover(number, last if descending else within.start, within.end if descending else rest.start)
            if rows:
                usage.count_reads(len(rows), sum([len(data) for _, data in rows]))
            if not wanted or len(rows) < size:
                return collected
            size = CHUNK if limit is None else min(limit - len(collected), CHUNK)

    def search(
        self,
        table: str,
        index: str,
        text: str,
        filters: Mapping[str, Value | Undefined],
        *,
        limit: int | None = None,
        after: bytes | None = None,
        until: bytes | None = None,
    ) -> TextScan:
        """Documents whose text has one of the words of `text` and whose filter fields are as asked, the best first.

        A text without words finds nothing, whatever the index. `limit`, `after` and `until` are as for `scan`. Raises
        InvalidQuery for an unknown index or filter, or too many of them, IndexNotReady for an index being filled.
        """
        terms = terms_of(text)
        info, found, places = None, None, {}
        if terms:
            info, found = self._index(table, index, "search")
            assert found is not None, "only the indexes every table has can be asked for without a table"
            places = {path_of(field): place for place, field in enumerate(found.filters)}
        most = self.usage.limits.search_filters
        if len(filters) > most:
            raise InvalidQuery(
                f"Search query against {table}.{index} has too many filter conditions. Max: {most} "
                f"Actual: {len(filters)}. {setting('search_filters')}"
            )
        if terms and (unknown := sorted(filters.keys() - places.keys())):
            raise InvalidQuery(f"Index {table}.{index} has no filter field `{unknown[0]}`.")
        chosen = sorted((places[field], filter_value(value)) for field, value in filters.items()) if terms else []
        predicate = TextPredicate(tuple(chosen), terms)
        return TextScan(self, self._storage.texts, info, found, predicate, limit=limit, after=after, until=until)

    def nearest(self, search: VectorSearch) -> list[VectorHit]:
        """The documents nearest to a vector, the nearest first, of equally near ones the newest; their ids only.

        Raises InvalidQuery for a vector or filter the index cannot have, IndexNotReady.
        """
        search.check(self.usage.limits)
        index = self._vector_index(search)
        vector, either = search.unit(index), search.placed(index)
        hits = self._storage.vectors.nearest(index.place, index.dimensions, vector, either, search.count)
        least = hits[-1].score if len(hits) == search.count else None
        if self.reads.expect(index.number, VectorPredicate(either, vector, least)):
            self.usage.count_range()
        return hits

    def prepare_vectors(self, search: VectorSearch) -> None:
        """Bring the index into memory, as far as it is not: the work of the first search in a process."""
        index = self._vector_index(search)
        self._storage.vectors.prepare(index.place, index.dimensions)

    def _vector_index(self, search: VectorSearch) -> IndexInfo:
        _, found = self._index(search.table, search.index, "vector")
        assert found is not None, "only the indexes every table has can be asked for without a table"
        return found

    def variable(self, name: str) -> str | None:
        """The deployment's environment variable of that name; that there is none is remembered as read."""
        self.reads.add(SYSTEM_INDEX, KeyRange.point(variable_key(name)))
        row = self._variables.get(name)
        return None if row is None else row.value

    def variables(self) -> dict[str, VariableRow]:
        """All environment variables with their values, all of them read."""
        found = self._variables.all()
        self.reads.add(SYSTEM_INDEX, _VARIABLE_NAMES)
        for name in found:
            self.reads.add(SYSTEM_INDEX, KeyRange.point(variable_key(name)))
        return found

    def variable_names(self) -> list[str]:
        """The names of the deployment's environment variables. Asking is reading which there are, not their values."""
        self.reads.add(SYSTEM_INDEX, _VARIABLE_NAMES)
        return self._variables.names()

    def normalize_id(self, table: str, text: str) -> str | None:
        """`text` if it is an id of that table (the document need not exist), else None."""
        try:
            number = decode_id(text).table_number
        except InvalidId:
            return None
        info = self.table(table)
        return text if info is not None and info.number == number else None

    def table(self, name: str) -> TableInfo | None:
        """The table of that name; that there is none is remembered as read."""
        info = self.catalog.table(name)
        if info is None:
            self.reads.add(SYSTEM_INDEX, KeyRange.point(table_name_key(name)))
        return info

    def _table_of(self, id: str) -> TableInfo | None:
        if type(id) is not str and not isinstance(id, str):
            raise InvalidId(f"{id!r} is not a document id. Pass the `_id` of a document as it was received.")
        number = decode_id(id).table_number
        info = self.catalog.table_by_number(number)
        if info is None:
            self.reads.add(SYSTEM_INDEX, KeyRange.point(table_number_key(number)))
        return info

    def _look_up(self, table: TableInfo, id: str) -> Stored | None:
        """The document by a well-formed id; recorded as read, not counted as a document."""
        key = id.encode()
        if self.reads.cover(table.by_id, key, key + b"\0"):
            self.usage.count_range()
        row = self.documents.get(table.place, id)
        return None if row is None else Stored(id, table.name, row.creation_time, row.data)

    def _index(self, table: str, index: str, kind: IndexKind = "ordered") -> tuple[TableInfo | None, IndexInfo | None]:
        info = self.table(table)
        if info is None:
            if index in (BY_ID, BY_CREATION_TIME):
                return None, None
            raise InvalidQuery(f"Index {table}.{index} not found.")
        found = info.indexes.get(index)
        if found is None or found.state != "ready":
            self.reads.add(SYSTEM_INDEX, KeyRange.point(table_name_key(table)))
            if found is None:
                raise InvalidQuery(f"Index {table}.{index} not found.")
            raise IndexNotReady(f"Index {table}.{index} is currently backfilling and not available to query yet.")
        if found.kind != kind:
            raise InvalidQuery(f"Index {table}.{index} is of kind `{found.kind}` and cannot be read as `{kind}`.")
        return info, found


@lru_cache(maxsize=1024)
def _code_range(part: str) -> KeyRange:
    return KeyRange.point(code_key(part))


def _extent(
    index: str,
    equal: tuple[Value | Undefined, ...] | list[Value | Undefined],
    lower: tuple[Value | Undefined, bool] | None,
    upper: tuple[Value | Undefined, bool] | None,
) -> KeyRange:
    bounds = (Bound._make(lower) if lower else None, Bound._make(upper) if upper else None)
    return id_range_of(equal, *bounds) if index == BY_ID else range_of(equal, *bounds)


def _behind(key: bytes) -> KeyRange:
    return KeyRange(key + b"\0", None)


def _before(key: bytes) -> KeyRange:
    return EVERYTHING._replace(end=key)
