"""DeployPlan: what a push changes, seen from outside. Two Manifests in, differences out; nothing is done here.

The engine itself works from the new Manifest alone (engine D6, D7). The plan is for people: the lines a developer reads
after a save, and later the questions a push to production asks first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reactor.auth.provider import Provider
from reactor.definitions.manifest import CronManifest, FunctionManifest, Manifest, TableManifest
from reactor.values.validator import AnyV, ObjectV, Validator, render_validator

NOTHING = Manifest(functions=(), tables=())


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is added, removed or changed."""

    sign: str  # "+", "-" or "~"
    what: str  # "table", "index", "field", "query", "mutation", "action", "route", "cron" or "auth provider"
    name: str  # as the developer writes it: `users`, `users.by_email`, `users:create`
    notes: tuple[str, ...] = ()  # what about it, a clause each

    def __str__(self) -> str:
        return f"{self.sign} {self.what} {self.name}" + (f": {', '.join(self.notes)}" if self.notes else "")


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """All differences, tables first, each kind in name order. False when there is none."""

    changes: tuple[Change, ...] = field(default=())
    modules: tuple[str, ...] = ()  # of functions/, there before and after, whose functions now do something else

    @classmethod
    def between(cls, old: Manifest, new: Manifest) -> DeployPlan:
        """What a deployment of `old` becomes when `new` is pushed."""
        tables = _by_name(old.tables), _by_name(new.tables)
        functions = _by_path(old.functions), _by_path(new.functions)
        routes = _routes(old), _routes(new)
        crons = _crons(old), _crons(new)
        return cls(
            (
                *_table_changes(*tables),
                *_function_changes(*functions),
                *_route_changes(*routes),
                *_cron_changes(*crons),
                *_auth_changes(old.auth, new.auth),
            ),
            _changed_modules(dict(old.modules), dict(new.modules)),
        )

    @classmethod
    def first(cls, manifest: Manifest) -> DeployPlan:
        """What a first push brings."""
        return cls.between(NOTHING, manifest)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def names(self, sign: str, what: str) -> tuple[str, ...]:
        """The names of the changes of one kind: `plan.names("+", "table")`."""
        return tuple(change.name for change in self.changes if (change.sign, change.what) == (sign, what))

    def lines(self) -> list[str]:
        """One line a change, for the terminal."""
        return [str(change) for change in self.changes]


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _by_name(tables: Sequence[TableManifest]) -> dict[str, TableManifest]:
    return {table.name: table for table in tables}


def _table_changes(old: Mapping[str, TableManifest], new: Mapping[str, TableManifest]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if after is None:
            yield Change("-", "table", name, ("its documents stay",))
            continue
        if before is None:
            yield Change("+", "table", name)
        else:
            yield from _field_changes(name, before.document, after.document)
        yield from _index_changes(name, {} if before is None else _indexes(before), _indexes(after))


def _field_changes(table: str, old: ObjectV, new: ObjectV) -> Iterator[Change]:
    before, after = _fields(old), _fields(new)
    for name in sorted(before.keys() | after.keys()):
        spelt = f"{table}.{name}"
        if name not in after:
            yield Change("-", "field", spelt)
        elif name not in before:
            yield Change("+", "field", spelt, (after[name],))
        elif before[name] != after[name]:
            yield Change("~", "field", spelt, (f"{before[name]} → {after[name]}",))


def _indexes(table: TableManifest) -> dict[str, str]:
    """Index name → what it is over."""
    ordinary = {name: ", ".join(fields) for name, fields in table.indexes}
    vectors = {
        vector.name: f"vector {vector.field} of {vector.dimensions}"
        + (f" by {', '.join(vector.filters)}" if vector.filters else "")
        for vector in table.vector_indexes
    }
    return (
        vectors
        | ordinary
        | {
            search.name: f"search {search.field}" + (f" by {', '.join(search.filters)}" if search.filters else "")
            for search in table.search_indexes
        }
    )


def _index_changes(table: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        spelt = f"{table}.{name}"
        if name not in new:
            yield Change("-", "index", spelt)
        elif name not in old:
            yield Change("+", "index", spelt, (new[name],))
        elif old[name] != new[name]:
            yield Change("~", "index", spelt, (f"{old[name]} → {new[name]}",))


# ── functions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _by_path(functions: Sequence[FunctionManifest]) -> dict[str, FunctionManifest]:
    return {function.path: function for function in functions}


def _function_changes(old: Mapping[str, FunctionManifest], new: Mapping[str, FunctionManifest]) -> Iterator[Change]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if after is None:
            assert before is not None
            yield Change("-", before.kind, path)
        elif before is None:
            yield Change("+", after.kind, path, ("internal",) if after.visibility == "internal" else ())
        elif notes := tuple(_signature_notes(before, after)):
            yield Change("~", after.kind, path, notes)


def _routes(manifest: Manifest) -> frozenset[str]:
    return frozenset(f"{r.method} {r.path}{'…' if r.is_prefix else ''}" for r in manifest.routes or ())


def _route_changes(old: frozenset[str], new: frozenset[str]) -> Iterator[Change]:
    for name in sorted(old ^ new):
        yield Change("+" if name in new else "-", "route", name)


def _signature_notes(old: FunctionManifest, new: FunctionManifest) -> Iterator[str]:
    if old.kind != new.kind:
        yield f"was a {old.kind}"
    if old.visibility != new.visibility:
        yield f"now {new.visibility}"
    before, after = _fields(old.args), _fields(new.args)
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"no longer takes {name}"
        elif name not in before:
            yield f"takes {name} ({after[name]})"
        elif before[name] != after[name]:
            yield f"{name} is {after[name]}, was {before[name]}"
    if old.returns != new.returns:
        yield f"returns {_rendered(new.returns)}"


def _changed_modules(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name]))


# ── crons ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _crons(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Cron name → when it runs, and what."""
    return {cron.name: (_when(cron), cron.path.replace(".js:", ":")) for cron in manifest.crons}


def _when(cron: CronManifest) -> str:
    schedule: dict[str, Any] = cron.schedule
    return f"every {schedule['seconds']:g} s" if schedule["kind"] == "interval" else f"{schedule['expression']} UTC"


def _cron_changes(old: Mapping[str, tuple[str, str]], new: Mapping[str, tuple[str, str]]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Change("-", "cron", name)
        elif name not in old:
            yield Change("+", "cron", name, new[name])
        elif notes := tuple(after for before, after in zip(old[name], new[name], strict=True) if before != after):
            yield Change("~", "cron", name, notes)


def _fields(validator: Validator) -> dict[str, str]:
    """Field name → its type in words; empty for what is no object."""
    if not isinstance(validator, ObjectV):
        return {}
    return {
        each.name: f"v.optional({_rendered(each.validator)})" if each.optional else _rendered(each.validator)
        for each in validator.fields
    }


def _rendered(validator: Validator | None) -> str:
    """A validator in words; a document by its table's name, for its fields are told elsewhere."""
    if isinstance(validator, ObjectV) and validator.table is not None:
        return f"a document of {validator.table}"
    return render_validator(validator if validator is not None else AnyV())


# ── who may sign tokens ───────────────────────────────────────────────────────────────────────────────────────────────


def _auth_changes(old: Sequence[Provider], new: Sequence[Provider]) -> Iterator[Change]:
    """Keys and algorithms are not named: a provider that changes is one that goes and one that comes."""
    yield from (Change("-", "auth provider", str(each)) for each in old if each not in new)
    yield from (Change("+", "auth provider", str(each)) for each in new if each not in old)
