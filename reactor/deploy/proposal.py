"""What a developer is told whose schema the documents do not fit: the migration to write, as text to paste."""

from __future__ import annotations

import re

from reactor.definitions.manifest import Manifest
from reactor.deploy.schema_work import TableWork


def proposal(work: TableWork, manifest: Manifest) -> str:
    """The end of a refusal. Nothing has changed, and one save with this makes the push go through."""
    if work.migrations:
        return (
            f"\nChange {', '.join(work.migrations)} so that every document fits, and push again. Nothing has changed."
        )
    doubt = work.doubt
    field = "" if doubt is None else doubt.path.lstrip(".").partition(".")[0].partition("[")[0]
    taken = {each.name for each in manifest.migrations}
    name = _free(_name(field, "" if doubt is None else doubt.why, work.table), taken)
    return (
        "\nNothing has changed. Let the field be optional, or bring the documents into their new shape: put this into "
        "functions/migrations.py,\nsay what is right for yours, and save. It is run while what is live goes on.\n\n"
        "    from reactor import Document, QueryCtx, migration\n"
        f"    from schema import {_class_name(work.table, manifest)}\n\n\n"
        f"    @migration({_class_name(work.table, manifest)})\n"
        f"    def {name}(ctx: QueryCtx, document: Document) -> None:\n"
        f"        {_body(field, '' if doubt is None else doubt.why)}\n"
    )


def _name(field: str, why: str, table: str) -> str:
    verb = "add" if "new" in why else "drop" if "not declared" in why else "change"
    return f"{verb}_{_snake(field)}" if field else f"change_{_snake(table)}"


def _body(field: str, why: str) -> str:
    if not field:
        return "...  # change the document"
    if "not declared" in why:
        return f'document.pop("{field}", None)'
    if "new" in why:
        return f'document["{field}"] = ...'
    return f'document["{field}"] = ...  # from document["{field}"]; {why}'


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def _free(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _class_name(table: str, manifest: Manifest) -> str:
    return next(
        (each.python_name for each in manifest.tables if each.name == table and each.python_name), table.title()
    )
