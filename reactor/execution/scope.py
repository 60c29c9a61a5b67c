"""Scope: what one function sees of the data, nested functions having scopes of their own in the same Run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor.database.catalog import SYSTEM_INDEX, WHICH_FUNCTIONS, table_number_key
from reactor.database.reading import Reading
from reactor.database.transaction import Transaction
from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.kinds import Kind
from reactor.errors import FunctionNotFound, InvalidId, WrongFunctionKind
from reactor.execution.pagination import Pages
from reactor.execution.run import Run
from reactor.footprint.key_range import KeyRange
from reactor.values.id import decode_id

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle


class Scope:
    """One function's. `reading` is a Transaction in a mutation; what it paginates goes into `pages`."""

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
