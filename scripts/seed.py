# ruff: noqa: INP001 (a script, not a module of anything)
"""Fill the example application: `make seed`, or `python scripts/seed.py --users 50 --images 1000`.

Calls `seed:addUser` once a user, on the running server or on one started for it. Can be interrupted and run again: users
who are there already are left alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reactor.cli.remote import Remote, reaching
from reactor.errors import ReactorError

ROOT = Path(__file__).resolve().parents[1]
AT_ONCE = 4  # calls on their way: enough to fill the writer's batches


async def seed(remote: Remote, users: int, images: int, progress: Progress) -> int:
    """Add the users; returns how many images were added."""
    users_bar = progress.add_task("users", total=users)
    images_bar = progress.add_task("images", total=images)
    numbers = iter(range(users))
    added = 0

    async def work() -> None:
        nonlocal added
        for number in numbers:
            share = images * (number + 1) // users - images * number // users
            result = await remote.call("seed:addUser", {"number": number, "images": share})
            if result.error is not None:
                raise SystemExit(result.error)
            added += int(result.value["images"])
            progress.advance(users_bar)
            progress.advance(images_bar, share)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return added


async def main() -> None:
    options = argparse.ArgumentParser(description="Fill the example application with invented users and images.")
    options.add_argument("--users", type=int, default=300)
    options.add_argument("--images", type=int, default=30_000)
    options.add_argument("--data", type=Path, default=ROOT / ".reactor")
    chosen = options.parse_args()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:>6}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with reaching(ROOT, chosen.data.absolute()) as remote:
        with Progress(*columns, console=console) as progress:
            added = await seed(remote, chosen.users, chosen.images, progress)
    console.print(f"{added} images added.")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except ReactorError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
