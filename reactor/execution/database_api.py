"""What `ctx.db` is: documents of user code on one side, Stored and Values on the other (reference §4.4).

Documents of declared tables are instances of their Table; all others are dicts, with `_id` and `_creationTime`. What is
given is checked here, before the engine is asked; every step into the engine goes through Run.engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reactor.database.catalog import READABLE_TABLES, SYSTEM_TABLES
from reactor.database.stored import Stored
from reactor.definitions.id import Id
from reactor.definitions.index import IndexRange, Search
from reactor.definitions.shape import plain_value
from reactor.definitions.table import Table
from reactor.definitions.table_definition import TableDefinition
from reactor.definitions.unset import UNSET
from reactor.definitions.vector import Nearest
from reactor.errors import (
    DocumentNotFound,
    ForbiddenHere,
    InvalidId,
    InvalidQuery,
    SchemaViolation,
)
from reactor.execution.document_query import DocumentQuery, Loader, SearchSource, Source
from reactor.execution.neighbours import Neighbours
from reactor.execution.scope import Scope
from reactor.values.order import Undefined
from reactor.values.value import Value, decode


class DatabaseReader:
    """`ctx.db` of a query."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def get(self, id: Any, /) -> Any:
        """The document, None when it is not there. Raises InvalidId for a text that is no id."""
        stored = self._stored(id, "get")
        if stored is None or not _is_readable(stored.table):
            return None
        return self._loader(stored.table).load(stored.data, stored.id, stored.creation_time)

    def query(self, source: Any, /) -> Any:
        """The documents of a table, of a range of an index, of a search, or of a table by its name."""
        scope = self._scope
        if isinstance(source, IndexRange):
            definition = self._known(source.table)
            return DocumentQuery(
                scope,
                Source(str(definition.name), source.index_name, source.equal, source.lower, source.upper),
                definition,
            )
        if isinstance(source, type) and issubclass(source, Table):
            definition = self._known(source)
            assert definition.name is not None
            return DocumentQuery(scope, Source(definition.name), definition)
        if isinstance(source, str):
            _check_readable(source)
            return DocumentQuery(scope, Source(source), _DICTS)
        if isinstance(source, Search):
            definition = self._known(source.table)
            return DocumentQuery(
                scope,
                SearchSource(source.table_name, source.index_name, source.text, source.filters),
                definition,
            )
        if isinstance(source, Nearest):
            return Neighbours(scope, source, self._known(source.table))
        raise InvalidQuery(
            f"`ctx.db.query` takes a Table, one of its indexes, or the name of a table, not {source!r}. "
            "For example ctx.db.query(Image.by_user.eq(user_id))."
        )

    def normalize_id(self, table: Any, text: Any, /) -> Any:
        """`text` as an id of the table, None when it is none. The document need not exist."""
        if not isinstance(text, str):
            return None
        name = self._table_name(table, "normalize_id")
        found = self._scope.run.engine(self._scope.reading.normalize_id, name, text)
        return None if found is None else Id(found)

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _stored(self, id: Any, verb: str) -> Stored | None:
        try:
            return self._scope.run.engine(self._scope.reading.get, id)
        except InvalidId as error:
            raise InvalidId(f"Invalid argument `id` for `db.{verb}`: {error}") from None

    def _loader(self, table: str) -> Loader:
        return self._scope.bundle.schema.find(table) or _DICTS

    def _known(self, table: type[Table]) -> TableDefinition:
        """The definition of a Table class, which must belong to this bundle's schema."""
        definition = table.__definition__
        if definition.name is None:
            raise InvalidQuery(f"{table.__name__} is a mixin, not a table: query one of its tables.")
        if self._scope.bundle.schema.find(definition.name) is not definition:
            raise InvalidQuery(f"{table.__name__} is no table of schema.py. Declare or import it there.")
        return definition

    def _table_name(self, table: Any, verb: str) -> str:
        if isinstance(table, str):
            return table
        if isinstance(table, type) and issubclass(table, Table):
            name = self._known(table).name
            assert name is not None
            return name
        raise InvalidQuery(f"`ctx.db.{verb}` takes a Table or the name of one, not {table!r}.")


