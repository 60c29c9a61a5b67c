"""SchemaWork: what a push has to do to the documents and indexes there are. State and Manifest in, work out; pure.

The DeployPlan tells people what is different; this tells the engine, and people who ask beforehand, what it will cost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reactor.database.known_shape import KnownShape
from reactor.database.structure import IndexShape, filled_shape
from reactor.definitions.manifest import Manifest, TableManifest
from reactor.execution.told_shape import shape_told
from reactor.values.narrowing import Narrowing
from reactor.values.value import Value, render

_EVERY_TABLE = ("by_id", "by_creation_time")


@dataclass(frozen=True, slots=True)
class TableWork:
    """What has to be done to one table that has documents."""

    table: str
    doubt: Narrowing | None = None  # where documents may not fit; None when all are known to
    migrations: tuple[str, ...] = ()  # that bring them there, in this order; only where there is a doubt
    begun: tuple[str, ...] = ()  # of those, that `reactor migrate` began and did not end
    finish: bool = False  # a default that is still being filled has changed: it is filled to the end first
    backfill: tuple[str, ...] = ()  # indexes to be filled
    drop: tuple[str, ...] = ()  # indexes that go
    missing: Mapping[str, Value] = field(default_factory=dict)  # defaults to be filled afterwards
    indexes: Mapping[str, IndexShape] = field(default_factory=dict)  # all that are wanted

    @property
    def is_draft(self) -> bool:
        """Whether the table is written anew, beside the old one."""
        return bool(self.migrations)

    def lines(self) -> Iterator[str]:
        """What a person should know, a line each."""
        if self.migrations:
            yield f"{self.table}: {', '.join(self.migrations)} migrates the documents ({self.doubt})"
        elif self.doubt is not None:
            yield f"{self.table}: documents are checked ({self.doubt})"
        for name in self.backfill:
            yield f"{self.table}.{name}: the index is filled"
        for name, value in sorted(self.missing.items()):
            yield f"{self.table}.{name}: documents are filled with {render(value)}"
        for name in self.drop:
            yield f"{self.table}.{name}: the index is dropped"


@dataclass(frozen=True, slots=True)
class SchemaWork:
    """Of all tables that need any, by name."""

    tables: tuple[TableWork, ...]
    pending: tuple[str, ...] = ()  # migrations that were never run and are not run by the push

    @classmethod
    def of(cls, state: Mapping[str, Any], manifest: Manifest) -> SchemaWork:
        """`state` is what `_system/push:state` tells."""
        done = set(state["done"])
        migrations = [each for each in manifest.migrations if each.name not in done]
        works: list[TableWork] = []
        for table in manifest.tables:
            present = state["tables"].get(table.name)
            if present is None or present["empty"]:
                continue
            names = tuple(each.name for each in migrations if each.table == table.name)
            work = _work(table, present, names, state["begun"])
            if work.doubt or work.finish or work.backfill or work.drop or work.missing:
                works.append(work)
        run = {name for work in works for name in work.migrations}
        filled = {name for name, present in state["tables"].items() if not present["empty"]}
        left = tuple(each.name for each in migrations if each.name not in run and each.table in filled)
        return cls(tuple(works), left)

    def __bool__(self) -> bool:
        return bool(self.tables)

    def lines(self) -> list[str]:
        """What a person should know, a line each."""
        return [line for work in self.tables for line in work.lines()] + [
            f"{name}: to be run with `reactor migrate`" for name in self.pending
        ]


def _work(
    table: TableManifest, present: Mapping[str, Any], migrations: tuple[str, ...], begun: Collection[str]
) -> TableWork:
    assert table.stored is not None, "the Manifest of a loaded bundle says what may be stored"
    known = None if present["shape"] is None else KnownShape.from_bytes(present["shape"].encode())
    doubt = (
        Narrowing("", "nothing is known of them yet")
        if known is None
        else known.falls_short(table.stored, table.constraints)
    )
    finish = known is not None and any(table.defaults.get(name) != value for name, value in known.missing.items())
    run = migrations if doubt is not None else ()
    missing = {name: value for name, value in table.defaults.items() if known is None or not known.has(name)}
    wanted = _shapes(table)
    there = {name: shape_told(told) for name, told in present["indexes"].items()}
    return TableWork(
        table.name,
        doubt,
        run,
        tuple(name for name in run if name in begun),
        finish,
        tuple(_unfilled(wanted, there, {} if run else missing)) if not run else (),
        tuple(name for name in there if name not in wanted and name not in _EVERY_TABLE),
        {} if run else missing,
        wanted,
    )


def _unfilled(
    wanted: Mapping[str, IndexShape], there: Mapping[str, IndexShape], missing: Mapping[str, Value]
) -> Iterable[str]:
    for name, shape in wanted.items():
        if there.get(name) != filled_shape(shape, missing):
            yield name


def _shapes(table: TableManifest) -> dict[str, IndexShape]:
    ordered = {name: IndexShape(fields) for name, fields in table.indexes}
    searches = {each.name: IndexShape((each.field,), "search", each.filters) for each in table.search_indexes}
    vectors = {
        each.name: IndexShape((each.field,), "vector", each.filters, each.dimensions) for each in table.vector_indexes
    }
    return ordered | searches | vectors


def unfilled_tables(state: Mapping[str, Any]) -> list[str]:
    """Tables whose documents are still being filled with defaults."""
    shapes = {name: each["shape"] for name, each in state["tables"].items() if each["shape"] is not None}
    return [name for name, shape in shapes.items() if KnownShape.from_bytes(shape.encode()).missing]
