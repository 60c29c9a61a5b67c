"""The durable log of commits in SQLite: one row per writing call, keys and documents packed in binary."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reactor.storage.sqlite_connection import SqliteConnection
from reactor.storage.storage import LogRow

_pack = msgspec.msgpack.Encoder().encode
_keys = msgspec.msgpack.Decoder(dict[int, list[bytes]]).decode
_documents = msgspec.msgpack.Decoder(dict[str, bytes | None]).decode


class SqliteLog:
    """Implements storage.Log."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    def append(self, rows: Sequence[LogRow]) -> None:
        self._connection.run_many(
            "INSERT INTO _log VALUES (?, ?, ?, ?, ?, ?)",
            [(row.ts, row.prev_ts, row.batch_ts, row.source, _pack(row.keys), _pack(row.documents)) for row in rows],
        )

    def after(self, ts: int, limit: int = -1) -> list[LogRow]:
        rows = self._connection.rows(
            "SELECT ts, prev_ts, batch_ts, source, keys, documents FROM _log WHERE ts > ? ORDER BY ts LIMIT ?",
            (ts, limit),
        )
        return [
            LogRow(at, prev, batch, source, _keys(keys), _documents(documents))
            for at, prev, batch, source, keys, documents in rows
        ]

    def oldest(self) -> int | None:
        found: int | None = self._connection.rows("SELECT min(ts) FROM _log")[0][0]
        return found

    def trim(self, before: int, limit: int) -> None:
        self._connection.run(
            "DELETE FROM _log WHERE ts IN (SELECT ts FROM _log WHERE ts < ? ORDER BY ts LIMIT ?)", (before, limit)
        )
