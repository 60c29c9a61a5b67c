"""Two Manifests in, differences out: a table of before and after."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from reactor.definitions.manifest import (
    CronManifest,
    FunctionManifest,
    Manifest,
    RouteManifest,
    SearchManifest,
    TableManifest,
)
from reactor.deploy.plan import DeployPlan
from reactor.values.validator import ArrayV, Field, NumberV, ObjectV, StringV

NAME, AGE = Field("name", StringV()), Field("age", NumberV())
USER = ObjectV((NAME,), table="users")
USERS = TableManifest("users", USER, indexes=(("by_name", ("name",)),))
CREATE = FunctionManifest("users:create", "users:create", "mutation", "public", ObjectV((NAME,)), StringV())


def tables(*each: TableManifest) -> Manifest:
    return Manifest(tables=each)


def functions(*each: FunctionManifest) -> Manifest:
    return Manifest(functions=each)


def routes(*each: tuple[Any, ...]) -> Manifest:
    return Manifest(routes=tuple(RouteManifest(*route) for route in each))


def users(**changes: object) -> Manifest:
    return tables(dataclasses.replace(USERS, **changes))  # type: ignore[arg-type]


def create(**changes: object) -> Manifest:
    return functions(dataclasses.replace(CREATE, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (tables(), tables(USERS), ["+ table users", "+ index users.by_name: name"]),
        (tables(USERS), tables(), ["- table users: its documents stay"]),
        (users(), users(indexes=()), ["- index users.by_name"]),
        (
            users(),
            users(indexes=(("by_name", ("name", "age")),)),
            ["~ index users.by_name: name → name, age"],
        ),
        (
            users(),
            users(search_indexes=(SearchManifest("search_name", "name", ("age",)),)),
            ["+ index users.search_name: search name by age"],
        ),
        (
            users(),
            users(document=ObjectV((NAME, dataclasses.replace(AGE, optional=True)), table="users")),
            ["+ field users.age: v.optional(v.float64())"],
        ),
        (users(document=ObjectV((NAME, AGE), table="users")), users(), ["- field users.age"]),
        (
            users(),
            users(document=ObjectV((Field("name", NumberV()),), table="users")),
            ["~ field users.name: v.string() → v.float64()"],
        ),
        (functions(), functions(CREATE), ["+ mutation users:create"]),
        (functions(), create(visibility="internal"), ["+ mutation users:create: internal"]),
        (functions(CREATE), functions(), ["- mutation users:create"]),
        (
            functions(CREATE),
            create(kind="action", visibility="internal"),
            ["~ action users:create: was a mutation, now internal"],
        ),
        (
            functions(CREATE),
            create(args=ObjectV((AGE, dataclasses.replace(NAME, optional=True)))),
            ["~ mutation users:create: takes age (v.float64()), name is v.optional(v.string()), was v.string()"],
        ),
        (functions(CREATE), create(args=ObjectV(())), ["~ mutation users:create: no longer takes name"]),
        (
            functions(CREATE),
            create(returns=ArrayV(USER)),
            ["~ mutation users:create: returns v.array(v.object({name: v.string()}))"],
        ),
        (functions(CREATE), create(returns=USER), ["~ mutation users:create: returns a document of users"]),
        (functions(CREATE), create(returns=None), ["~ mutation users:create: returns v.any()"]),
        (
            functions(),
            routes(("GET", "/hook"), ("GET", "/files/", True)),
            ["+ route GET /files/…", "+ route GET /hook"],
        ),
        (routes(("GET", "/hook")), routes(("PUT", "/hook")), ["- route GET /hook", "+ route PUT /hook"]),
        (functions(CREATE), create(doc="Only words changed."), []),
        (users(), users(), []),
    ],
)
def test_what_changed_is_said_in_a_line_each(old: Manifest, new: Manifest, lines: list[str]) -> None:
    plan = DeployPlan.between(old, new)
    assert plan.lines() == lines
    assert bool(plan) == bool(lines)


def test_the_first_push_brings_everything() -> None:
    manifest = Manifest(functions=(CREATE,), tables=(USERS,))
    plan = DeployPlan.first(manifest)
    assert plan.names("+", "table") == ("users",)
    assert plan.names("+", "mutation") == ("users:create",)
    assert plan.names("+", "query") == ()


def test_a_renamed_function_is_one_that_went_and_one_that_came() -> None:
    plan = DeployPlan.between(functions(CREATE), create(path="users:make"))
    assert plan.names("-", "mutation") == ("users:create",)
    assert plan.names("+", "mutation") == ("users:make",)


def crons(**each: tuple[str, dict[str, object]]) -> Manifest:
    return Manifest(crons=tuple(CronManifest(name, path, {}, schedule) for name, (path, schedule) in each.items()))  # type: ignore[arg-type]


def test_crons_that_come_change_and_go() -> None:
    beat: dict[str, object] = {"kind": "interval", "seconds": 300}
    daily: dict[str, object] = {"kind": "daily", "hourUTC": 3, "expression": "7 3 * * *", "second": 4}
    old = crons(beat=("jobs.js:tick", beat), gone=("jobs.js:tick", beat), same=("jobs.js:tick", daily))
    new = crons(beat=("jobs.js:tock", beat), new=("jobs.js:tick", daily), same=("jobs.js:tick", daily))
    assert DeployPlan.between(old, new).lines() == [
        "~ cron beat: jobs:tock",
        "- cron gone",
        "+ cron new: 7 3 * * * UTC, jobs:tick",
    ]
