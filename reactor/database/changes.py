"""Which documents of a table changed after a timestamp: what the durable log says, inside a batch or a snapshot."""

from __future__ import annotations

from typing import NamedTuple

from reactor.database.catalog import EVERYTHING_KEY, SYSTEM_INDEX, TableInfo
from reactor.errors import InvalidId
from reactor.storage.storage import Storage
from reactor.values.id import decode_id


class Changes(NamedTuple):
    """Ids of documents written or deleted after `since`, up to and including `until`."""

    ids: list[str]
    until: int
    more: bool  # later commits were left out
    forgotten: bool = False  # the log does not go back so far: nothing is known


def changes_after(storage: Storage, head: int, table: TableInfo, since: int, limit: int) -> Changes:
    """The changes that up to `limit` commits made. `head` is that of the open batch or snapshot."""
    rows = storage.log.after(since, limit)
    if (not rows and head > since) or (rows and rows[0].prev_ts > since):
        return Changes([], since, more=False, forgotten=True)
    ids: dict[str, None] = {}
    for row in rows:
        if EVERYTHING_KEY in row.keys.get(SYSTEM_INDEX, ()):  # an import: any document may be another
            return Changes([], since, more=False, forgotten=True)
        for own_id in row.documents:
            if _number_of(own_id) == table.number:
                ids[own_id] = None
    more = len(rows) == limit
    return Changes(list(ids), rows[-1].ts if more else max(since, head), more)


def _number_of(id: str) -> int | None:
    try:
        return decode_id(id).table_number
    except InvalidId:
        return None
