"""Manifest: all that is known of a bundle outside the process that imported it. Codegen sees only this.

It crosses process borders as JSON. It holds declarations, never code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from reactor.auth import provider
from reactor.auth.provider import Provider
from reactor.definitions.kinds import Concurrency, Kind, Visibility
from reactor.values.validator import ObjectV, Validator, from_export, to_export
from reactor.values.value import Value, decode, encode


@dataclass(frozen=True, slots=True)
class FunctionManifest:
    """One function. `returns` is None when its result is not declared."""

    path: str  # "dir/generationActions:processGeneration"
    python_path: str  # "dir/generation_actions:process_generation"
    kind: Kind
    visibility: Visibility
    args: Validator
    returns: Validator | None = None
    doc: str = ""
    concurrency: Concurrency = "own"  # of actions
    parameters: tuple[str, ...] = ()  # Python names of the arguments, in the order of `args`


@dataclass(frozen=True, slots=True)
class SearchManifest:
    """One search index, with the wire names of its fields."""

    name: str
    field: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VectorManifest:
    """One vector index, with the wire names of its fields."""

    name: str
    field: str
    dimensions: int
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableManifest:
    """One table; `document` is what clients get, `_id` and `_creationTime` included. Indexes name wire paths."""

    name: str
    document: ObjectV
    indexes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    search_indexes: tuple[SearchManifest, ...] = ()
    vector_indexes: tuple[VectorManifest, ...] = ()
    stored: ObjectV | None = None  # what may be stored: what has a constant default may be missing
    constraints: dict[str, str] = field(default_factory=dict)  # by wire name: what its validator has no words for
    defaults: dict[str, Value] = field(default_factory=dict)  # the constant ones, by wire name
    python_name: str = ""  # of its class


@dataclass(frozen=True, slots=True)
class MigrationManifest:
    """One migration: a function that brings documents of `table` into the shape they have now."""

    name: str  # "add_locale"; unique in a project
    table: str
    doc: str = ""


@dataclass(frozen=True, slots=True)
class CronManifest:
    """One cron. `path` is the function's wire path, `schedule` what Schedule.wire says."""

    name: str
    path: str
    args: dict[str, Value]
    schedule: dict[str, Value]


@dataclass(frozen=True, slots=True)
class RouteManifest:
    """One method of one HTTP route."""

    method: str
    path: str  # as declared: "/images/{image_id}", or "/images/" when it is a prefix
    is_prefix: bool = False
    doc: str = ""  # of its handler


@dataclass(frozen=True, slots=True)
class Manifest:
    """Functions sorted by path, tables and crons by name: one bundle, one sequence of bytes."""

    functions: tuple[FunctionManifest, ...] = ()
    tables: tuple[TableManifest, ...] = ()
    routes: tuple[RouteManifest, ...] | None = None  # in the order declared; None without a router in functions/http.py
    crons: tuple[CronManifest, ...] = ()
    auth: tuple[Provider, ...] = ()  # in the order in which they are asked
    migrations: tuple[MigrationManifest, ...] = ()  # in the order in which they are run
    modules: tuple[tuple[str, str], ...] = ()  # of functions/, each with the hash of what its functions do

    def to_bytes(self) -> bytes:
        """The JSON text that `from_bytes` reads."""
        tree = {
            "functions": [_function_tree(each) for each in self.functions],
            "tables": [_table_tree(each) for each in self.tables],
            "auth": [provider.to_tree(each) for each in self.auth],
            "routes": None if self.routes is None else [[r.method, r.path, r.is_prefix, r.doc] for r in self.routes],
            "crons": [_cron_tree(each) for each in self.crons],
            "migrations": [[each.name, each.table, each.doc] for each in self.migrations],
            "modules": self.modules,
        }
        return orjson.dumps(tree)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The Manifest that `to_bytes` wrote."""
        tree = orjson.loads(data)
        routes = None if tree["routes"] is None else tuple(RouteManifest(*each) for each in tree["routes"])
        return cls(
            tuple(map(_function, tree["functions"])),
            tuple(map(_table, tree["tables"])),
            routes,
            tuple(map(_cron, tree["crons"])),
            tuple(map(provider.from_tree, tree["auth"])),
            tuple(MigrationManifest(*each) for each in tree["migrations"]),
            tuple((name, part) for name, part in tree["modules"]),
        )


def _function_tree(function: FunctionManifest) -> dict[str, Any]:
    return {
        "path": function.path,
        "python_path": function.python_path,
        "kind": function.kind,
        "visibility": function.visibility,
        "args": to_export(function.args),
        "returns": None if function.returns is None else to_export(function.returns),
        "doc": function.doc,
        "concurrency": function.concurrency,
        "parameters": function.parameters,
    }


def _function(tree: dict[str, Any]) -> FunctionManifest:
    returns = tree["returns"]
    return FunctionManifest(
        tree["path"],
        tree["python_path"],
        tree["kind"],
        tree["visibility"],
        from_export(tree["args"]),
        None if returns is None else from_export(returns),
        tree["doc"],
        tree["concurrency"],
        tuple(tree["parameters"]),
    )


def _table_tree(table: TableManifest) -> dict[str, Any]:
    return {
        "name": table.name,
        "document": to_export(table.document),
        "indexes": table.indexes,
        "search_indexes": [[each.name, each.field, each.filters] for each in table.search_indexes],
        "vector_indexes": [[each.name, each.field, each.dimensions, each.filters] for each in table.vector_indexes],
        "stored": None if table.stored is None else to_export(table.stored),
        "constraints": table.constraints,
        "defaults": encode(table.defaults).decode(),
        "python_name": table.python_name,
    }


def _table(tree: dict[str, Any]) -> TableManifest:
    document = from_export(tree["document"])
    assert isinstance(document, ObjectV)
    stored = None if tree["stored"] is None else from_export(tree["stored"])
    assert stored is None or isinstance(stored, ObjectV)
    defaults = decode(tree["defaults"].encode())
    assert isinstance(defaults, dict)
    return TableManifest(
        tree["name"],
        document,
        tuple((name, tuple(fields)) for name, fields in tree["indexes"]),
        tuple(SearchManifest(name, field, tuple(filters)) for name, field, filters in tree["search_indexes"]),
        tuple(
            VectorManifest(name, field, dimensions, tuple(filters))
            for name, field, dimensions, filters in tree["vector_indexes"]
        ),
        stored,
        tree["constraints"],
        defaults,
        tree["python_name"],
    )


def _cron_tree(cron: CronManifest) -> dict[str, Any]:
    return {
        "name": cron.name,
        "path": cron.path,
        "args": encode(cron.args).decode(),
        "schedule": encode(cron.schedule).decode(),
    }


def _cron(tree: dict[str, Any]) -> CronManifest:
    args, schedule = decode(tree["args"].encode()), decode(tree["schedule"].encode())
    assert isinstance(args, dict)
    assert isinstance(schedule, dict)
    return CronManifest(tree["name"], tree["path"], args, schedule)
