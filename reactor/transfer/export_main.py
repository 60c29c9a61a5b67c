"""`python -m reactor.transfer.export_main`: copies the database, and writes what the copy says. See child.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reactor.files.bucket import BucketSettings
from reactor.storage.database_copy import copy_database
from reactor.transfer.blobs import Blobs
from reactor.transfer.child import News, Order, serve_order
from reactor.transfer.export import Export
from reactor.transfer.options import ExportOptions


def export(order: Order, news: News) -> Any:
    """Write the export to `out`; its timestamp, and how many documents it has."""
    copy, out = Path(order["copy"]), Path(order["out"])
    bucket = order.get("bucket")
    try:
        ts = copy_database(Path(order["database"]), copy, lambda done, total: news("Copying the database", done, total))
        with Blobs(Path(order["files"]), None if bucket is None else BucketSettings(**bucket)) as blobs:
            count = Export(copy, blobs, news).write(out, ExportOptions(**order["options"]))
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    finally:
        copy.unlink(missing_ok=True)
    return {"ts": str(ts), "count": count, "size": out.stat().st_size}


if __name__ == "__main__":
    serve_order(export)
