"""Schema: all tables of a project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType

from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.manifest import SearchManifest, TableManifest, VectorManifest
from reactor.definitions.system_tables import ScheduledFunction, StoredFile
from reactor.definitions.table import Table
from reactor.definitions.table_definition import TableDefinition
from reactor.definitions.wire_schema import Names
from reactor.errors import DefinitionError
from reactor.values.names import wire_name
from reactor.values.validator import ArrayV, IdV, ObjectV, RecordV, UnionV, Validator


class Schema:
    """The declared tables by name, and the system's own."""

    __slots__ = ("system_tables", "tables")

    def __init__(self, tables: Iterable[type[Table]] = (), names: Names = wire_name) -> None:
        """Compile these tables. DefinitionError, with the place, for what cannot be."""
        self.tables: dict[str, TableDefinition] = {}
        for cls in tables:
            definition = cls.__definition__
            assert definition.name is not None
            other = self.tables.setdefault(definition.name, definition)
            if other is not definition:
                raise DefinitionError(
                    f'{other.cls.__name__} and {cls.__name__} are both called "{definition.name}". Rename one of them.'
                )
            definition.use_names(names)
        for definition in self.tables.values():
            definition.prepare()
        self.system_tables: dict[str, TableDefinition] = {
            "_scheduled_functions": ScheduledFunction.__definition__,
            "_storage": StoredFile.__definition__,
        }

    @classmethod
    def from_module(cls, module: ModuleType | None, names: Names = wire_name) -> Schema:
        """The schema that a `schema.py` declares or imports. None, no such file, is a schema without tables."""
        if module is None:
            return cls()
        members: Mapping[str, object] = vars(module)
        tables = [member for member in members.values() if isinstance(member, type) and issubclass(member, Table)]
        system = (ScheduledFunction, StoredFile)
        return cls((table for table in tables if table.__definition__.name and table not in system), names)

    def find(self, name: str) -> TableDefinition | None:
        """The definition of a table, the system's included; None when it is not declared."""
        return self.tables.get(name) or self.system_tables.get(name)

    def check_function(self, function: FunctionDefinition) -> None:
        """Raise DefinitionError for a function that takes or returns what belongs to an undeclared table."""
        for table in _tables_in(function.args) | (_tables_in(function.returns) if function.returns else set()):
            if self.find(table) is None:
                raise DefinitionError(
                    f'{function.python_path}: "{table}" is no table of schema.py. Declare or import it there.'
                )

    @property
    def manifest(self) -> tuple[TableManifest, ...]:
        """What others may know of the declared tables."""
        return tuple(_manifest(self.tables[name]) for name in sorted(self.tables))


def _manifest(table: TableDefinition) -> TableManifest:
    assert table.name is not None
    searches = (SearchManifest(name, field, filters) for name, (field, filters) in table.search_indexes.items())
    vectors = (VectorManifest(name, *about) for name, about in table.vector_indexes.items())
    return TableManifest(
        table.name,
        table.validator,
        tuple(table.indexes.items()),
        tuple(searches),
        tuple(vectors),
        table.stored,
        table.constraints,
        table.defaults,
        table.cls.__name__,
    )


def _tables_in(validator: Validator) -> set[str]:
    match validator:
        case IdV(table):
            return {table}
        case ArrayV(item):
            return _tables_in(item)
        case RecordV(keys, values):
            return _tables_in(keys) | _tables_in(values)
        case UnionV(members):
            return set().union(*map(_tables_in, members))
        case ObjectV(fields, table):
            own = set() if table is None else {table}
            return own.union(*(_tables_in(each.validator) for each in fields))
        case _:
            return set()
