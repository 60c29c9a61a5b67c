"""Files as rows: a document of `_storage` for each, which users read, and one of `_blobs` that says where its bytes are.

A file is there when its two rows are; its blob was on disk before. A delete takes the first row away and leaves the
second as a note of what is still to be removed, in the same commit: so a file is gone for readers at once, its bytes
never go without it, and go in the end whatever dies meanwhile.

    folder ──(a bucket is configured)──► bucket
       └───────────── deleted ─────────────┴──► doomed ──► (no row)
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from reactor.errors import DocumentNotFound, InvalidId

if TYPE_CHECKING:
    from reactor.database.reading import Reading
    from reactor.database.transaction import Transaction
    from reactor.values.value import Value

FETCH = "_server/files:fetch"  # what the server itself does for an action
RECORD = "_system/storage:record"
DELETE = "_system/storage:delete"
LOCATE = "_system/storage:locate"
FILES = "_storage"
BLOBS = "_blobs"
_AT_ONCE = 64  # blobs told of at once


def write_file(transaction: Transaction, key: str, sha256: str, size: int, content_type: str | None) -> str:
    """A blob that has landed becomes a file; its id."""
    fields: dict[str, Value] = {"sha256": sha256, "size": float(size)}
    if content_type is not None:
        fields["contentType"] = content_type
    file = transaction.insert(FILES, fields).id
    transaction.insert(BLOBS, {"key": key, "file": file, "state": "folder"})
    return file


def delete_file(transaction: Transaction, id: str) -> None:
    """The file is gone; its blob follows. Raises DocumentNotFound."""
    row = _row(transaction, "by_file", id)
    if row is None:
        raise DocumentNotFound(f"storage id {id} not found")
    transaction.delete(id)
    transaction.replace(row["_id"], {"key": row["key"], "state": "doomed"})


def key_of_file(reading: Reading, id: str) -> str | None:
    """The key of a file's blob; None when there is no such file."""
    row = _row(reading, "by_file", id)
    return None if row is None else str(row["key"])


def find_file(reading: Reading, key: str) -> Value:
    """The file whose blob has this key, as a document; None when there is none."""
    row = _row(reading, "by_key", key)
    found = None if row is None or "file" not in row else reading.get(row["file"])
    return None if found is None else {"_id": found.id, **found.fields()}


def check_file_id(reading: Reading, id: Any, verb: str) -> str:
    """The id, if it is one of a file. Raises InvalidId."""
    try:
        if not isinstance(id, str):
            raise InvalidId(f"{id!r} is not a document id. Pass the `_id` of a document as it was received.")
        if reading.normalize_id(FILES, id) is None:
            raise InvalidId(f"{id!r} is not the id of a stored file.")
    except InvalidId as error:
        raise InvalidId(f"Invalid argument `storageId` for `storage.{verb}`: {error}") from None
    return id


# ── for whoever keeps the blobs ───────────────────────────────────────────────────────────────────────────────────────


def blobs_in(reading: Reading, state: str) -> list[Value]:
    """The keys of some of the blobs in that state."""
    return [row.fields()["key"] for row in islice(reading.scan(BLOBS, "by_state", equal=(state,)), _AT_ONCE)]


def states_of(reading: Reading, keys: Iterable[str]) -> dict[str, Value]:
    """The state of each of these blobs that a row knows of."""
    rows = ((key, _row(reading, "by_key", key)) for key in keys)
    return {key: row["state"] for key, row in rows if row is not None}


def set_moved(transaction: Transaction, key: str) -> bool:
    """The blob is in the bucket now. False when it is doomed or forgotten meanwhile."""
    row = _row(transaction, "by_key", key)
    if row is None or row["state"] != "folder":
        return False
    transaction.replace(row["_id"], {"key": key, "file": row["file"], "state": "bucket"})
    return True


def forget_blob(transaction: Transaction, key: str) -> None:
    """A doomed blob is gone."""
    row = _row(transaction, "by_key", key)
    if row is not None and row["state"] == "doomed":
        transaction.delete(row["_id"])


def _row(reading: Reading, index: str, value: str) -> dict[str, Any] | None:
    for stored in reading.scan(BLOBS, index, equal=(value,), limit=1):
        return {"_id": stored.id, **stored.fields()}
    return None
