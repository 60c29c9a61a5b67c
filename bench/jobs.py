"""How fast due jobs drain, and what a mutation waits meanwhile: `python bench/jobs.py [jobs]`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from reactor.application import Application

SCHEMA = """
from reactor import Table

class Note(Table, name="notes"):
    key: str
"""
FUNCTIONS = """
from reactor import MutationCtx, QueryCtx, ScheduledFunction, internal_mutation, mutation, query
from schema import Note

@internal_mutation
def one(ctx: MutationCtx, key: str) -> None:
    ctx.db.insert(Note(key=key))

@mutation
def schedule(ctx: MutationCtx, count: int, delay: float) -> None:
    for number in range(count):
        ctx.scheduler.run_after(delay, one, key=str(number))

@mutation
def nothing(ctx: MutationCtx) -> None: ...

@query
def some_left(ctx: QueryCtx) -> bool:
    return ctx.db.query(ScheduledFunction.by_state_due.eq("pending")).first() is not None
"""
DELAY = 2.0  # seconds: all are written before the first is due


async def main(count: int) -> None:
    """Schedule so many, let them drain, print the pace."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        (project / "functions").mkdir(parents=True)
        (project / "schema.py").write_text(SCHEMA)
        (project / "functions" / "jobs.py").write_text(FUNCTIONS)
        application = Application(project, Path(folder) / "data")
        await application.start()
        for first in range(0, count, 1000):
            args = b'{"count":%d,"delay":%f}' % (min(1000, count - first), DELAY)
            outcome = await application.call_mutation("jobs:schedule", args, None)
            assert outcome.failure is None, outcome.failure.text
        await asyncio.sleep(DELAY)
        began = time.perf_counter()
        waits = []
        while (await application.call_query("jobs:some_left", b"{}", None)).value == b"true":
            sent = time.perf_counter()
            await application.call_mutation("jobs:nothing", b"{}", None)
            waits.append(time.perf_counter() - sent)
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        await application.stop()
    waits.sort()
    median, high = waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000
    print(
        f"{count} jobs in {took:.2f} s: {count / took:.0f}/s; a mutation meanwhile: p50 {median:.1f} ms, p99 {high:.1f} ms"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
