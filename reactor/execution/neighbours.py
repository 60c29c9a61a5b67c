"""Neighbours: what `ctx.db.query(Image.by_embedding.nearest(vector))` gives, and what an action's search asks for.

Immutable, and nothing is read before documents are taken. A live query that took them is run again when one of them
changes or goes, or when a vector comes as near as the last of them; vectors farther away do not concern it.
"""

from __future__ import annotations

from typing import Any

from reactor.database.vector_search import VectorSearch
from reactor.definitions.vector import Nearest, Scored
from reactor.errors import InvalidQuery
from reactor.execution.document_query import Loader
from reactor.execution.scope import Scope
from reactor.footprint.fact import filter_value


class Neighbours:
    """Made by DatabaseReader.query."""

    __slots__ = ("_loader", "_nearest", "_scope", "_scored")

    def __init__(self, scope: Scope, nearest: Nearest[Any], loader: Loader, *, scored: bool = False) -> None:
        self._scope = scope
        self._nearest = nearest
        self._loader = loader
        self._scored = scored  # whether documents are given with their scores

    def with_scores(self) -> Neighbours:
        """The same documents, each with its score."""
        return Neighbours(self._scope, self._nearest, self._loader, scored=True)

    def take(self, count: Any, /) -> list[Any]:
        """The nearest `count`, the nearest first."""
        search = search_of(self._nearest, count, "take")
        run, reading = self._scope.run, self._scope.reading
        with run.guard.paused():  # what is read once for everybody is not this call's time
            run.engine(reading.prepare_vectors, search)
        found = []
        for hit in run.engine(reading.nearest, search):
            stored = run.engine(reading.get, hit.id)
            assert stored is not None, "an index holds documents of its own snapshot"
            document = self._loader.load(stored.data, stored.id, stored.creation_time)
            found.append(Scored(document, hit.score) if self._scored else document)
        return found

    def first(self) -> Any:
        """The nearest one, or None."""
        found = self.take(1)
        return found[0] if found else None


def search_of(nearest: Nearest[Any], count: Any, verb: str) -> VectorSearch:
    """What the engine is asked. Raises InvalidQuery for a count that is none."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InvalidQuery(f"`{verb}` of a vector search needs how many documents, a number from 1, not {count!r}.")
    return VectorSearch(
        nearest.table_name,
        nearest.index_name,
        nearest.vector,
        tuple({path: tuple(map(filter_value, values)) for path, values in each.items()} for each in nearest.either),
        count,
    )
