"""`python -m reactor.transfer.stage_main`: checks and stages an import. It imports the user's code. See child.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reactor.database.database import Database
from reactor.errors import TransferRefused
from reactor.execution.environment import Noted
from reactor.execution.loader import load_bundle
from reactor.limits import Limits
from reactor.transfer.child import News, Order, serve_order
from reactor.transfer.options import ImportOptions
from reactor.transfer.stage import Stager
from reactor.transfer.targets import Stock


def stage(order: Order, news: News) -> Any:
    """Write the staging file; what it would do, table by table."""
    limits = Limits(**order["limits"])
    database = Database.open_reader(Path(order["database"]), limits=limits)
    with database.snapshot() as snapshot:
        stock = Stock(snapshot)
        variables = snapshot.variables()
    bundle = load_bundle(Path(order["root"]), Noted(variables, order["built_in"]))
    if bundle.hash != stock.head.bundle:
        raise TransferRefused(
            "The code on disk is not the code that is running, so its schema cannot say what fits. Push it first."
        )
    stager = Stager(stock, bundle.schema, limits, ImportOptions(**order["options"]))
    plan = stager.stage(
        Path(order["archive"]), Path(order["staging"]), Path(order["drafts"]), lambda what, done: news(what, done, 0)
    )
    changes = []
    with database.snapshot() as snapshot:
        for table in plan.tables:
            info = snapshot.catalog.table(table.name)
            there = 0 if info is None else snapshot.storage.documents.measure(info.place)[0]
            changes.append(
                {
                    "table": table.name,
                    "added": table.count,
                    "there": there,
                    "deleted": there * (table.mode == "replace"),
                }
            )
    database.close()
    return {"changes": changes, "count": plan.count, "blobs": list(plan.blobs)}


if __name__ == "__main__":
    serve_order(stage)
