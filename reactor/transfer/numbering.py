"""Numbering: which table gets which number, so that ids that come keep their texts and still name their tables.

An id holds its table's number (values/id.py). Archives of other deployments have numbers of their own; a table that
holds nothing but what comes takes the number its ids have. A table with documents that stay keeps its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reactor.database.catalog import FIRST_USER_TABLE
from reactor.errors import TransferRefused


@dataclass(frozen=True, slots=True)
class Present:
    """A table that is there."""

    number: int
    stays: bool  # it has documents, and they are not replaced


@dataclass(frozen=True, slots=True)
class Numbering:
    """`renumbered`: tables that are there and get another number. `created`: numbers of those to be made."""

    renumbered: Mapping[str, int]
    created: Mapping[str, int]


def number_tables(present: Mapping[str, Present], coming: Mapping[str, int | None]) -> Numbering:
    """`coming` are the tables that get documents, with the number their ids have, None when they bring no ids.

    Raises TransferRefused when two tables would need one number.
    """
    final: dict[str, int] = {}
    taken: dict[int, str] = {}

    def give(name: str, number: int) -> None:
        final[name] = number
        taken[number] = name

    for name, table in present.items():
        if table.stays:
            give(name, table.number)
    for name, number in coming.items():
        if number is None or final.get(name) == number:
            continue
        if name in final:
            raise TransferRefused(
                f"The ids of table {name} have the table number {number}, but here it has documents and the number "
                f"{final[name]}. Import into an empty table or with --replace, or leave `_id` out of the documents."
            )
        if number in taken:
            other = taken[number]
            raise TransferRefused(
                f"The ids of table {name} have the table number {number}, which is that of table {other}"
                + (
                    " here, and documents of that stay. Use --replace-all, or import into an empty deployment."
                    if other in present and present[other].stays
                    else ", too: the archive contradicts itself."
                )
            )
        give(name, number)
    for name, table in present.items():
        if name not in final and table.number not in taken:
            give(name, table.number)
    free = max([FIRST_USER_TABLE - 1, *taken]) + 1
    for name in [*present, *coming]:
        if name not in final:
            give(name, free)
            free += 1
    return Numbering(
        {name: final[name] for name, table in present.items() if final[name] != table.number},
        {name: number for name, number in final.items() if name not in present},
    )
