"""What an operator's tools ask about tables and documents: system queries, live like any other (reference §5.2).

They see every table, the system's own ones too, and change none.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from reactor.database.catalog import BUNDLE_KEY, BY_CREATION_TIME, BY_ID, SYSTEM_INDEX, IndexInfo, TableInfo
from reactor.database.reading import Reading
from reactor.errors import InvalidQuery, InvalidValue
from reactor.execution.pagination import Position, fingerprint
from reactor.footprint.key_range import EVERYTHING, KeyRange
from reactor.values.field_path import FieldPath
from reactor.values.int64 import Int64
from reactor.values.order import UNDEFINED, order_key
from reactor.values.value import Value, decode

Arguments = dict[str, Any]

_PAGE_BYTES = 4 << 20  # of one answer
_EXAMINED = 16_000  # documents looked at for one page: filters may pass over many
_MOST = 4096  # documents on a page


def list_tables(reading: Reading, _args: Arguments, _now_ms: float) -> Value:
    """The names of all tables, as one page."""
    names = sorted(table.name for table in _tables(reading))
    return {"page": [{"name": name} for name in names], "isDone": True, "continueCursor": ""}


def measure_tables(reading: Reading, _args: Arguments, _now_ms: float) -> Value:
    """Each table's count, size in bytes and indexes. It reads all of them."""
    measured: list[Value] = []
    for table in sorted(_tables(reading), key=lambda table: table.name):
        reading.reads.add(table.by_id, EVERYTHING)
        count, size = reading.documents.measure(table.place)
        indexes: dict[str, Value] = {
            index.name: list(index.fields)
            for index in table.indexes.values()
            if index.name not in (BY_ID, BY_CREATION_TIME) and index.state == "ready"
        }
        measured.append({"name": table.name, "count": count, "bytes": size, "indexes": indexes})
    return measured


def table_data(reading: Reading, args: Arguments, _now_ms: float) -> Value:
    """A page of a table's documents, by creation or along an index. `filters` are fields and the value each must have.

    What cannot be asked is told in `problem`: the operator's mistake is no failure of the server, to be hidden or logged.
    """
    try:
        return _page(reading, args)
    except InvalidQuery as error:
        problem = str(error)
    return {"page": [], "isDone": True, "continueCursor": "", "problem": problem}


def _page(reading: Reading, args: Arguments) -> Value:
    name, filters, descending = _text(args, "table"), _filters(args), args.get("order", "desc") != "asc"
    tables = {table.name: table for table in _tables(reading)}
    table = tables.get(name)
    if table is None:
        known = ", ".join(sorted(tables))
        raise InvalidQuery(f"There is no table `{name}`. Tables: {known}.")
    index = _index(table, args.get("index"), filters)
    equal = _leading(index, filters)
    wanted, cursor = _options(args)
    query = fingerprint([name.encode(), index.name.encode(), b"%d" % descending, *sorted(map(_mark, filters.items()))])
    start = None if cursor is None else _read_cursor(cursor, query)
    page: list[Value] = []
    end = Position(None)
    if start is None or start.key is not None:
        scan = reading.scan(name, index.name, equal, descending=descending, after=None if start is None else start.key)
        size = 0
        for examined, stored in enumerate(scan, 1):
            document: Any = decode(stored.data)
            if all(_fits(path, wish, document) for path, wish in filters.items()):
                page.append(document)
                size += len(stored.data)
            if len(page) >= wanted or size >= _PAGE_BYTES or examined >= _EXAMINED:
                end = Position(scan.position)
                break
    return {
        "page": page,
        "isDone": end.key is None,
        "continueCursor": _write_cursor(query, end),
        "index": index.name,
        "unknown": _unknown(reading, table, filters),
    }


def _unknown(reading: Reading, table: TableInfo, filters: Mapping[FieldPath, Value]) -> list[Value]:
    """Filters on fields that no document of the table can have."""
    shape = reading.catalog.shape(table)
    if shape is None:  # anything may be in it
        return []
    known = shape.validator.names | shape.missing.keys() | {"_id", "_creationTime"}
    return [str(path) for path in filters if str(path).split(".")[0] not in known]


def _tables(reading: Reading) -> list[TableInfo]:
    reading.reads.add(SYSTEM_INDEX, KeyRange.point(BUNDLE_KEY))  # tables come with a push
    return list(reading.catalog.tables())


def _text(args: Arguments, name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str):
        raise InvalidQuery(f"`{name}` must be a text.")
    return value


def _options(args: Arguments) -> tuple[int, str | None]:
    """How many documents, and behind which cursor."""
    options = args.get("paginationOpts") or {}
    if isinstance(options, dict):
        wanted, cursor = options.get("numItems", 100), options.get("cursor")
        if isinstance(wanted, int | float) and wanted >= 1 and isinstance(cursor, str | None):
            return int(min(wanted, _MOST)), cursor
    raise InvalidQuery("`paginationOpts` must be an object with `numItems`, a number from 1, and `cursor`.")


def _filters(args: Arguments) -> dict[FieldPath, Value]:
    found = args.get("filters") or {}
    if not isinstance(found, dict):
        raise InvalidQuery("`filters` must be an object of fields and values.")
    try:
        return {FieldPath.parse(path): wish for path, wish in found.items()}
    except InvalidValue as error:
        raise InvalidQuery(str(error)) from None


def _index(table: TableInfo, name: object, filters: Mapping[FieldPath, Value]) -> IndexInfo:
    """The index asked for, else the one on which the filters pass over least."""
    ready = {
        index.name: index for index in table.indexes.values() if index.state == "ready" and index.kind == "ordered"
    }
    if name is None:
        best = max(ready.values(), key=lambda index: len(_leading(index, filters)))
        return best if _leading(best, filters) else ready[BY_CREATION_TIME]
    if not isinstance(name, str) or name not in ready:
        raise InvalidQuery(f"There is no index `{table.name}.{name}`. Indexes: {', '.join(sorted(ready))}.")
    return ready[name]


def _leading(index: IndexInfo, filters: Mapping[FieldPath, Value]) -> tuple[Value, ...]:
    """The wishes for the index's first fields, where a wish can mean one value only."""
    given = {str(path): wish for path, wish in filters.items()}
    leading: list[Value] = []
    for field in ("_id",) if index.name == BY_ID else index.fields:
        if field not in given or _is_number(given[field]):  # 5 may be a number or an int64
            break
        leading.append(given[field])
    return tuple(leading)


def _fits(path: FieldPath, wish: Value, document: dict[str, Value]) -> bool:
    found = path.of(document)
    if found is UNDEFINED:
        return False
    if _is_number(wish) and _is_number(found):
        return float(found) == float(wish)  # type: ignore[arg-type]
    return order_key(found) == order_key(wish)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Int64) and not isinstance(value, bool)


def _mark(wish: tuple[FieldPath, Value]) -> bytes:
    return str(wish[0]).encode() + b"=" + order_key(wish[1])


# Operators see everything, so theirs are no secret and need no seal.


def _write_cursor(query: bytes, position: Position) -> str:
    place = b"e" if position.key is None else b"k" + position.key
    return urlsafe_b64encode(query + place).decode()


def _read_cursor(text: str, query: bytes) -> Position:
    try:
        data = b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:  # UnicodeEncodeError is one too
        data = b""
    place = data[len(query) :]
    if not data.startswith(query) or place[:1] not in (b"e", b"k"):
        raise InvalidQuery("The cursor is another question's: begin without one.")
    return Position(place[1:] if place.startswith(b"k") else None)