class DatabaseWriter(DatabaseReader):
    """`ctx.db` of a mutation."""

    __slots__ = ()

    def insert(self, table: Any, document: Any = None, /) -> Any:
        """Store a new document; gives its id."""
        if isinstance(table, Table):
            definition = self._known(type(table))
            assert definition.name is not None
            _check_writable(definition.name)
            name, fields = definition.name, definition.to_value(table, self._scope.table_of_id)
        elif isinstance(table, str):
            _check_writable(table)
            name, fields = table, self._untyped(table, document, "insert")
        else:
            raise InvalidQuery(
                f"`ctx.db.insert` takes a document, insert(User(…)), or a table's name and a dict, not {table!r}."
            )
        scope = self._scope
        return Id(scope.run.engine(scope.transaction.insert, name, fields).id)

    def patch(self, id: Any, /, **changes: Any) -> None:
        """Change some fields: None removes an optional one, UNSET leaves one alone. Raises DocumentNotFound."""
        stored = self._existing(id, "patch", "Update")
        seen = self._scope.transaction.writes.count
        definition = self._scope.bundle.schema.find(stored.table)
        fields = stored.fields()
        if definition is None:
            given = {name: plain_value(value) for name, value in changes.items() if value is not UNSET}
            _refuse_system_fields(given, stored, "patch")
            fields |= given
        else:
            for name, value in definition.patch_value(changes, self._scope.table_of_id).items():
                if isinstance(value, Undefined):
                    fields.pop(name, None)
                else:
                    fields[name] = value
            self._check(definition, fields)
            fields = definition.filled(fields)
        self._write(stored, fields, seen)

    def replace(self, id: Any, document: Any, /) -> None:
        """Change all fields. Raises DocumentNotFound."""
        stored = self._existing(id, "replace", "Replace")
        seen = self._scope.transaction.writes.count
        definition = self._scope.bundle.schema.find(stored.table)
        if definition is not None and isinstance(document, Table):
            fields = definition.to_value(document, self._scope.table_of_id)
        else:
            fields = self._untyped(stored.table, document, "replace", stored)
        self._write(stored, fields, seen)

    def delete(self, id: Any, /) -> None:
        """Raises DocumentNotFound."""
        stored = self._existing(id, "delete", "Delete")
        self._scope.run.engine(self._scope.transaction.delete, stored.id)

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, stored: Stored, fields: dict[str, Value], seen: int) -> None:
        """`seen` is how often the call had written when `stored` was read: a validator of the user's may have written
        the same document meanwhile, and then it is read again."""
        transaction = self._scope.transaction
        before = stored if transaction.writes.count == seen else None
        self._scope.run.engine(transaction.replace, stored.id, fields, before)

    def _existing(self, id: Any, verb: str, title: str) -> Stored:
        stored = self._stored(id, verb)
        if stored is None:
            raise DocumentNotFound(f"{title} on nonexistent document ID {id}")
        _check_writable(stored.table)
        return stored

    def _untyped(self, table: str, document: Any, verb: str, stored: Stored | None = None) -> dict[str, Value]:
        """The fields of a document given as a dict, checked if its table is declared."""
        if not isinstance(document, Mapping):
            raise SchemaViolation(f"`ctx.db.{verb}` takes the fields of a document as a dict, not {document!r}.")
        fields: dict[str, Value] = plain_value(dict(document))
        _refuse_system_fields(fields, stored, verb)
        definition = self._scope.bundle.schema.find(table)
        if definition is not None:
            self._check(definition, fields)
            fields = definition.filled(fields)
        return fields

    def _check(self, definition: TableDefinition, fields: dict[str, Value]) -> None:
        text = definition.check(fields, self._scope.table_of_id)
        if text is not None:
            raise SchemaViolation(
                f'Failed to insert or update a document in table "{definition.name}" because it does not match the '
                f"schema: {text}"
            )


class _Dicts:
    """Loader of documents whose table is not declared."""

    def load(self, data: bytes, _id: str, _creation_time: float, /) -> Any:
        return decode(data)

    def load_all(self, rows: Sequence[tuple[bytes, bytes]], /) -> list[Any]:
        return [decode(data) for _, data in rows]


_DICTS = _Dicts()


def _is_readable(table: str) -> bool:
    return not table.startswith("_") or table in READABLE_TABLES


def _check_readable(table: str) -> None:
    if not _is_readable(table):
        raise InvalidQuery(f"There is no table `{table}`: names of tables do not start with `_`.")


def _check_writable(table: str) -> None:
    if table in SYSTEM_TABLES:
        raise ForbiddenHere(f"`{table}` is written by the system only. Use ctx.scheduler or ctx.storage.")


def _refuse_system_fields(fields: dict[str, Value], stored: Stored | None, verb: str) -> None:
    """A replacement may repeat the system's fields as they are; nothing else may name them."""
    own = {} if stored is None else {"_id": stored.id, "_creationTime": stored.creation_time}
    for name in ("_id", "_creationTime"):
        if name in fields and fields.pop(name) != own.get(name):
            raise SchemaViolation(f"`ctx.db.{verb}`: `{name}` is given by the system and cannot be set or changed.")
