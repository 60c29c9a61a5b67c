"""`python -m reactor.transfer.backup_main`: backs up the data folder of a running server. See child.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reactor.files.bucket import BucketSettings
from reactor.transfer.backup import BackupSource, write_backup
from reactor.transfer.blobs import Blobs
from reactor.transfer.child import News, Order, serve_order


def backup(order: Order, news: News) -> Any:
    """Write the backup to `out`; its timestamp, and how many files are in it."""
    bucket, out = order.get("bucket"), Path(order["out"])
    with Blobs(Path(order["files"]), None if bucket is None else BucketSettings(**bucket)) as blobs:
        ts, count = write_backup(BackupSource(Path(order["data"]), Path(order["copy"]), blobs), out, news)
    return {"ts": str(ts), "count": count, "size": out.stat().st_size}


if __name__ == "__main__":
    serve_order(backup)
