"""`reactor backup` and `reactor restore`: a deployment as a whole, in one file."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Annotated

import typer

from reactor.application import DATABASE
from reactor.cli.bar import Bar
from reactor.cli.export import bucket_here, new_file
from reactor.cli.project import DATA, Data, absolute, run_to_end
from reactor.cli.target import Key, Target, Url
from reactor.cli.terminal import Terminal
from reactor.cli.transfer_client import TransferClient
from reactor.errors import TransferRefused
from reactor.files.folder import FOLDER
from reactor.storage.lock import FileLock
from reactor.transfer.backup import BackupSource, write_backup
from reactor.transfer.blobs import Blobs
from reactor.transfer.restore import restore as restore_folder

BACKUP_EXAMPLES = """
**Examples**

    reactor backup                                  # while the server serves, or while none runs

    reactor backup /mnt/backups --url https://api.example.com
"""
RESTORE_EXAMPLES = """
**Examples**

    reactor restore backup_1795500000000.zip --data /var/lib/app

    reactor restore backup_1795500000000.zip --force    # what is in the data folder is moved aside
"""


def backup(
    path: Annotated[
        Path | None, typer.Argument(help="The file to write, or the folder to write it in.  [default: a new file here]")
    ] = None,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Write the whole deployment to one file.

    Documents, stored files, schedules, environment variables, keys and pushed code, true at one moment, while the server
    serves. It holds secrets: only you can read it, and it belongs where only you can.
    """
    out = new_file(path, f"backup_{time.time_ns() // 1_000_000}.zip")
    run_to_end(_backup(Target(data, url, admin_key), out))
    Terminal(Path.cwd()).done(f"{out}: {out.stat().st_size:,} bytes. It holds secrets.")


async def _backup(target: Target, out: Path) -> None:
    with Bar() as bar:
        async with target.running() as remote:
            if remote is None:
                _backup_offline(absolute(target.data), out, bar)
            else:
                client = TransferClient(remote, bar)
                await client.fetch(await client.produce("backup", {}), out)


def _backup_offline(data: Path, out: Path, bar: Bar) -> None:
    if not (data / DATABASE).is_file():
        raise TransferRefused(f"There is no data in {data}.")
    lock = FileLock.take(data / f"{DATABASE}.server", "server")
    try:
        with Blobs(data / FOLDER, bucket_here()) as blobs:
            write_backup(BackupSource(data, data / f"copy-{uuid.uuid4().hex}", blobs), out, bar.show)
    finally:
        lock.release()


def restore(
    path: Annotated[Path, typer.Argument(help="The backup.", exists=True, dir_okay=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Although the data folder is not empty: it is moved aside.")
    ] = False,
    data: Data = DATA,
) -> None:
    """Make a data folder of a backup.

    Everything is checked before anything is replaced. Stop the server first, and start it afterwards.
    """
    terminal = Terminal(Path.cwd())
    with Bar() as bar:
        done = restore_folder(path, absolute(data), bar.show, force=force)
    terminal.done(f"{data} is as it was at {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(done.ts / 1e9))}")
    if done.aside is not None:
        terminal.say(f"what was there is in {done.aside}: delete it when you are sure")
