"""Scope: what one function sees of the data, nested functions having scopes of their own in the same Run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor.database.catalog import SYSTEM_INDEX, WHICH_FUNCTIONS, table_number_key
from reactor.database.reading import Reading
from reactor.database.transaction import Transaction
from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.kinds import Kind
from reactor.errors import FunctionNotFound, InvalidId, InvalidQuery, WrongFunctionKind
from reactor.execution.pagination import Position, fingerprint, read_journal, write_journal
from reactor.execution.run import Run
from reactor.footprint.key_range import KeyRange
from reactor.values.id import decode_id

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle


class Scope:
    """One function's. `reading` is a Transaction in a mutation; what it paginated goes into `pages`."""

    __slots__ = ("bundle", "pages", "reading", "run")

    def __init__(self, bundle: Bundle, run: Run, reading: Reading, pages: Pages) -> None:
        self.bundle = bundle
        self.run = run
        self.reading = reading
        self.pages = pages

    @property
    def transaction(self) -> Transaction:
        """What a mutation writes with."""
        assert isinstance(self.reading, Transaction), "only mutations are given something that writes"
        return self.reading

    def find(self, path: str, kind: Kind, *, internal: bool) -> FunctionDefinition:
        """See FunctionRegistry.find. Its module is read, or that there is no such function."""
        try:
            return self._read(self.bundle.functions.find(path, kind, internal=internal))
        except (FunctionNotFound, WrongFunctionKind):
            self.reading.read_code(WHICH_FUNCTIONS)
            raise

    def function(self, named: object) -> FunctionDefinition:
        """See FunctionRegistry.of. Its module is read, or that there is no such function."""
        try:
            return self._read(self.bundle.functions.of(named))
        except FunctionNotFound:
            self.reading.read_code(WHICH_FUNCTIONS)
            raise

    def _read(self, definition: FunctionDefinition) -> FunctionDefinition:
        self.reading.read_code(definition.module)
        return definition

    def table_of_id(self, text: str) -> str | None:
        """The table whose ids look like this one; None for a text that is none."""
        try:
            number = decode_id(text).table_number
        except InvalidId:
            return None
        table = self.reading.catalog.table_by_number(number)
        if table is None:
            self.reading.reads.add(SYSTEM_INDEX, KeyRange.point(table_number_key(number)))
            return None
        return table.name


class Pages:
    """The pagination of one function: at most one page, its journal given and taken (reference §4.5)."""

    __slots__ = ("_args", "_given", "_path", "_used", "journal")

    def __init__(self, path: str = "", args: bytes = b"", given: str | None = None) -> None:
        """A journal belongs to a function and its arguments. `given` is the one the client sent."""
        self._path = path
        self._args = args
        self._given = given
        self._used = False  # set by begin()
        self.journal: str | None = None  # set by end()

    def begin(self, query: bytes) -> Position | None:
        """A page of the query with this fingerprint is wanted. Gives the end it had before, if the journal knows."""
        if self._used:
            raise InvalidQuery("This function paginated already: a function can call `paginate` once.")
        self._used = True
        return read_journal(self._given, self._bound_to(query))

    def end(self, query: bytes, position: Position) -> None:
        """The page ends here, also when it is run again."""
        self.journal = write_journal(self._bound_to(query), position)

    def _bound_to(self, query: bytes) -> bytes:
        return fingerprint([self._path.encode(), self._args, query])
