"""migration: what brings documents that were stored under an older schema into the shape they have now.

A migration sees one document at a time, as it is stored: a dict with its wire names. It changes the dict, or returns
another. Nothing is written by it; who runs it stores what it came to, once it fits the schema.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeAlias

from reactor.definitions.context import Document, QueryCtx
from reactor.definitions.manifest import MigrationManifest
from reactor.definitions.table import Table
from reactor.errors import DefinitionError

Migrate: TypeAlias = Callable[[QueryCtx, Document], Document | None]


class Migration:
    """A decorated function. It stays callable: `add_locale(ctx, document)` in a test."""

    def __init__(self, table: type[Table], fn: Migrate) -> None:
        self.table = table
        self.fn = fn
        self.__wrapped__ = fn
        self.__name__ = getattr(fn, "__name__", "")
        self.__module__ = getattr(fn, "__module__", "")
        self.__doc__ = getattr(fn, "__doc__", None)

    def __call__(self, ctx: QueryCtx, document: Document, /) -> Document | None:
        return self.fn(ctx, document)

    def __repr__(self) -> str:
        return f"<migration {self.__name__}>"

    @property
    def manifest(self) -> MigrationManifest:
        """What may be known of it outside of this process."""
        name = self.table.__definition__.name
        assert name is not None
        return MigrationManifest(self.__name__, name, inspect.cleandoc(self.__doc__ or ""))


def migration(table: type[Table], /) -> Callable[[Migrate], Migration]:
    """A function that brings one document of `table` into the shape of now: `@migration(User)` above a `def`.

    It takes a QueryCtx and the document as a dict, with the names and values that are stored, `_id` among them. It
    changes the dict, or returns another. Each migration is run once over all documents: by the push whose schema they
    do not fit, else by `reactor migrate`.
    """
    given: object = table
    if not (isinstance(given, type) and issubclass(given, Table)) or given.__definition__.name is None:
        raise DefinitionError(f"`@migration(…)` names the table whose documents it changes, not {table!r}.")

    def decorate(fn: Migrate) -> Migration:
        if not inspect.isfunction(fn) or inspect.iscoroutinefunction(fn) or inspect.isgeneratorfunction(fn):
            raise DefinitionError(f"`@migration` is for plain functions, and {fn!r} is none. Write it above a `def`.")
        if len(inspect.signature(fn).parameters) != 2:
            raise DefinitionError(
                f"{fn.__module__}.{fn.__name__}: a migration takes two things, the context and the document."
            )
        return Migration(table, fn)

    return decorate
