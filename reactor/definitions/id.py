"""Id[T]: the id of a document of table T. At run time it is the text of the id, a `str`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

    from reactor.definitions.table import Table

T = TypeVar("T", bound="Table")

ID_OF = "reactor_id_of"  # key of a core schema's metadata: the table, or a forward reference to it


class Id(str, Generic[T]):
    """Names one document of table `T`.

    `Id["Image"]` refers to a table declared further down; it is resolved when the schema is loaded.
    """

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        arguments = get_args(source)
        return core_schema.str_schema(strict=True, metadata={ID_OF: arguments[0] if arguments else Any})
