"""Examination: does a stored document fit the schema of this bundle, and what do its migrations make of it?

Used by the examiner, which walks whole tables while the old code serves, and by the writer, which looks at the last few
documents inside the push's commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from reactor.database.stored import Stored
from reactor.definitions.shape import plain_value
from reactor.errors import DefinitionError, DeveloperError, InvalidId
from reactor.execution.frames import Offence
from reactor.limits import Limits
from reactor.values.id import decode_id
from reactor.values.validator import TableOfId
from reactor.values.value import Value, check_document, decode, encode

if TYPE_CHECKING:
    from reactor.database.catalog import Catalog
    from reactor.database.reading import Reading
    from reactor.definitions.migration import Migration
    from reactor.execution.bundle import Bundle
    from reactor.execution.caller import FunctionCaller
    from reactor.execution.context import QueryContext

_SYSTEM_FIELDS = ("_id", "_creationTime")


class Migrated(NamedTuple):
    """A document as it is to be. `changed` says whether it was otherwise."""

    id: str
    creation_time: float
    fields: dict[str, Value]
    changed: bool


class Examination:
    """Of one bundle's documents."""

    def __init__(self, bundle: Bundle, caller: FunctionCaller, limits: Limits) -> None:
        self._bundle = bundle
        self._caller = caller
        self._limits = limits

    def offence(self, stored: Stored, catalog: Catalog) -> Offence | None:
        """What keeps a document from fitting its table; None when it fits."""
        table = self._bundle.schema.tables[stored.table]
        text = table.check(stored.fields(), table_of_id(catalog))
        return None if text is None else Offence(stored.id, text)

    def migrate(self, stored: Stored, names: Sequence[str], reading: Reading) -> Migrated | Offence:
        """Bring a document through migrations, one after another; what comes out fits the table."""
        before = stored.fields()
        result: list[dict[str, Value]] = []

        def work(context: QueryContext) -> bytes:
            document: Any = decode(stored.data)
            for name in names:
                given = self._migration(name)(context, document)
                document = document if given is None else given
            result.append(self._fields_of(document, stored))
            return b""

        ended = self._caller.carry_out(f"migration:{names[-1]}", reading, work)
        if ended.failure is not None:
            return Offence(stored.id, ended.failure.text)
        (fields,) = result
        table = self._bundle.schema.tables[stored.table]
        text = table.check(fields, table_of_id(reading.catalog))
        if text is not None:
            return Offence(stored.id, f"after {', '.join(names)}: {text}")
        return Migrated(stored.id, stored.creation_time, fields, encode(fields) != encode(before))

    def _migration(self, name: str) -> Migration:
        found = self._bundle.migrations.get(name)
        if found is None:
            raise DefinitionError(f"There is no migration `{name}`.")
        return found

    def _fields_of(self, document: Any, stored: Stored) -> dict[str, Value]:
        """What a migration made of a document, as it is stored."""
        if not isinstance(document, dict):
            raise DeveloperError(
                f"A migration changes the document, or returns a dict; this one returned {document!r}."
            )
        fields = cast("dict[str, Value]", plain_value(dict(document)))
        for name, own in zip(_SYSTEM_FIELDS, (stored.id, stored.creation_time), strict=True):
            if fields.pop(name, own) != own:
                raise DeveloperError(f"`{name}` is given by the system and cannot be changed by a migration.")
        filled = self._bundle.schema.tables[stored.table].filled(fields)
        check_document(filled, self._limits)
        return filled


def table_of_id(catalog: Catalog) -> TableOfId:
    """Tells the table of an id, as this catalog knows them."""

    def tell(text: str) -> str | None:
        try:
            info = catalog.table_by_number(decode_id(text).table_number)
        except InvalidId:
            return None
        return None if info is None else info.name

    return tell
